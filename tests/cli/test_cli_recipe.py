"""From flags and recipe files to a `Recipe`."""

import dataclasses
import sys
import types

import pytest

from burnish.cli.main import main
from burnish.cli.recipe_file import read_recipe
from burnish.errors import UsageError
from burnish.pipeline.recipe import Recipe


@pytest.fixture
def job(monkeypatch):
    """What `burnish run` hands to the main job."""
    seen = {}

    def run(recipe, *, out, observer=None):
        seen.update(recipe=recipe, out=out)
        return {}

    module = types.ModuleType("burnish.pipeline.main_job")
    module.run = run
    monkeypatch.setitem(sys.modules, module.__name__, module)
    return seen


def test_without_arguments_the_recipe_is_the_default_one(job):
    assert main(["run"]) == 0
    assert job["recipe"] == Recipe()
    assert job["out"].as_posix() == "runs/digits-default"


def test_every_flag_arrives(job, tmp_path):
    words = (
        "run nets.py:small --data photos/ --target y --task classification --modality image --group g --time t "
        "--max-rows 500 --resplit --checkpoint w.safetensors --epochs 7 --batch-size 16 --optimizer sgd --lr 1e-2 "
        "--loss focal "
        "--metric f1 --budget quick --only Mixup,EMA --only SAM --min-gain 0.1 --max-drop 0.2 --target-score 0.9 "
        "--threshold degradation=0.2 --require bytes<=5 --seed 3 --device cpu --workers 2 --on local "
        "--ranks 2 --log tensorboard,mlflow "
        "--levels mixed --vary-lr --screen 16 --ensemble 3 --precision bf16"
    )
    given = ["--with", "Dropout(rate=0.2)", "--with", "Mixup()", "--out", str(tmp_path)]
    assert main([*words.split(" "), *given]) == 0
    assert job["out"] == tmp_path
    assert dataclasses.asdict(job["recipe"]) == {
        "network": "nets.py:small",
        "data": "photos/",
        "target": "y",
        "task": "classification",
        "modality": "image",
        "group": "g",
        "time": "t",
        "max_rows": 500,
        "threshold": ("degradation=0.2",),
        "checkpoint": "w.safetensors",
        "resplit": True,
        "epochs": 7,
        "batch_size": 16,
        "optimizer": "sgd",
        "lr": 0.01,
        "loss": "focal",
        "techniques": ("Dropout(rate=0.2)", "Mixup()"),
        "metric": "f1",
        "budget": "quick",
        "against": (),
        "only": ("Mixup", "EMA", "SAM"),
        "levels": "mixed",
        "vary_lr": True,
        "screen": 16,
        "min_gain": 0.1,
        "max_drop": 0.2,
        "target_score": 0.9,
        "require": "bytes<=5",
        "seed": 3,
        "device": "cpu",
        "workers": 2,
        "on": "local",
        "ranks": 2,
        "log": ("tensorboard", "mlflow"),
        "ensemble": 3,
        "precision": "bf16",
    }


def test_a_recipe_file_means_what_it_looks_like(job, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "network: nets.py:small\ndata: photos/\nlr: 1e-3\nmin-gain: 1\nbatch_size: 16\non: local\nonly: Mixup, EMA\n"
        "with:\n  - Dropout(rate=0.2)\ntarget: yes\nmetric:\nout: somewhere/else\n"
    )
    assert main(["run", str(file)]) == 0
    assert job["recipe"] == Recipe(
        network="nets.py:small",
        data="photos/",
        lr=0.001,
        min_gain=1.0,
        batch_size=16,
        only=("Mixup", "EMA"),
        techniques=("Dropout(rate=0.2)",),
        target="yes",
    )
    assert job["out"].as_posix() == "somewhere/else"


def test_flags_override_the_file(job, tmp_path):
    file = tmp_path / "recipe.yml"
    file.write_text("seed: 1\nepochs: 5\nout: a\n")
    assert main(["run", str(file), "--seed", "2", "--out", "b"]) == 0
    assert (job["recipe"].seed, job["recipe"].epochs, job["out"].as_posix()) == (2, 5, "b")


def test_an_empty_file_is_the_default_recipe(job, tmp_path):
    file = tmp_path / "recipe.yaml"
    file.write_text("# nothing yet\n")
    assert main(["run", str(file)]) == 0
    assert job["recipe"] == Recipe()


def test_what_a_recipe_writes_about_itself_reads_back(job, tmp_path):
    import yaml

    recipe = Recipe(network="cnn", lr=1e-5, techniques=("EMA(decay=0.99)",), only=("Mixup", "EMA"), target_score=0.9)
    file = tmp_path / "recipe.yaml"
    file.write_text(yaml.safe_dump({k: v for k, v in recipe.to_json().items() if v not in (None, [])}))
    assert main(["run", str(file)]) == 0
    assert job["recipe"] == recipe


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("epoch: 3", "did you mean 'epochs'"),
        ("epochs: many", "epochs must be int, got 'many'"),
        ("epochs: 2.5", "epochs must be int, got 2.5"),
        ("epochs: true", "epochs must be int, got True"),
        ("lr: fast", "lr must be a number, got 'fast'"),
        ("lr: -1", "--lr must be above 0"),
        ("epochs: 0", "--epochs must be at least 1"),
        ("on: cluster", "--on 'cluster' is unknown"),
        ("- epochs", "must hold lines such as"),
        ("just text", "must hold lines such as"),
        ("a: [", "is not YAML"),
        ("1: 2", "must hold lines such as"),
    ],
)
def test_a_wrong_file_is_one_clear_line_and_exit_2(job, tmp_path, capsys, content, message):
    file = tmp_path / "recipe.yaml"
    file.write_text(content)
    assert main(["run", str(file)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert captured.err.startswith("burnish: ")
    assert message in captured.err
    assert job == {}


def test_a_missing_file_says_what_writes_one(tmp_path):
    with pytest.raises(UsageError, match="burnish init"):
        read_recipe(tmp_path / "none.yaml")


def test_pyyaml_is_left_as_it_was(tmp_path):
    import yaml

    file = tmp_path / "recipe.yaml"
    file.write_text("on: local\nlr: 1e-3\nflag: true\nnumber: 12\nrate: .5\n")
    values = read_recipe(file)
    assert values == {"on": "local", "lr": 0.001, "flag": True, "number": 12, "rate": 0.5}
    assert yaml.safe_load(file.read_text())[True] == "local"

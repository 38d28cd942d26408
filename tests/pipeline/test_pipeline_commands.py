"""The Python interface and the commands beside `run`."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from jsonschema import Draft202012Validator
from torch import nn

import burnish as bu
from burnish.cli.recipe_file import read_recipe
from burnish.errors import UsageError
from burnish.evaluation.calibration import crossfit_temperature
from burnish.exporting.runtime import run as run_onnx
from burnish.pipeline import descent
from burnish.pipeline.commands import job, look, runs
from burnish.pipeline.recipe import Recipe
from burnish.techniques import BatchNorm, LabelSmoothing

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text(encoding="utf-8"))
QUICK = Recipe(budget="quick", epochs=2, lr=3e-3)


def make_net(outputs: int) -> nn.Module:
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs))


@pytest.fixture(scope="module")
def base() -> bu.Plan:
    return bu.Plan(model=make_net, data=bu.load("digits"), epochs=3)


def test_train_and_compare_in_pairs(base, tmp_path) -> None:
    before = bu.train(base, seeds=range(3), out=tmp_path)
    after = bu.train(base.then(LabelSmoothing(alpha=0.1)), seeds=range(3), out=tmp_path)
    found = bu.compare(before, after)
    assert found.difference.n == 3
    expected = sum(b.score - a.score for a, b in zip(before, after, strict=True)) / 3
    assert found.difference.value == pytest.approx(expected)
    assert found.verdict in ("better", "worse", "unclear")
    assert isinstance(before.model(0), nn.Module)


def test_trained_runs_are_not_trained_again(base, tmp_path) -> None:
    first = bu.train(base, seeds=[0], out=tmp_path)
    seen = []
    second = bu.train(base, seeds=[0], out=tmp_path, on_run=seen.append)
    assert second.runs == first.runs
    assert len(seen) == 1


def test_too_few_pairs_is_a_clear_error(base) -> None:
    one = bu.train(base, seeds=[0])
    with pytest.raises(UsageError, match="at least 2 pairs"):
        bu.compare(one, one)
    with pytest.raises(UsageError, match="at least one seed"):
        bu.train(base, seeds=[])


def test_a_trained_module_keeps_its_weights_and_its_splits(base) -> None:
    module = make_net(10)
    plan = bu.Plan(model=module, data=base.data, epochs=1)
    assert torch.equal(plan.build(3)[1].weight, module[1].weight)
    assert plan.source.trained


def test_quick_diagnosis_trains_nothing(base) -> None:
    findings = bu.diagnose(base, quick=True)
    assert findings
    assert {f.state for f in findings} <= {"fires", "clear", "cannot tell"}


def test_compare_two_sides_given_by_hand() -> None:
    both = replace(QUICK, techniques=("LabelSmoothing(alpha=0.1)",), against=("WeightDecay(value=0.05)",))
    found = runs.compare_technique(both)
    assert (found.before, found.after) == ("WeightDecay(value=0.05)", "LabelSmoothing(alpha=0.1)")
    assert found.difference.n == len(found.pairs) == 3
    assert found.verdict in ("CONFIRMED", "EQUIVALENT", "UNRESOLVED", "NOTHING_TO_GAIN")
    with pytest.raises(UsageError, match="both sides"):
        runs.compare_technique(replace(both, against=both.techniques))
    with pytest.raises(UsageError, match="--with"):
        runs.compare_technique(QUICK)


def test_train_command_and_comparison_of_directories(tmp_path) -> None:
    trained = runs.train(QUICK, seeds=2, out=tmp_path / "a")
    runs.train(replace(QUICK, techniques=(repr(BatchNorm()),)), seeds=2, out=tmp_path / "b")
    found = runs.compare_runs(tmp_path / "a", tmp_path / "b")
    assert found.pairs[0][0] == pytest.approx(trained[0].score)
    with pytest.raises(UsageError, match="is it a run directory"):
        runs.compare_runs(tmp_path / "a", tmp_path / "c")


def test_a_dry_run_trains_nothing(tmp_path) -> None:
    events: list[dict] = []
    job.study(QUICK, dry_run=True, out=tmp_path / "s", observer=events.append)
    assert any(e["event"] == "plan" for e in events)
    assert not any(e["event"] == "run" for e in events)


def test_inspect_needs_no_data_for_the_zoo() -> None:
    assert look.inspect_network(Recipe(network="mlp", data=None)).parameters > 0
    with pytest.raises(UsageError, match="--data"):
        look.inspect_network(Recipe(network="net.py:make", data=None))


def test_init_names_what_it_finds(tmp_path) -> None:
    (tmp_path / "table.csv").write_text("a,label\n1,2\n")
    (tmp_path / "net.py").write_text("def make_net(outputs):\n    pass\n")
    text = job.init(tmp_path)
    assert f"data: {tmp_path / 'table.csv'}" in text
    assert "network: net.py:make_net" in text
    (tmp_path / "recipe.yaml").write_text(text)
    assert Recipe.from_mapping(read_recipe(tmp_path / "recipe.yaml")).network == "net.py:make_net"


def test_trained_runs_are_compressed_and_exported(base, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(descent, "DEPTHS", (0.5,))
    runs = bu.train(base, seeds=[1, 0], out=tmp_path / "runs")
    small = bu.compress(runs, max_drop=0.5, sparsity=0.8)
    assert small["steps"][0]["score"] == pytest.approx(runs[0].score, abs=1e-3)  # judged on the split of that run
    assert {"float", "int8", "pruned 50%", "pruned 50% int8"} <= set(small["files"])
    assert small["test"]["n"] == 797
    zeros = small["sparsity"]
    assert zeros["sparsity"] == pytest.approx(0.8, abs=0.01)
    assert zeros["zipped_bytes"] < 0.6 * zeros["zipped_bytes_before"]
    assert "as fast as before" in zeros["text"]
    told = bu.export(small, tmp_path / "small.onnx")
    assert told["bytes"] == (tmp_path / "small.onnx").stat().st_size
    told = json.loads((tmp_path / "small.json").read_text())
    split = runs.plan.data.replicate(1)
    outputs = run_onnx(tmp_path / "small.onnx", split.preparation.network_input(split.validation.inputs))
    read = crossfit_temperature(outputs, split.validation.targets, split.task)  # of its own
    assert told["temperature"] == pytest.approx(read["temperature"] if read["accepted"] else 1.0)
    again = bu.compress(runs, max_drop=0.5)
    assert again["runs"] == small["runs"]
    report = json.loads((Path(small["path"]).parent / "report.json").read_text())
    assert not list(Draft202012Validator(SCHEMA).iter_errors(report))
    assert report["task"]["metric"] == "accuracy"
    assert report["environment"]["torch"]
    assert report["seconds"]["search"] > 0


def test_runs_without_a_result_cannot_be_compressed(base, tmp_path) -> None:
    runs = bu.train(base, seeds=[0], out=tmp_path)
    failed = replace(runs, runs=(replace(runs[0], status="failed"),))
    with pytest.raises(UsageError, match="none of the 1 runs finished"):
        bu.compress(failed)

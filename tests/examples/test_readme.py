"""What the README shows is there: its Python runs, its commands and flags exist, its lists are complete."""

import re
from pathlib import Path

import numpy as np
import pytest
import typer.main
from PIL import Image

from burnish.cli.main import app
from burnish.model.zoo import ZOO
from burnish.techniques import CATALOGUE

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = typer.main.get_command(app).commands
SMALL = {"epochs=20": "epochs=1", "range(5)": "range(2)", 'budget="20m"': 'budget="quick", only=("Mixup",)'}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def calls():
    """Every `burnish ...` of the README, from shell blocks and from code in the text."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    text = re.sub(r"^```.*?^```", "", README, flags=re.DOTALL | re.MULTILINE)
    found = [line for line in lines + re.findall(r"`([^`\n]+)`", text) if re.match(r"\S*burnish \w", line)]
    return sorted({line.partition("#")[0].strip() for line in found})


@pytest.fixture
def photos(tmp_path, monkeypatch):
    """A folder `photos/` of two classes, bright above or below."""
    monkeypatch.chdir(tmp_path)
    rng = np.random.default_rng(0)
    for name, rows in (("above", slice(0, 6)), ("below", slice(6, 12))):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for i in range(40):
            pixels = rng.integers(0, 120, (12, 12, 3))
            pixels[rows] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(tmp_path / "photos" / name / f"{i}.png")


def test_the_python_of_the_readme_runs(photos, tmp_path, capsys):
    names = {"__name__": "__main__"}
    for block in blocks("python"):
        for large, small in SMALL.items():
            block = block.replace(large, small)
        exec(compile(block, "README.md", "exec"), names)
    out = capsys.readouterr().out
    assert "Mixup(alpha=0.2)" in out
    assert "accuracy" in out
    assert (tmp_path / "photos.onnx").exists()
    assert (tmp_path / "runs" / "photos" / "report.html").exists()


@pytest.mark.parametrize("line", calls())
def test_the_commands_of_the_readme_exist(line):
    _, command, *words = line.split()
    assert command in COMMANDS
    options = {option for parameter in COMMANDS[command].params for option in parameter.opts}
    assert set(re.findall(r"--[a-z-]+", " ".join(words))) <= options | {"--help"}


def test_every_command_and_technique_and_network_is_named():
    shown = {line.split()[1] for line in calls()}
    assert shown >= set(COMMANDS)
    assert [name for name in CATALOGUE if f"`{name}`" not in README] == []
    assert [name for name in ZOO if f"`{name}`" not in README] == []


def test_the_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    wanted = set(re.findall(r"^make (\w+)", "\n".join(blocks("sh")), re.MULTILINE))
    assert wanted == {"demo", "test"}
    assert all(re.search(rf"^{name}:", makefile, re.MULTILINE) for name in wanted)


def test_files_that_are_named_are_there():
    named = re.findall(r"`((?:docs|examples)/[\w./]*|[A-Z]+\.md|constraints\.txt)`", README)
    assert named
    assert [name for name in named if not (ROOT / name).exists()] == []

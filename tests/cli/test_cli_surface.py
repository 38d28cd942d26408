"""Commands and flags are a promise: a change here is a change of the interface and belongs in the change log."""

import dataclasses

import pytest
import typer.main

from burnish.cli.main import app, main
from burnish.cli.options import PANELS
from burnish.pipeline.recipe import Recipe

DATA = "--data --group --max-rows --modality --target --task --time"
TRAINING = "--batch-size --checkpoint --epochs --loss --lr --optimizer --precision --resplit --with"
JOB = (
    "--budget --device --ensemble --levels --log --max-drop --metric --min-gain --on --only --ranks --require --screen "
    "--seed --target-score --threshold --vary-lr --workers"
)
VIEW = "--help --json --quiet"
SHARED = f"{DATA} {TRAINING} {JOB} {VIEW}"
SURFACE = {
    "bench": f"{VIEW} --batch --repeats --threads",
    "compare": f"{SHARED} --against --out",
    "compress": f"{VIEW} --budget --criterion --max-drop --ratios --require --schedule --sparsity",
    "diagnose": f"{SHARED} --out --quick",
    "distill": f"{VIEW} --members --narrow --seeds --student --temperature --weight",
    "ensemble": f"{VIEW} --device --distill --method --out --weights",
    "evaluate": f"{VIEW} --metric --split",
    "export": VIEW,
    "init": f"{VIEW} --force",
    "inspect": SHARED,
    "predict": f"{VIEW} --out",
    "report": VIEW,
    "run": f"{SHARED} --out",
    "status": VIEW,
    "study": f"{SHARED} --out --dry-run",
    "techniques": f"{VIEW} --learned",
    "train": f"{SHARED} --out --same-split --seeds",
}


def flags(command):
    context = typer.Context(command)
    options = [option for parameter in command.get_params(context) for option in parameter.opts]
    return sorted(option for option in options if option.startswith("--"))


def test_the_commands_are_these():
    assert sorted(typer.main.get_command(app).commands) == sorted(SURFACE)


@pytest.mark.parametrize("name", SURFACE)
def test_the_flags_are_these(name):
    assert flags(typer.main.get_command(app).commands[name]) == sorted(SURFACE[name].split())


def test_every_field_of_a_recipe_is_a_flag_or_the_network():
    words = [name for panel in PANELS.values() for name in panel]
    assert sorted([*words, "network"]) == sorted(field.name for field in dataclasses.fields(Recipe))


@pytest.mark.parametrize("name", ["", *SURFACE])
def test_help_is_there(name, capsys):
    assert main([*name.split(), "--help"]) == 0
    assert "Usage: burnish" in capsys.readouterr().out


def test_version(capsys):
    from burnish import __version__

    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"burnish {__version__}\n"


def test_no_command_shows_the_help(capsys):
    assert main([]) == 0
    assert "Commands" in capsys.readouterr().out

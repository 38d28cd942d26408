"""The import line: a package imports only from those before it."""

import importlib.util

import pytest
from imports import PACKAGE, imported, module_name, package_of, sources

LINE = [
    *("errors", "records", "ledger", "execution", "metrics", "losses", "tasks", "data", "model", "plan"),
    *("evaluation", "training", "techniques", "exporting", "ensembling", "diagnosis", "studies", "compression"),
    *("reporting", "pipeline", "cli"),
]
EVERYTHING = ("pipeline", "cli", "__main__")
# Those that get callables and names instead of techniques, so that they can work on anything.
WITHOUT_TECHNIQUES = ("studies", "diagnosis", "compression", "reporting")
ONLY = {"reporting": {"errors", "records", "ledger"}, "execution": {"errors", "records"}, "records": set()}
NOT_A_TECHNIQUE = ("__init__", "notation")


def parts(name):
    return name.split(".")


def violations(path_name, package, text):
    """What the module `path_name` imports and may not."""
    own = parts(path_name)[1] if "." in path_name else ""
    wrong = []
    for name in sorted(imported(text, package)):
        if parts(name)[0] != "burnish":
            continue
        other = parts(name)[1] if "." in name else ""
        if other in ("", "__version__") or other == own or own in ("", *EVERYTHING):
            continue
        if other not in LINE or LINE.index(other) > LINE.index(own):
            wrong.append(f"{path_name} imports {name}, which comes later")
        elif own in ONLY and other not in ONLY[own]:
            wrong.append(f"{path_name} imports {name}, but may see only {sorted(ONLY[own])}")
        elif own in WITHOUT_TECHNIQUES and other == "techniques":
            wrong.append(f"{path_name} imports {name}")
    return wrong


def test_the_line_names_every_package():
    there = {p.stem if p.is_file() else p.name for p in PACKAGE.iterdir() if not p.name.startswith("_")}
    assert there - {"py"} <= set(LINE)


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_imports_a_later_one(path):
    assert violations(module_name(path), package_of(path), path.read_text(encoding="utf-8")) == []


def test_only_the_command_line_is_above_the_pipeline():
    texts = {path: path.read_text(encoding="utf-8") for path in sources() if "pipeline" in path.parts}
    wrong = [p for p, text in texts.items() if any(n.startswith("burnish.cli") for n in imported(text, package_of(p)))]
    assert wrong == []


def test_no_technique_imports_another():
    folder = PACKAGE / "techniques"
    files = {p.stem: p for p in folder.glob("*.py") if p.stem not in NOT_A_TECHNIQUE}
    techniques = {stem for stem in files if not stem.startswith("_")}
    wrong = []
    for stem, path in files.items():
        names = imported(path.read_text(encoding="utf-8"), "burnish.techniques")
        seen = {parts(n)[2] for n in names if n.startswith("burnish.techniques.")}
        wrong += [f"{stem} imports {other}" for other in seen & techniques - {stem}]
    assert wrong == []


@pytest.mark.parametrize(
    "text",
    [
        "import burnish.pipeline.recipe",
        "import burnish.pipeline.recipe as r",
        "from burnish import pipeline",
        "from burnish.pipeline import recipe",
        "from burnish.pipeline.recipe import Recipe",
        "from .. import pipeline",
        "from ..pipeline import recipe",
        "def f():\n    from burnish.pipeline import recipe",
        "if TYPE_CHECKING:\n    import burnish.pipeline",
        "try:\n    import burnish.pipeline\nexcept ImportError:\n    pass",
        "import importlib\nimportlib.import_module('burnish.pipeline')",
        "import importlib\nimportlib.import_module('.pipeline', 'burnish')",
        "from importlib import import_module\nimport_module('burnish.pipeline.recipe')",
        "__import__('burnish.pipeline')",
        "target = 'burnish.pipeline.worker:work'",
    ],
)
def test_every_form_of_import_is_seen(text):
    package = "burnish" if ".pipeline', 'burnish'" in text else "burnish.data"
    assert violations("burnish.data.x", package, text)


@pytest.mark.parametrize(
    "text",
    [
        "from burnish.data.y import z",
        "from . import y",
        "from .y import z",
        "from burnish.errors import UsageError",
        "from burnish import __version__",
        "import numpy, os.path",
        "'''Sits before burnish.pipeline.recipe in the line.'''",
    ],
)
def test_what_is_allowed_is_not_taken_for_a_violation(text):
    assert violations("burnish.data.x", "burnish.data", text) == []


def test_names_taken_from_the_top_are_seen_as_what_they_are():
    assert violations("burnish.data.x", "burnish.data", "from burnish import Plan")


def test_modules_found_by_name_exist():
    names = {
        name
        for path in sources()
        for name in imported(path.read_text(encoding="utf-8"), package_of(path))
        if name.startswith("burnish.") and name.count(".") == 1
    }
    known = {*LINE, "__version__"}
    missing = [n for n in names if parts(n)[1] not in known and importlib.util.find_spec(n) is None]
    assert missing == []

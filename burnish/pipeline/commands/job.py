"""The experiment alone, and a recipe to begin with."""

import dataclasses
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.pipeline.commands.places import Observer, folder, silent
from burnish.pipeline.recipe import Recipe

if TYPE_CHECKING:
    from burnish.plan import Plan

__all__ = ["init", "study"]


def study(
    subject: "Recipe | Plan",
    *,
    dry_run: bool = False,
    out: Path | str | None = None,
    observer: Observer | None = None,
    budget: str | None = None,
    only: tuple[str, ...] = (),
    levels: str | None = None,
    vary_lr: bool = False,
) -> dict[str, Any]:
    """Which techniques pay: the experiment without compression, export and test.

    `run` with the same recipe and `out` goes on from there.

    Args:
        subject: A recipe, or a plan from Python, whose factory, data and numbers are used.
        dry_run: Only say what would be run, at what price.
        out: The run directory; a temporary one by default.
        observer: Told what happens.
        budget: Overrides the recipe's.
        only: Techniques the study is limited to, by name or notation; overrides the recipe's.
        levels: `two` or `mixed`; overrides the recipe's.
        vary_lr: Vary the learning rate beside the techniques.

    Returns:
        The content of report.json so far; of a dry run with the design as `forecast`.
    """
    from burnish.pipeline.dry_run import dry_run as plan_ahead
    from burnish.pipeline.main_job import STUDY, run_stages

    recipe = subject if isinstance(subject, Recipe) else Recipe(data=None)
    recipe = replace(
        recipe,
        budget=budget or recipe.budget,
        only=tuple(only) or recipe.only,
        levels=levels or recipe.levels,
        vary_lr=vary_lr or recipe.vary_lr,
    )
    plan = None if isinstance(subject, Recipe) else subject
    with folder(Path(out) if out else None) as root:
        if dry_run:
            return plan_ahead(recipe, root, observer or silent, plan=plan)
        return run_stages(recipe, root, observer or silent, STUDY, plan=plan)


def init(folder: Path | str = ".") -> str:
    """A commented recipe for what lies in `folder`."""
    here = Path(folder)
    data = _guess_data(here)
    lines = [
        "# A recipe for `burnish run recipe.yaml`. Keys are the names of the command line's flags.",
        f"data: {data or 'digits'}" + ("" if data else "          # no data found here: the embedded digits"),
    ]
    network = _guess_network(here)
    lines.append(f"network: {network}" if network else "# network: net.py:make_net   # default: one for the modality")
    defaults = {field.name: field.default for field in dataclasses.fields(Recipe)}
    notes = {
        "target": "column to predict; label, target, class or y are found",
        "metric": "what decisions are made on",
        "epochs": "chosen by the pilot",
        "lr": "chosen by a range test",
        "batch_size": "by the number of rows",
        "group": "column whose values must not be split",
        "time": "column to split by time",
        "target_score": "the score that would be good enough",
    }
    lines += [f"# {key}:   # {note}" for key, note in notes.items()]
    lines += [f"{key}: {defaults[key]}" for key in ("budget", "min_gain", "max_drop", "seed")]
    return "\n".join(lines) + "\n"


def _guess_data(here: Path) -> str | None:
    folders = [p for p in sorted(here.iterdir()) if p.is_dir() and not p.name.startswith(".")]
    if any(p.name == "train" for p in folders):
        return str(here)
    files = sorted(p for p in here.iterdir() if p.suffix in (".csv", ".parquet", ".npz"))
    if any(p.stem == "train" for p in files):
        return str(here)
    if files:
        return str(files[0])
    images = (".png", ".jpg", ".jpeg", ".webp")
    for found in folders:
        classes = [p for p in found.iterdir() if p.is_dir()]
        if len(classes) > 1 and all(any(f.suffix.lower() in images for f in c.iterdir()) for c in classes):
            return str(found)
    return None


def _guess_network(here: Path) -> str | None:
    """The first function of a Python file here that looks as if it made a network."""
    import ast

    for file in sorted(here.glob("*.py")):
        try:
            tree = ast.parse(file.read_text(encoding="utf-8"))
        except (OSError, SyntaxError, UnicodeDecodeError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef) and any(w in node.name for w in ("net", "model", "make", "build")):
                return f"{file.name}:{node.name}"
            if isinstance(node, ast.ClassDef) and any(ast.unparse(b).endswith("Module") for b in node.bases):
                return f"{file.name}:{node.name}"
    return None

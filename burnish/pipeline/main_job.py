"""Measure, diagnose, screen, confirm, finish, compress, export, test, conclude, report."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml

from burnish.errors import RequirementNotMet, UsageError
from burnish.ledger import Ledger, write_text
from burnish.pipeline.price import runs_of
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.stages.analyse import analyse
from burnish.pipeline.stages.candidates import rerun
from burnish.pipeline.stages.compress import compress
from burnish.pipeline.stages.confirm import confirm
from burnish.pipeline.stages.diagnose import run_rules
from burnish.pipeline.stages.ensemble import ensemble
from burnish.pipeline.stages.export import export
from burnish.pipeline.stages.finish import finish
from burnish.pipeline.stages.gate import gate
from burnish.pipeline.stages.pilot import pilot
from burnish.pipeline.stages.preflight import preflight
from burnish.pipeline.stages.prepare import prepare
from burnish.pipeline.stages.screen import screen
from burnish.pipeline.stages.test import final_test
from burnish.pipeline.stages.traits import traits
from burnish.pipeline.stages.tune import tune
from burnish.pipeline.stages.verdict import conclude
from burnish.pipeline.work import Work, opened
from burnish.plan import Plan
from burnish.records import dumps

__all__ = ["STAGES", "run", "run_stages"]

Observer = Callable[[dict[str, Any]], None]


STAGES: dict[str, Callable[[Work], dict[str, Any]]] = {
    "prepare": prepare,
    "preflight": preflight,
    "tune": tune,
    "pilot": pilot,
    "diagnose": run_rules,
    "gate": gate,
    "screen": screen,
    "candidates": rerun,
    "confirm": confirm,
    "analyse": analyse,
    "finish": finish,
    "ensemble": ensemble,
    "compress": compress,
    "export": export,
    "traits": traits,
    "test": final_test,
    "verdict": conclude,
}
STUDY = ("prepare", "preflight", "tune", "pilot", "diagnose", "gate", "screen", "candidates", "confirm", "analyse")


def run(
    recipe: Recipe | None = None,
    *,
    out: Path | str,
    plan: Plan | None = None,
    observer: Observer | None = None,
) -> dict[str, Any]:
    """Do the whole job in directory `out`, or go on with it, or give its result when it is done.

    Args:
        recipe: What to do; the defaults without one.
        plan: From Python: takes the place of the recipe's network, data and numbers.
        out: The run directory.
        observer: Told what happens, as mappings with an `event`.

    Returns:
        The content of report.json.

    Raises:
        LedgerError: `out` holds another job.
        UsageError: network, data or a flag cannot be used.
    """
    return run_stages(recipe or Recipe(), Path(out), observer or _silent, tuple(STAGES), plan=plan)


def run_stages(
    recipe: Recipe,
    root: Path,
    observer: Observer,
    names: tuple[str, ...],
    *,
    plan: Plan | None = None,
) -> dict[str, Any]:
    """The stages `names` of the job in order, then the report on what is there.

    A `plan` from Python takes the place of the recipe's network and data.

    Raises:
        UsageError: techniques are given: these stages choose them.
    """
    from burnish.reporting import write_report

    given = recipe.techniques + recipe.against
    if given:
        raise UsageError(
            f"the job chooses techniques itself, got {', '.join(given)}: limit it with --only, or measure "
            "them with `burnish compare NETWORK --data D --with ...`"
        )
    with opened(recipe, root, observer, plan=plan, ahead=dict.fromkeys(names)) as work:
        _write_setup(work)
        if all(work.ledger.stage(name) is not None for name in names):
            work.note(f"{root} is done and this is its result; for another run give another --out, or delete it")
            names = ()
        for index, name in enumerate(names, 1):
            _one(work, name, index, len(names))
    write_report(root)
    observer({"event": "done"})
    _check_requirement(root)
    return json.loads((root / "report.json").read_text(encoding="utf-8"))


def _check_requirement(root: Path) -> None:
    """The job is done and reported; what was asked for and not reached still has to be heard."""
    compressed = Ledger(root).stage("compress")
    asked = compressed["report"]["requirement"] if compressed else {}
    if asked.get("met") is False:
        raise RequirementNotMet(f"{asked['message']}; the report and what ships without it are in {root}")


def _one(work: Work, name: str, index: int, of: int) -> None:
    done = work.ledger.stage(name) is not None
    counts = runs_of(work)
    total = 0 if done else counts.get(name, 0)
    later = list(STAGES)[list(STAGES).index(name) + 1 :]
    work.runner.ahead = sum(counts.get(stage, 0) for stage in later if work.ledger.stage(stage) is None)
    work.observer({"event": "stage", "name": name, "index": index, "of": of, "total": total, "resumed": done})
    start = time.monotonic()
    work.ledger.once(name, lambda: STAGES[name](work))
    work.observer({"event": "stage_done", "name": name, "seconds": time.monotonic() - start, "resumed": done})


def _write_setup(work: Work) -> None:
    """recipe.yaml and environment.json, for people and for running again."""
    from burnish.pipeline.stages.prepare import environment

    if not (work.root / "recipe.yaml").exists():
        values = {key: value for key, value in work.recipe.to_json().items() if value not in (None, [])}
        write_text(work.root / "recipe.yaml", yaml.safe_dump(values, sort_keys=False))
    if not (work.root / "environment.json").exists():
        write_text(work.root / "environment.json", dumps(environment(work)))


def _silent(event: dict[str, Any]) -> None:
    """Observer of those who want none."""

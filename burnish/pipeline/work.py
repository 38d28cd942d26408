"""What the stages of one job share: recipe, data, baseline, ledger, workers, and the way to tell the user."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from burnish.data import Data
from burnish.errors import UsageError
from burnish.execution.ranks import launched
from burnish.ledger import Ledger
from burnish.pipeline.checking import bug_checks, check_plan, checked_plan
from burnish.pipeline.executors import executor
from burnish.pipeline.logs import Logging
from burnish.pipeline.progress import Progress
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.running import Observer, Runner
from burnish.pipeline.setup import threads_set, with_kept_splits
from burnish.plan import Plan
from burnish.records import Finding, Run
from burnish.studies.budget import Budget

__all__ = ["HANDED", "Work", "opened"]


MORE_RUNS = 4  # of the screen where factors have three levels: each has one more effect to tell apart
HANDED = "plan_from_python"  # in the recorded recipe of a job whose network and data are in no flag


@dataclass(frozen=True, kw_only=True, eq=False)
class Work:
    """One job under way.

    Attributes:
        recipe: What was asked for.
        root: The run directory.
        ledger: Its ledger.
        data: Training, validation and sealed test data.
        plan: The baseline plan before the pilot settles its numbers.
        asked: How many runs each stage gets, before cuts.
        runner: Carries out runs.
        observer: Told what happens.
        workers: Worker processes.
        threads: Threads of each.
        device: Where runs compute.
        ahead: Stages of the command and their runs, for the price; None where the budget decides.
        findings: Of the bug checks on opening; None where an earlier sitting passed them.
    """

    recipe: Recipe
    root: Path
    ledger: Ledger
    data: Data
    plan: Plan
    asked: Budget
    runner: Runner
    observer: Observer
    workers: int
    threads: int
    device: str
    ahead: dict[str, int | None] | None = None
    findings: list[Finding] | None = None

    def stage(self, name: str) -> dict[str, Any]:
        """The stored result of an earlier stage."""
        found = self.ledger.stage(name)
        assert found is not None, f"stage {name} has not run"
        return found

    @property
    def budget(self) -> Budget:
        """How many runs each stage gets, after the cuts that a time limit made."""
        settled = self.ledger.stage("tune")
        if settled is None:
            return self.asked
        return Budget(**{**settled["budget"], "looks": tuple(settled["budget"]["looks"])})

    @property
    def base(self) -> dict[str, Any]:
        """The baseline's settled numbers: epochs, batch_size, optimizer, lr, rows (a share)."""
        return self.stage("tune")["base"]

    @property
    def screening(self) -> dict[str, Any]:
        """The same for the screen, whose epochs and rows a time limit may have cut."""
        return self.stage("tune")["screening"]

    def runs(self, stage: str) -> list[Run]:
        """The finished runs of a stage, in the order they were asked for."""
        return [self.ledger.run(i) for i in self.stage(stage)["runs"]]

    def note(self, text: str) -> None:
        """Tell the user one line."""
        self.observer({"event": "note", "text": text})


@contextlib.contextmanager
def opened(
    recipe: Recipe,
    root: Path,
    observer: Callable[[dict[str, Any]], None],
    *,
    plan: Plan | None = None,
    ahead: dict[str, int | None] | None = None,
) -> Iterator[Work]:
    """Load data and network, open the ledger, start workers; all of it is put away at the end.

    This process computes with as many threads as a worker, so that the same numbers come out wherever a step is done.

    Raises:
        LedgerError: the directory holds another job, or another process works on it.
        UsageError: data or network cannot be used.
    """
    if plan is not None and not isinstance(plan, Plan):
        raise UsageError(f"a job takes a Plan or a Recipe, got {plan!r}; write Plan(model=..., data=load(...))")
    ledger, handed = Ledger(root), {} if plan is None else {HANDED: plan.source.name}
    if plan is None:
        plan = checked_plan(recipe)
    else:
        recipe, plan = _recipe_of(recipe, plan), with_kept_splits(plan, recipe)
        check_plan(recipe, plan)
    data, asked = plan.data, Budget.parse(recipe.budget)
    more = MORE_RUNS if recipe.levels == "mixed" or recipe.vary_lr else 0
    asked = replace(asked, screen=recipe.screen or asked.screen + more)
    with threads_set(1):  # bugs stop before anything is written, so that the mended network finds a clean place
        findings = bug_checks(plan) if ledger.stage("preflight") is None else None
    with ledger.alone() as scratch:
        ledger.open(_identity(recipe, plan) | handed)
        observer = Progress(ledger, Logging(recipe.log, ledger, observer))
        with executor(plan, recipe, ledger, scratch) as found, threads_set(found.threads):
            if found.note:
                observer({"event": "note", "text": found.note})
            runner = Runner(ledger, found.pool, observer, greater_is_better=data.task.primary.greater_is_better)
            yield Work(
                recipe=recipe,
                root=root,
                ledger=ledger,
                data=plan.data,
                plan=plan,
                asked=asked,
                runner=runner,
                observer=observer,
                workers=found.workers,
                threads=found.threads,
                device=recipe.device,
                ahead=ahead,
                findings=findings,
            )


def _recipe_of(recipe: Recipe, plan: Plan) -> Recipe:
    """`recipe` with the numbers of a plan handed over, which count as the user's own."""
    optimizer = plan.optimizer
    return replace(
        recipe,
        data=plan.data.name,
        epochs=plan.epochs,
        batch_size=plan.batch_size,
        optimizer=optimizer.name,
        lr=optimizer.lr,
    )


def _identity(recipe: Recipe, plan: Plan) -> dict[str, Any]:
    """What makes two jobs the same: the recipe but for how it is carried out, the network and the data."""
    values = {key: value for key, value in recipe.to_json().items() if key not in ("workers", "on", "log")}
    values["ranks"] = launched() or recipe.ranks
    own = {"loss_identity": plan.loss_identity} if plan.loss_identity else {}
    return values | own | {"network_identity": plan.source.identity(), "fingerprint": plan.data.fingerprint}

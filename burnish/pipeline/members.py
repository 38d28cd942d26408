"""Trained networks of run directories and of Python runs as members of an ensemble, checked for leaks.

A combination is chosen on validation rows, so no member may have been trained on them: members of another split are
left out, and members of other data refused.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from burnish.data.data import Data
from burnish.errors import UsageError
from burnish.ledger import Ledger
from burnish.pipeline.api import Runs
from burnish.pipeline.checking import checked_plan
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import HANDED
from burnish.plan import Plan
from burnish.records import Run

__all__ = ["Member", "fitting", "gathered"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A trained network and where it comes from.

    Attributes:
        name: For people.
        network: In evaluation mode.
        plan: What was trained.
        run: The training.
        data: The plan's data in the run's split: its training rows are those the network has seen.
    """

    name: str
    network: nn.Module
    plan: Plan
    run: Run
    data: Data

    @property
    def cost(self) -> dict[str, int]:
        """Parameters, and operations for one example where they were counted."""
        operations = self.run.cost.operations if self.run.cost else None
        found = {"parameters": sum(p.numel() for p in self.network.parameters())}
        return found | ({"operations": operations} if operations else {})


def gathered(sources: Sequence[Runs | Path | str]) -> list[Member]:
    """Every trained network of `sources`, in their order; names are made unlike.

    Args:
        sources: What `train` returned, and directories of `burnish train` and `burnish run`.

    Raises:
        UsageError: a directory holds no trained network, or was started from Python.
    """
    found: list[Member] = []
    for source in sources:
        found += _of_runs(source) if isinstance(source, Runs) else _of_directory(Path(source))
    names = [member.name for member in found]
    return [
        member if names.count(member.name) == 1 else replace(member, name=f"{number}. {member.name}")
        for number, member in enumerate(found, 1)
    ]


def fitting(members: Sequence[Member]) -> tuple[list[Member], list[str]]:
    """The members that can be judged on the validation rows of the first, and why the others cannot.

    Raises:
        UsageError: a member has other data, or fewer than two members are left.
    """
    if not members:
        raise UsageError("an ensemble needs at least two trained networks, got none")
    first = members[0]
    held_out, kept, refused = np.asarray(first.data.validation_rows), [], []
    for member in members:
        if member.data.fingerprint != first.data.fingerprint:
            raise UsageError(
                f"{member.name} and {first.name} have other data, splits or tasks (fingerprints "
                f"{member.data.fingerprint} and {first.data.fingerprint}): the test rows of one may be training rows "
                "of the other; train both on the same --data with the same --seed"
            )
        seen = int(np.isin(held_out, member.data.train_rows).sum())
        if seen:
            refused.append(
                f"{member.name} is left out: it was trained on {seen:,} of the {len(held_out):,} validation rows of "
                f"{first.name} (split {member.run.split}, not {first.run.split})"
            )
        else:
            kept.append(member)
    if len(kept) < 2:
        why = f" ({'; '.join(refused)})" if refused else ""
        raise UsageError(
            f"an ensemble needs at least two networks that share a split, got {len(kept)}{why}; train them with "
            "`burnish train --same-split`, or bu.train(plan, split=0)"
        )
    return kept, refused


def _of_runs(runs: Runs) -> list[Member]:
    return [
        _member(f"{runs.plan.source.name} seed {run.seed}", runs.plan, run, Ledger(runs.root))
        for run in runs.runs
        if run.status == "done"
    ]


def _of_directory(root: Path) -> list[Member]:
    """The trainings of `burnish train`; of a whole job its baseline, its winner and the members it trained."""
    ledger = Ledger(root)
    handed = ledger.recipe().get(HANDED)
    if handed is not None:
        raise UsageError(
            f"{root} was started from Python with a plan for {handed}, which no flag describes; combine what bu.train "
            "returns there: bu.ensemble(runs)"
        )
    runs = [run for run in _kept(ledger) if run.status == "done"]
    if not runs:
        raise UsageError(
            f"{root} holds no trained network: finish it with `burnish run --out {root}`, or name a directory made by "
            "`burnish train --out`"
        )
    tuned = ledger.stage("tune")
    assert tuned is not None, "a directory with trained networks has settled the baseline's numbers"
    plan = checked_plan(Recipe.recorded(root))
    changed = {run.id for run in runs if run.data != plan.data.fingerprint}
    if changed:
        raise UsageError(f"the data of {root} have changed since it was trained; put them back, or train it again")
    return [
        _member(f"{root.name} {_label(run)}", plan_from_base(plan, tuned["base"], list(run.techniques)), run, ledger)
        for run in runs
    ]


def _kept(ledger: Ledger) -> list[Run]:
    finish = ledger.stage("finish")
    if finish is None:
        return list(ledger.runs("train"))
    ids: list[Any] = [finish["winner"], finish["baseline"], *(ledger.stage("ensemble") or {}).get("runs", [])]
    return [ledger.run(run_id) for run_id in dict.fromkeys(ids)]


def _label(run: Run) -> str:
    return str(run.detail.get("name") or f"seed {run.seed}")


def _member(name: str, plan: Plan, run: Run, ledger: Ledger) -> Member:
    network = trained_network(plan, ledger, run.id)
    return Member(name=name, network=network, plan=plan, run=run, data=plan.data.replicate(run.split))

"""From a recipe to data and the baseline plan."""

import contextlib
import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from burnish.data import Data, load
from burnish.data.splits import Scheme
from burnish.losses import Loss
from burnish.model.locate import locate
from burnish.model.sources import ModelSource, as_source, with_checkpoint
from burnish.pipeline.recipe import Recipe
from burnish.plan import Optimizer, Plan
from burnish.techniques import parse

__all__ = [
    "base_plan",
    "load_data",
    "named_loss",
    "network_source",
    "plan_from_base",
    "threads_set",
    "with_kept_splits",
]

QUICK_ROWS = 12_000  # training and validation rows of text and tables under --budget quick


def load_data(recipe: Recipe, *, without: tuple[str, ...] = ()) -> Data:
    """The data of `recipe`, capped in `quick` where rows are cheap to leave out; image files `without` are not read."""
    rows = recipe.max_rows
    data = load(
        recipe.data or "digits",
        task=recipe.task,
        target=recipe.target,
        modality=recipe.modality,
        metric=recipe.metric,
        seed=recipe.seed,
        group=recipe.group,
        time=recipe.time,
        max_rows=rows,
        without=without,
    )
    total = len(data.train_rows) + len(data.validation_rows)
    if rows is None and recipe.budget == "quick" and data.modality in ("text", "table") and total > QUICK_ROWS:
        return load_data(replace(recipe, max_rows=QUICK_ROWS))
    return data


def network_source(recipe: Recipe, data: Data) -> ModelSource:
    """The network of `recipe`, or the default for the data."""
    source = as_source(recipe.network, data)
    return with_checkpoint(source, recipe.checkpoint) if recipe.checkpoint else source


def base_plan(recipe: Recipe, data: Data, source: ModelSource | None = None) -> Plan:
    """The baseline: the user's recipe where given, else AdamW at a rate and length the pilot settles."""
    source = source or network_source(recipe, data)
    plan = Plan(
        model=source,
        data=data,
        epochs=recipe.epochs or 10,
        batch_size=recipe.batch_size or _batch_size(len(data.train_rows)),
        optimizer=Optimizer(name=recipe.optimizer or "adamw", lr=recipe.lr or 1e-3),
        loss=named_loss(recipe.loss),
        precision=recipe.precision,
    )
    return with_kept_splits(plan, recipe)


def named_loss(text: str | None) -> Loss | None:
    """The loss written as `text`: a name, `file.py:function` or `package.module:function`; None for the task's own.

    Raises:
        UsageError: there is no loss or no function of that name.
    """
    if text is None or ":" not in text:
        return Loss(name=text) if text else None
    place, _, name = text.rpartition(":")
    return Loss(name=f"{Path(place).name if place.endswith('.py') else place}:{name}", function=locate(text))


def with_kept_splits(plan: Plan, recipe: Recipe) -> Plan:
    """`plan` with its splits fixed where the network is trained: rows it learned from must not enter validation.

    With `resplit` the user vouches that none of the rows has been used to train it.
    """
    if not plan.source.trained or recipe.resplit:
        return plan
    return replace(plan, data=replace(plan.data, scheme=Scheme(kind="fixed")))


def plan_from_base(plan: Plan, base: dict[str, Any], techniques: list[str]) -> Plan:
    """`plan` with the frozen numbers `base` (epochs, batch_size, optimizer, lr) and `techniques` by notation."""
    optimizer = dataclasses.replace(plan.optimizer, name=base["optimizer"], lr=base["lr"])
    settled = replace(plan, epochs=base["epochs"], batch_size=base["batch_size"], optimizer=optimizer)
    return settled.then(*(parse(text) for text in techniques))


def _batch_size(rows: int) -> int:
    for size, limit in ((32, 2_000), (64, 20_000)):
        if rows < limit:
            return size
    return 128


@contextlib.contextmanager
def threads_set(threads: int) -> Iterator[None]:
    """Run with `threads` torch threads, so that the parent computes what a worker would."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)

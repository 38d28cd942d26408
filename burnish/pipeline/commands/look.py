"""Looking at a network, its limits, and what earlier jobs taught."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from burnish.errors import UnreadableError, UsageError
from burnish.ledger import Ledger
from burnish.pipeline.commands.places import Observer, folder, silent
from burnish.pipeline.recipe import Recipe
from burnish.records import Finding, from_json, to_json

if TYPE_CHECKING:
    from burnish.model.inspect import Inspection
    from burnish.plan import Plan

__all__ = ["diagnose", "inspect_network", "learned"]

# What a zoo network is shown with when no data are given: (inputs, outputs, vocabulary).
SHOWN: dict[str, tuple[tuple[int, ...], int, int]] = {
    "cnn": ((3, 32, 32), 10, 0),
    "resnet": ((3, 32, 32), 10, 0),
    "mlp": ((32,), 2, 0),
    "cnn1d": ((1, 128), 2, 0),
    "textcnn": ((32,), 2, 10_000),
    "transformer": ((32,), 2, 10_000),
}
SHOWN_LARGE, SHOWN_SMALL = ((3, 224, 224), 1000, 0), ((3, 32, 32), 10, 0)  # published networks, of ImageNet and CIFAR
SHOWN_ROWS, FEW_ROWS = 16, 2  # of noise; few of large images


def inspect_network(recipe: Recipe) -> "Inspection":
    """The recipe's network as `inspect` shows it, on its data or, where it is of the zoo, on noise.

    Raises:
        UsageError: neither data nor a name of the zoo is given, or techniques are given without data.
    """
    import torch

    from burnish.model.inspect import examine
    from burnish.model.sources import as_source
    from burnish.pipeline import api
    from burnish.pipeline.checking import checked_plan
    from burnish.techniques import parse

    if recipe.data is not None:
        return api.inspect(checked_plan(recipe).then(*(parse(text) for text in recipe.techniques)))
    if recipe.techniques:
        raise UsageError(
            f"`inspect --with {', '.join(recipe.techniques)}` needs --data too: techniques look at what they are for"
        )
    if recipe.network and ":" not in recipe.network:
        as_source(recipe.network, None)  # an unknown name is said first
    inputs, outputs, vocabulary = _shown(recipe.network or "")
    model = as_source(recipe.network, None).create(inputs, outputs, {"vocabulary": vocabulary})
    drawn = torch.Generator().manual_seed(0)
    example = torch.randn((SHOWN_ROWS if max(inputs) < 224 else FEW_ROWS, *inputs), generator=drawn)
    if vocabulary:
        example = torch.randint(1, vocabulary, example.shape, generator=drawn)
    return examine(model, example)


def _shown(name: str) -> tuple[tuple[int, ...], int, int]:
    """Inputs, outputs and vocabulary that the zoo's network `name` is shown with.

    Raises:
        UsageError: it is not of the zoo.
    """
    from burnish.model.zoo import PUBLISHED, ZOO, form_of

    if name in PUBLISHED:
        return SHOWN_SMALL if form_of(name).small else SHOWN_LARGE
    if name not in SHOWN:
        raise UsageError(
            f"`inspect {name}` needs --data to know the input's shape; only {', '.join(ZOO)} are shown without"
        )
    return SHOWN[name]


def diagnose(
    recipe: Recipe, *, quick: bool = False, out: Path | None = None, observer: Observer | None = None
) -> list[Finding]:
    """What limits the recipe's baseline. `quick` trains nothing; else the pilot runs, in `out` or a temporary one."""
    from burnish.diagnosis.preflight import BugError
    from burnish.pipeline import api
    from burnish.pipeline.main_job import run_stages
    from burnish.techniques import parse

    if quick:
        plan = _readable_plan(recipe).then(*(parse(text) for text in recipe.techniques))
        findings = api.diagnose(plan, quick=True, thresholds=recipe.threshold)
        if out is not None:
            _write_diagnosis(out, recipe, plan, findings)
        return findings
    try:
        with folder(out) as root:
            found = run_stages(recipe, root, observer or silent, ("prepare", "preflight", "tune", "pilot", "diagnose"))
            return [from_json(Finding, f) for f in found["diagnosis"]]
    except BugError:  # no training would mean anything; what needs none can still be said, the bug first
        return diagnose(recipe, quick=True, out=out, observer=observer)


def _readable_plan(recipe: Recipe) -> "Plan":
    """The recipe's plan; files that cannot be read are left out and found by the diagnosis, not by an error."""
    from burnish.pipeline.checking import check_plan, checked_plan
    from burnish.pipeline.setup import base_plan, load_data

    try:
        return checked_plan(recipe)
    except UnreadableError as error:
        plan = base_plan(recipe, load_data(recipe, without=error.files))
        check_plan(recipe, plan)
        return plan


def _write_diagnosis(out: Path, recipe: Recipe, plan: "Plan", findings: list[Finding]) -> None:
    """A report on a diagnosis without runs; done anew each time, as it takes a minute."""
    from burnish.reporting import write_report

    ledger, data, task = Ledger(out), plan.data, plan.data.task
    with ledger.alone():
        ledger.open({**recipe.to_json(), "diagnosis": "quick", "fingerprint": data.fingerprint})
        told = task.to_json() | {"names": list(task.names), "greater_is_better": task.primary.greater_is_better}
        about = {"command": recipe.command("diagnose") + f" --quick --out {out}", "task": told, "data": data.describe()}
        ledger.put_stage("prepare", {"report": about})
        ledger.put_stage("diagnose", {"report": {"diagnosis": to_json(findings)}})
    write_report(out)


def learned(paths: Sequence[Path | str], *, technique: str | None = None) -> dict[str, Any]:
    """What finished jobs teach: P(technique helps | finding).

    Args:
        paths: Run directories, or folders that hold some.
        technique: Only this one.

    Returns:
        `jobs`, the number of records, and `rows` as `burnish.studies.outcomes.pooled` gives them.

    Raises:
        UsageError: there is no finished job below the paths.
    """
    from burnish.studies.outcomes import pooled

    files = sorted({file.resolve() for path in paths for file in Path(path).glob("**/ledger/outcomes.json")})
    records = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    if not records:
        shown = ", ".join(map(str, paths))
        raise UsageError(f"no finished job lies below {shown}; name a folder with directories of `burnish run`")
    rows = [row for row in pooled(records) if technique in (None, row["technique"])]
    return {"jobs": len(records), "rows": rows}

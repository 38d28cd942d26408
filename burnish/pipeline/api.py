"""The Python interface: the same engine as the command line, on values instead of flags."""

import tempfile
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from burnish.data.spacing import spaced
from burnish.data.tensors import network_tensor
from burnish.errors import UsageError
from burnish.evaluation.paired import paired_splits
from burnish.ledger import Ledger
from burnish.metrics import metric
from burnish.pipeline.gains import by_examples, decoded, examples_se, over_examples
from burnish.pipeline.worker import train_plan
from burnish.plan import Plan
from burnish.records import Comparison, Estimate, Finding, Run
from burnish.training.loop import device_for

if TYPE_CHECKING:
    from torch import Tensor, nn

    from burnish.model.inspect import Inspection

__all__ = ["Runs", "compare", "diagnose", "inspect", "paired_example_se", "train"]

LOOKED_AT = 128  # training rows that a network is inspected on


@dataclass(frozen=True, eq=False)
class Runs:
    """One plan trained with several seeds.

    Attributes:
        plan: The plan.
        runs: One run per seed.
        root: Directory that holds weights and predictions.
    """

    plan: Plan
    runs: tuple[Run, ...]
    root: Path

    def __iter__(self) -> Iterable[Run]:
        return iter(self.runs)

    def __len__(self) -> int:
        return len(self.runs)

    def __getitem__(self, index: int) -> Run:
        return self.runs[index]

    @property
    def score(self) -> Estimate | None:
        """The primary metric over the seeds, with a t interval."""
        from burnish.pipeline.stages.pilot import score_estimate, usable

        bounded = self.plan.data.task.primary.bounded
        return score_estimate(usable(list(self.runs)), bounded=bounded)

    def model(self, index: int = 0) -> Any:
        """The trained network of run `index`, in eval mode."""
        from burnish.exporting.safetensors import load_weights
        from burnish.pipeline.post import unloaded

        run = self.runs[index]
        file = Ledger(self.root).run_directory(run.id) / "weights.safetensors"
        return load_weights(unloaded(self.plan, run), file).eval()

    def __repr__(self) -> str:
        name = self.runs[0].primary if self.runs else ""
        score = self.score or f"no score, {', '.join(sorted({run.status for run in self.runs}))}"
        return f"Runs({self.plan!r}: {name} {score})"


def train(
    plan: Plan,
    *,
    seeds: Iterable[int] = range(3),
    split: int | None = None,
    out: Path | str | None = None,
    device: str = "auto",
    on_run: Callable[[Run], None] | None = None,
) -> Runs:
    """Train `plan` once per seed, each on its own split of the data, in this process.

    Runs with the same seed of two plans share split and initialization, so that they can be compared in pairs.

    Args:
        plan: What to train.
        seeds: One run for each; seed 0 uses the split as loaded.
        split: One split for all seeds, as ensembles need; 0 is the split as loaded.
        out: Directory for weights and results, which is resumed; a temporary one by default.
        device: Where to compute.
        on_run: Called with each finished run.

    Raises:
        UsageError: no seeds, no such device, or a network that cannot be trained as it is.

    Example:
        >>> import burnish as bu
        >>> runs = bu.train(bu.Plan(model="cnn", data=bu.load("digits"), epochs=1), seeds=[0])
        >>> runs[0].status
        'done'
    """
    from burnish.pipeline.checking import bug_checks

    device_for(device)
    bug_checks(plan)
    root = Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="burnish-train-"))
    ledger, runs = Ledger(root), []
    for seed in seeds:
        place = seed if split is None else split
        run_id = f"train-{seed:02d}-{plan.key[:8]}" if place == seed else f"train-{seed:02d}-{place}{plan.key[:8]}"
        if not ledger.has_run(run_id):
            payload = {"id": run_id, "stage": "train", "seed": seed, "split": place, "keep": True, "readouts": True}
            train_plan(plan, ledger, payload, device=device)
        runs.append(ledger.run(run_id))
        if on_run:
            on_run(runs[-1])
    if not runs:
        raise UsageError("train needs at least one seed, got none; pass seeds=range(3), for instance")
    return Runs(plan, tuple(runs), root)


def compare(before: "Runs | Plan", after: "Runs | Plan", *, level: float = 0.95, **options: Any) -> Comparison:
    """The paired difference between two trained plans over the seeds they share.

    Two plans that are not trained yet are trained in pairs until a sequential test has an answer: see `compare_plans`,
    which takes the further `options` (`min_gain, looks, out, device`).

    The interval is the main job's: with a fixed or a large validation set the variance over its examples stands beside
    that over seeds; with a small one it is the corrected resampled t.

    Raises:
        UsageError: other data, another metric, fewer than two common seeds that finished, or a plan against runs.
    """
    if isinstance(before, Plan) and isinstance(after, Plan):
        from burnish.pipeline.sequential import compare_plans

        return compare_plans(before, after, **options)
    if isinstance(before, Plan) or isinstance(after, Plan) or options:
        raise UsageError(
            f"compare takes two trained plans, or two plans with {', '.join(options) or 'options'}; got "
            f"{type(before).__name__} and {type(after).__name__}: train the plan first, with the seeds of the runs"
        )
    data = before.plan.data
    same = data.fingerprint == after.plan.data.fingerprint
    return compare_runs(
        before.runs,
        after.runs,
        names=(repr(before.plan), repr(after.plan)),
        n_train=len(data.train_rows),
        n_validation=len(data.validation_rows),
        level=level,
        example_se=paired_example_se(before, after) if same and by_examples(data) else None,
    )


def paired_example_se(before: Runs, after: Runs) -> float:
    """Spread over validation examples of the mean gain of `after` over the runs both have."""
    data, first, second = before.plan.data, Ledger(before.root), Ledger(after.root)
    places = [
        (first.run_directory(b.id), second.run_directory(a.id))
        for b, a in _pairs(tuple(before.runs), tuple(after.runs))
    ]
    return examples_se(data, [(decoded(data, b), decoded(data, a)) for b, a in places])


def compare_runs(
    before: tuple[Run, ...],
    after: tuple[Run, ...],
    *,
    names: tuple[str, str],
    n_train: int,
    n_validation: int,
    level: float = 0.95,
    example_se: float | None = None,
) -> Comparison:
    """`compare` for records: runs are paired by split and seed.

    With `example_se`, the standard error of the mean gain over validation examples, that stands beside the spread over
    splits; without it the corrected resampled t.

    Raises:
        UsageError: other data, another metric, or fewer than two common pairs that finished.
    """
    if not before or not after or before[0].data != after[0].data:
        raise UsageError(
            "the two sets of runs were trained on different data; only runs on the same data can be paired"
        )
    pairs = _pairs(before, after)
    if len(pairs) < 2:
        raise UsageError(
            f"a comparison needs at least 2 pairs of finished runs with the same split and seed, got {len(pairs)}; "
            "train both with the same seeds, 3 or more"
        )
    primary = metric(pairs[0][0].primary)
    scores = [[run.score for run in arm] for arm in zip(*pairs, strict=True)]
    difference, p_value = paired_splits(
        scores[0], scores[1], primary, n_train=n_train, n_validation=n_validation, level=level
    )
    note = "corrected resampled t over splits (Nadeau and Bengio 2003)"
    if example_se is not None:
        gains = np.array([primary.gain(b, a) for b, a in zip(*scores, strict=True)])
        difference, p_value = over_examples(difference, gains, n_train, n_validation, example_se)
        note = "t over seeds, with the variance over validation examples beside theirs"
    low, high = difference.low, difference.high
    verdict = "unclear" if low is None or high is None or low <= 0 <= high else "better" if low > 0 else "worse"
    return Comparison(
        before=names[0],
        after=names[1],
        metric=primary.name,
        before_score=_mean(scores[0], primary.bounded),
        after_score=_mean(scores[1], primary.bounded),
        difference=difference,
        verdict=verdict,
        p_value=p_value,
        time_ratio=_ratio(pairs, "train_seconds"),
        size_ratio=_ratio(pairs, "bytes"),
        pairs=tuple(zip(*scores, strict=True)),
        note=note,
    )


def _pairs(before: tuple[Run, ...], after: tuple[Run, ...]) -> list[tuple[Run, Run]]:
    others = {(run.split, run.seed): run for run in after if run.status == "done"}
    return [
        (run, others[run.split, run.seed]) for run in before if run.status == "done" and (run.split, run.seed) in others
    ]


def _mean(scores: list[float], bounded: bool) -> Estimate:
    from burnish.pipeline.stages.pilot import score_estimate

    found = score_estimate(scores, bounded=bounded)
    assert found is not None
    return found


def _ratio(pairs: list[tuple[Run, Run]], name: str) -> float | None:
    values = [
        (getattr(a.cost, name) or 0) / getattr(b.cost, name)
        for b, a in pairs
        if a.cost and b.cost and getattr(b.cost, name)
    ]
    return float(np.exp(np.mean(np.log(values)))) if values and min(values) > 0 else None


def inspect(subject: "Plan | nn.Module", example: "Tensor | None" = None) -> "Inspection":
    """Layers, shapes, parameters, operations and what they do: of a plan's network on its data, or of a module.

    Time, activations, dead units and the gradients of the loss are those of up to 128 training rows; of a module, all
    but the gradients are those of `example`.

    Raises:
        UsageError: a module without an example, or a network that cannot compute it.

    Example:
        >>> import burnish as bu
        >>> bu.inspect(bu.Plan(model="cnn", data=bu.load("digits"))).parameters
        25866
    """
    import torch

    from burnish.model.inspect import examine

    if isinstance(subject, Plan):
        if example is not None:
            return examine(subject.probe(), example)
        data = subject.data
        split = data.train.take(spaced(len(data.train), LOOKED_AT))
        inputs = network_tensor(data.preparation, split.inputs)
        targets = torch.from_numpy(data.task.encode(split.targets))
        return replace(examine(subject.probe(), inputs, targets, subject.loss), edits=subject.account())
    if example is None:
        raise UsageError("a module needs an example: inspect(model, example), with a batch as the network sees it")
    return examine(subject, example)


def diagnose(
    plan: Plan,
    *,
    runs: Runs | None = None,
    quick: bool = False,
    budget: str = "standard",
    thresholds: Mapping[str, float] | Iterable[str] | None = None,
) -> list[Finding]:
    """What limits `plan`: every rule's finding, those that fire first, by the gain expected of acting on them.

    A bug that makes trainings meaningless is the first finding; then only what needs no training is looked at.

    Args:
        plan: The plan to look at.
        runs: Its trained runs; without them and not `quick`, two are trained here.
        quick: Only what needs no training.
        budget: `quick`, `standard`, `thorough`, or a time such as `5m`: what does not fit is left out, and says so.
        thresholds: Values in place of those of `burnish.diagnosis.thresholds`, as a mapping or as `NAME=VALUE`.

    Raises:
        UsageError: the network cannot be built or run at all, or a threshold or the budget is unknown.

    Example:
        >>> import burnish as bu
        >>> plan = bu.Plan(model="cnn", data=bu.load("digits"))
        >>> [f.rule for f in bu.diagnose(plan, quick=True, thresholds={"start_loss_off": 1e-6}) if f.state == "fires"]
        ['R1']
    """
    from burnish.diagnosis import Subject, by_gain
    from burnish.diagnosis import diagnose as apply_rules
    from burnish.diagnosis.preflight import BugError
    from burnish.diagnosis.thresholds import Thresholds
    from burnish.pipeline.checking import bug_checks
    from burnish.pipeline.looking import rules_budget, subject_of

    limits, start = Thresholds.parse(thresholds), time.monotonic()
    try:
        known = bug_checks(plan)
    except BugError as bug:
        known, quick = bug.findings, True
    if quick:
        trained = plan.build(0).eval() if plan.source.trained else None
        subject = Subject(data=plan.data, plan=plan, model=trained, thresholds=limits)
        return by_gain([*known, *apply_rules(subject, quick=True)])
    runs = runs or train(plan, seeds=range(2))
    subject = subject_of(plan, runs.runs, Ledger(runs.root), thresholds=limits)
    found = apply_rules(subject, **rules_budget(budget, time.monotonic() - start))
    return by_gain([*known, *found])

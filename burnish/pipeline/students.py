"""Distillation as a comparison: the same students with a teacher and without one, in pairs."""

import hashlib
import tempfile
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.compression.distill import SMOOTHED, averaged, distilled, fidelity
from burnish.compression.narrow import Narrow
from burnish.errors import UsageError
from burnish.evaluation.predict import predict
from burnish.ledger import Ledger
from burnish.metrics import Metric
from burnish.pipeline.api import Runs, compare_runs
from burnish.pipeline.gains import decoded, examples_se
from burnish.pipeline.running import check_finished
from burnish.pipeline.stages.pilot import score_estimate
from burnish.pipeline.worker import train_plan
from burnish.plan import Plan
from burnish.records import Comparison, Estimate, Run, shown_as_printed

__all__ = ["Distillation", "distill"]

FEWEST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class Distillation:
    """Students trained with a teacher, against the same students without one.

    Attributes:
        comparison: From the students without a teacher to those with one; the difference is the teacher's gain.
        teacher_score: The teacher's on the same validation rows.
        fidelity: For each arm, `without` and `with` a teacher, how close the students' outputs are to the teacher's:
            `agreement` and `divergence` in nats, or `distance` for values; over seeds.
        parameters: Of `teacher` (all members together) and `student`.
        control: The students without a teacher.
        students: The students with one.
        notes: What a reader should know.
    """

    comparison: Comparison
    teacher_score: float
    fidelity: dict[str, dict[str, Estimate]]
    parameters: dict[str, int]
    control: Runs
    students: Runs
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The numbers, without networks."""
        from burnish.records import to_json

        names = ("comparison", "teacher_score", "fidelity", "parameters", "notes")
        runs = {"control": list(self.control.runs), "students": list(self.students.runs)}
        return to_json({name: getattr(self, name) for name in names} | runs)

    def __str__(self) -> str:
        close = "; ".join(
            f"{name} {self.fidelity['without'][name]} without, {value} with a teacher"
            for name, value in self.fidelity["with"].items()
        )
        size = f"{self.parameters['student']:,} parameters; the teacher {self.parameters['teacher']:,}"
        lines = [
            f"{self.comparison}",
            f"teacher: {self.teacher_score:.4g}; student: {size}",
            f"to the teacher: {close}",
        ]
        return "\n".join([*lines, *self.notes])

    _repr_pretty_ = shown_as_printed


def distill(
    student: Plan | float,
    teacher: Plan | nn.Module | Sequence[nn.Module],
    *,
    seeds: Iterable[int] = range(3),
    members: int = 1,
    temperature: float = 4.0,
    weight: float = 0.9,
    out: Path | str | None = None,
    device: str = "auto",
    on_run: Callable[[Run], None] | None = None,
    on_note: Callable[[str], object] = warnings.warn,
) -> Distillation:
    """Train `student` with `teacher` and without, once per seed each, and say what the teacher brings.

    All trainings use the split as loaded: a teacher that was trained on other rows of the same data would have seen
    the validation rows.

    Args:
        student: The smaller network's plan, or the share of the channels that the teacher's plan loses to become it.
        teacher: A plan to train, a trained network, or several, whose probabilities are averaged.
        seeds: At least three, so that the gain has an interval.
        members: How many teachers a plan is trained for, as an ensemble.
        temperature: Softens the distributions; for classes.
        weight: Share of the teacher in the loss; the rest is the plan's own.
        out: Directory for weights and results, which is resumed; a temporary one by default.
        device: Where to compute.
        on_run: Called with each finished run.
        on_note: Told before anything is trained what speaks against this teacher; a warning by default.

    Raises:
        UsageError: fewer than three seeds, no teacher, or a share without a plan to narrow.
        BurnishError: no training of an arm finished.

    Source: Hinton, Vinyals and Dean 2015, arXiv:1503.02531; agreement with the teacher as a measure of its own,
    Stanton et al. 2021, arXiv:2106.05945.
    """
    seeds = list(seeds)
    if len(seeds) < FEWEST:
        raise UsageError(f"distillation is judged over at least {FEWEST} seeds, got {len(seeds)}; pass seeds=range(3)")
    plan = _student(student, teacher)
    smoothed = isinstance(teacher, Plan) and teacher.loss.smoothing > 0
    if smoothed:
        on_note(SMOOTHED)
    ledger = Ledger(Path(out) if out is not None else Path(tempfile.mkdtemp(prefix="burnish-distill-")))
    masters = _teachers(teacher, plan, ledger, members, device, on_run)
    task, kind = plan.data.task, plan.data.task.kind
    assert plan.loss is not None
    objective = distilled(plan.loss, masters, temperature=temperature, weight=weight, kind=kind)
    settings = f"{temperature} {weight} {' '.join(map(_digest, masters))}"
    arms = {
        name: _trained(plan, ledger, name, seeds, device, goal, key, on_run)
        for name, goal, key in (("control", None, ""), ("student", objective, settings))
    }
    said = averaged([torch.from_numpy(_outputs(master, plan)) for master in masters], kind=kind).numpy()
    words = ("without", "with")
    close = {
        word: _over_seeds([_fidelity(ledger, run, said, kind) for run in runs if run.status == "done"])
        for word, runs in zip(words, arms.values(), strict=True)
    }
    return Distillation(
        comparison=_compared(plan, ledger, arms["control"], arms["student"], task.primary),
        teacher_score=task.primary(task.decode(said), plan.data.validation.targets),
        fidelity=close,
        parameters={"teacher": sum(map(_count, masters)), "student": _count(plan.probe())},
        control=Runs(plan, arms["control"], ledger.root),
        students=Runs(plan, arms["student"], ledger.root),
        notes=(SMOOTHED,) if smoothed else (),
    )


def _student(student: Plan | float, teacher: Any) -> Plan:
    if isinstance(student, Plan):
        return student
    if not isinstance(teacher, Plan):
        raise UsageError("a share of the channels needs a teacher that is a plan; give the student as a Plan instead")
    return teacher.then(Narrow(ratio=student))


def _teachers(
    teacher: Any, plan: Plan, ledger: Ledger, members: int, device: str, on_run: Callable[[Run], None] | None
) -> list[nn.Module]:
    if isinstance(teacher, Plan):
        if teacher.data.fingerprint != plan.data.fingerprint:
            raise UsageError("teacher and student have different data; build both plans with the same data")
        runs = _trained(teacher, ledger, "teacher", list(range(members)), device, None, "", on_run)
        trained = Runs(teacher, runs, ledger.root)
        return [trained.model(index) for index, run in enumerate(runs) if run.status == "done"]
    given = [teacher] if isinstance(teacher, nn.Module) else list(teacher)
    if not given or not all(isinstance(each, nn.Module) for each in given):
        raise UsageError("a teacher is a Plan, a trained network, or a list of networks; runs.model(0) gives a network")
    return [each.eval() for each in given]


def _trained(
    plan: Plan,
    ledger: Ledger,
    name: str,
    seeds: Sequence[int],
    device: str,
    objective: Any,
    settings: str,
    on_run: Callable[[Run], None] | None,
) -> tuple[Run, ...]:
    """One run for each seed, on the split as loaded; those in the ledger are not repeated."""
    key = hashlib.sha256(f"{plan.key} {settings}".encode()).hexdigest()[:8]
    runs = []
    for seed in seeds:
        run_id = f"{name}-{seed:02d}-{key}"
        if not ledger.has_run(run_id):
            payload = {"id": run_id, "stage": name, "seed": seed, "split": 0, "keep": True, "name": name}
            train_plan(plan, ledger, payload, device=device, objective=objective)
        runs.append(ledger.run(run_id))
        if on_run:
            on_run(runs[-1])
    check_finished(runs, given_rate=True)
    return tuple(runs)


def _compared(
    plan: Plan, ledger: Ledger, control: tuple[Run, ...], students: tuple[Run, ...], primary: Metric
) -> Comparison:
    """The teacher's gain over seeds, with the variance over validation examples beside theirs: the split is fixed."""
    both = [(c, s) for c, s in zip(control, students, strict=True) if c.status == s.status == "done"]
    places = [tuple(decoded(plan.data, ledger.run_directory(run.id)) for run in pair) for pair in both]
    found = compare_runs(
        control,
        students,
        names=("without teacher", "with teacher"),
        n_train=len(plan.data.train_rows),
        n_validation=0,
        example_se=examples_se(plan.data, [(before, after) for before, after in places]),
    )
    of_seeds = {
        name: replace(getattr(found, name), of="seeds") for name in ("before_score", "after_score", "difference")
    }
    return replace(found, **of_seeds)


def _fidelity(ledger: Ledger, run: Run, said: np.ndarray, kind: str) -> dict[str, float]:
    return fidelity(ledger.arrays(run.id)["outputs"], said, kind=kind)


def _over_seeds(values: list[dict[str, float]]) -> dict[str, Estimate]:
    found = {}
    for name in values[0]:
        estimate = score_estimate([v[name] for v in values], of="seeds", bounded=name == "agreement")
        assert estimate is not None
        found[name] = estimate
    return found


def _outputs(model: nn.Module, plan: Plan) -> np.ndarray:
    place = next((p.device for p in model.parameters()), torch.device("cpu"))
    return predict(model, plan.data.validation, plan.data.preparation, device=place)


def _digest(model: nn.Module) -> str:
    found = hashlib.sha256()
    for value in model.state_dict().values():
        found.update(value.detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:8]


def _count(model: nn.Module) -> int:
    return sum(parameter.numel() for parameter in model.parameters())

"""A combination chosen on one half of the validation rows answers for the other, and has to beat the best member.

What is chosen on rows looks too good on them. So the whole choice, of the method too, is made on each half and scored
on the other. The best member is the best on all rows, which flatters it: the veto errs on the side of one network.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from burnish.ensembling.combination import Combination, as_outputs
from burnish.ensembling.diversity import diversity, spread
from burnish.ensembling.methods import METHODS, goodness, method
from burnish.errors import NotApplicable, UsageError
from burnish.evaluation.cross_fit import halves
from burnish.evaluation.paired import one_sided_lower, paired_examples
from burnish.records import Estimate, to_json
from burnish.tasks import Task

__all__ = ["Judgement", "best_member", "chosen", "crossfitted", "judge", "judged"]

Array = np.ndarray
Json = dict[str, Any]
# (rows to fit on) -> (rows to answer) -> table of the answers
Procedure = Callable[[Array], Callable[[Array], Array]]
FEWEST = 20  # validation rows of which a half can choose anything


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Whether a combination may ship.

    Attributes:
        method: What was chosen on all rows.
        members: For each its `name`, `score`, `share`, and `without`: the gain of having it, the combination fitted
            with it over that fitted without it, on the rows of the fit.
        best_member: Name of the best one.
        best_score: Its score.
        score: The combination's, cross-fitted.
        gain: Over the best member, on the same rows; a paired estimate.
        lower_bound: What the gain exceeds with 95 % confidence.
        accepted: Whether that is above zero.
        reason: In words.
        diversity: How much the members differ.
        spread: Of values: what the members' spread says about the error.
        n: Rows.
    """

    method: str
    members: tuple[Json, ...]
    best_member: str
    best_score: float
    score: float
    gain: Estimate
    lower_bound: float
    accepted: bool
    reason: str
    diversity: Json
    spread: Json
    n: int

    def to_json(self) -> Json:
        """Plain types."""
        return to_json(self)


def judge(
    tables: Array, targets: Array, task: Task, *, names: Sequence[str], method: str = "auto", seed: int = 0
) -> tuple[Combination, Judgement]:
    """The combination fitted on all rows, and the cross-fitted proof of whether it may ship.

    Args:
        tables: The members', `(members, rows, outputs)`, on rows that no member was trained on.
        targets: Stored targets of the rows.
        task: What is predicted; its primary metric decides.
        names: Of the members.
        method: One of `METHODS`, or `auto`: the best one, chosen by cross-fitting inside each half.
        seed: Decides the halves.

    Raises:
        UsageError: fewer than two members or too few rows, or an unknown method.
        NotApplicable: the method has no meaning for the task.
    """
    fit = _fitter(method, task, seed)

    def procedure(rows: Array) -> Callable[[Array], Array]:
        combination = fit(tables[:, rows], targets[rows])
        return lambda others: combination.apply(tables[:, others])

    found = fit(tables, targets)
    answers = crossfitted(procedure, targets, task, seed=seed)
    return found, judged(found, answers, tables, targets, task, names)


def chosen(tables: Array, targets: Array, task: Task, *, seed: int = 0) -> Combination:
    """The combination by the method that cross-fitting over the rows finds best; of equals the simplest."""
    best: tuple[tuple[float, float], str] | None = None
    for name, fit in METHODS.items():
        if name == "vote" and task.kind == "regression":
            continue

        def procedure(rows: Array, fit: Any = fit) -> Callable[[Array], Array]:
            combination = fit(tables[:, rows], targets[rows], task)
            return lambda others: combination.apply(tables[:, others])

        score = goodness(crossfitted(procedure, targets, task, seed=seed + 1), targets, task)
        if best is None or score > best[0]:
            best = score, name
    assert best is not None
    return METHODS[best[1]](tables, targets, task)


def crossfitted(procedure: Procedure, targets: Array, task: Task, *, seed: int = 0) -> Array:
    """The table `(rows, outputs)` in which each half is answered by what `procedure` made of the other.

    Raises:
        UsageError: too few rows.
    """
    if len(targets) < FEWEST:
        raise UsageError(f"{len(targets)} validation rows are too few to choose a combination on; it takes {FEWEST}")
    first, second = halves(targets, task, seed=seed)
    answers: Array | None = None
    for fitted_on, answered in ((first, second), (second, first)):
        found = procedure(fitted_on)(answered)
        answers = np.empty((len(targets), found.shape[1])) if answers is None else answers
        answers[answered] = found
    assert answers is not None
    return answers


def judged(
    combination: Combination, answers: Array, tables: Array, targets: Array, task: Task, names: Sequence[str]
) -> Judgement:
    """`answers`, which are cross-fitted, against the best of the members whose `tables` these are."""
    best = best_member(tables, targets, task)
    metric = task.primary
    before, after = (task.decode(as_outputs(table, task.kind)) for table in (tables[best], answers))
    gain = paired_examples(metric, before, after, targets)
    lower = one_sided_lower(metric, before, after, targets)
    accepted = lower > 0
    word = "above" if accepted else "not above"
    return Judgement(
        method=combination.method,
        members=_members(combination, tables, targets, task, names),
        best_member=names[best],
        best_score=metric(before, targets),
        score=metric(after, targets),
        gain=gain,
        lower_bound=lower,
        accepted=accepted,
        reason=f"its gain over {names[best]} exceeds {lower:+.4g} with 95 % confidence, {word} zero",
        diversity=diversity(tables, targets, task, combination.weights),
        spread=spread(tables, targets, task) if task.kind == "regression" else {},
        n=len(targets),
    )


def best_member(tables: Array, targets: Array, task: Task) -> int:
    """Position of the member with the best primary metric; log loss or RMSE decides ties."""
    return max(range(len(tables)), key=lambda i: goodness(tables[i], targets, task))


def _fitter(name: str, task: Task, seed: int) -> Callable[[Array, Array], Combination]:
    if name == "auto":
        return lambda tables, targets: chosen(tables, targets, task, seed=seed)
    fit = method(name)
    if name == "vote" and task.kind == "regression":
        raise NotApplicable("values cannot be voted on; combine them with average, weights, greedy or stack")
    return lambda tables, targets: fit(tables, targets, task)


def _members(
    combination: Combination, tables: Array, targets: Array, task: Task, names: Sequence[str]
) -> tuple[Json, ...]:
    metric, whole = task.primary, _score(combination.apply(tables), targets, task)
    return tuple(
        {
            "name": name,
            "score": _score(tables[i], targets, task),
            "share": combination.weights[i],
            "without": metric.gain(_score(_without(combination, tables, targets, task, i), targets, task), whole),
        }
        for i, name in enumerate(names)
    )


def _without(combination: Combination, tables: Array, targets: Array, task: Task, index: int) -> Array:
    """The answers of the others, fitted by the same method."""
    others = np.delete(np.asarray(tables), index, axis=0)
    if len(others) == 1:
        return others[0]
    if combination.method == "average":
        kept = np.delete(combination.weights, index)
        return np.tensordot(kept / kept.sum() if kept.sum() > 0 else np.full(len(kept), 1 / len(kept)), others, axes=1)
    return METHODS[combination.method](others, targets, task).apply(others)


def _score(table: Array, targets: Array, task: Task) -> float:
    return task.primary(task.decode(as_outputs(table, task.kind)), targets)

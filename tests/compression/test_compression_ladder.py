import json
from dataclasses import replace

import numpy as np
import pytest

from burnish.compression.frontier import choose, frontier, parse_requirements
from burnish.compression.ladder import Rung, allowed_drop, ladder, smallest_resolvable_drop, step
from burnish.errors import RequirementNotMet, UsageError
from burnish.exporting.latency import Latency, quantile
from burnish.metrics import metric
from burnish.records import CompressionStep, Estimate, dumps, from_json

ACCURACY, RMSE = metric("accuracy"), metric("rmse")


def labels_with(targets, errors, seed=0):
    """Probabilities that are right but for `errors` examples."""
    wrong = np.random.default_rng(seed).permutation(len(targets))[:errors]
    labels = targets.copy()
    labels[wrong] = (labels[wrong] + 1) % 3
    return np.eye(3)[labels] * 0.8 + 0.1


@pytest.fixture
def targets():
    return np.random.default_rng(1).integers(0, 3, 2000)


def timed(milliseconds, seed=0):
    samples = milliseconds * np.random.default_rng(seed).uniform(0.95, 1.05, 200)
    p50, p95, p99 = (quantile(samples, q) for q in (0.5, 0.95, 0.99))
    return Latency(p50=p50, p95=p95, p99=p99, samples=tuple(samples.tolist()))


def judged(targets, before, after, max_drop, **more):
    return step(
        Rung(name="int8", predictions=after, **more),
        Rung(name="float", predictions=before, **({"bytes": 100, "latency": timed(2.0)} if more else {})),
        metric=ACCURACY,
        targets=targets,
        max_drop=max_drop,
    )


def test_harmless_steps_are_accepted_and_harmful_ones_not(targets):
    before = labels_with(targets, 100)
    harmless = judged(targets, before, before, 0.01)
    assert harmless.accepted
    assert harmless.metric.value == 0
    assert -0.01 < harmless.lower_bound <= 0
    harmful = judged(targets, before, labels_with(targets, 200), 0.01)
    assert not harmful.accepted
    assert harmful.metric.value == pytest.approx(-0.05)
    assert "may cost" in harmful.reason


def test_a_drop_within_the_limit_needs_the_lower_bound_too(targets):
    before, after = labels_with(targets, 100), labels_with(targets, 118)
    found = judged(targets, before, after, 0.01)
    assert found.metric.value > -0.01 > found.lower_bound
    assert not found.accepted


def test_few_examples_cannot_tell(targets):
    few = targets[:60]
    found = judged(few, labels_with(few, 5), labels_with(few, 5, seed=3), 0.01)
    assert not found.accepted
    assert "only resolve" in found.reason
    assert found.detail["smallest_resolvable_drop"] > 0.01


def test_steps_at_the_limit_are_rarely_accepted():
    generator, accepted = np.random.default_rng(0), 0
    for _ in range(200):  # a model that truly loses exactly what is allowed
        targets = np.zeros(500, dtype=np.int64)
        after = np.eye(2)[(generator.random(500) < 0.05).astype(int)]
        accepted += judged(targets, np.eye(2)[targets], after, 0.05).accepted
    assert accepted <= 200 * 0.1


def test_errors_drop_by_a_share_of_the_reference():
    generator = np.random.default_rng(0)
    targets = generator.normal(100, 20, 3000)
    before = targets + generator.normal(0, 10, 3000)
    worse = targets + (before - targets) * 1.005
    rungs = [Rung(name="a", predictions=worse), Rung(name="b", predictions=targets + (before - targets) * 1.05)]
    steps = ladder(Rung(name="float", predictions=before), rungs, metric=RMSE, targets=targets, max_drop=0.01)
    assert [s.accepted for s in steps] == [True, True, False]
    assert steps[1].metric.value == pytest.approx(-0.005 * steps[0].score, rel=1e-6)
    assert steps[1].detail["allowed_drop"] == pytest.approx(0.01 * steps[0].score)
    assert allowed_drop(metric("r2"), 0.5, 0.01) == 0.01
    with pytest.raises(ValueError, match="max_drop"):
        allowed_drop(RMSE, 1.0, -0.1)


def test_neither_smaller_nor_faster_is_no_step(targets):
    before = labels_with(targets, 100)
    slower = judged(targets, before, before, 0.01, bytes=120, latency=timed(3.0, seed=1))
    assert not slower.accepted
    assert "neither smaller nor faster" in slower.reason
    faster = judged(targets, before, before, 0.01, bytes=120, latency=timed(1.0, seed=1))
    assert faster.accepted
    assert faster.latency_ratio == pytest.approx(0.5, rel=0.05)
    assert faster.latency_ms.value == pytest.approx(1.0, rel=0.05)
    assert judged(targets, before, before, 0.01, bytes=80, latency=timed(3.0, seed=1)).accepted


def test_records_go_to_json_and_back(targets):
    right = labels_with(targets, 100)
    steps = ladder(
        Rung(name="float", predictions=right, bytes=100, latency=timed(2.0)),
        [Rung(name="int8", predictions=right, bytes=30, latency=timed(1.0), detail={"kind": "static"})],
        metric=ACCURACY,
        targets=targets,
        max_drop=0.01,
    )
    back = [from_json(CompressionStep, value) for value in json.loads(dumps(steps))]
    assert [(s.step, s.bytes, s.accepted, s.metric) for s in back] == [
        (s.step, s.bytes, s.accepted, s.metric) for s in steps
    ]
    assert back[1].detail["kind"] == "static"


def test_resolvable_drop_shrinks_with_examples():
    generator = np.random.default_rng(0)
    targets = generator.integers(0, 3, 8000)
    predictions = labels_with(targets, 400)
    small, large = (smallest_resolvable_drop(ACCURACY, predictions[:n], targets[:n]) for n in (500, 8000))
    assert 0 < large < small < 0.03
    assert 4 < small / large < 16  # between the root of their number and, for rare disagreements, their number


def point(name, score, latency, size, accepted=True):
    timing = None if latency is None else Estimate(value=latency, unit="ms")
    return CompressionStep(
        step=name, metric=None, score=score, latency_ms=timing, bytes=size, accepted=accepted, reason=""
    )


POINTS = [
    point("float", 0.95, 2.0, 400),
    point("int8", 0.95, 1.0, 110),
    point("pruned", 0.94, 1.2, 200),
    point("pruned int8", 0.93, 0.6, 60),
    point("crushed", 0.60, 0.3, 20, accepted=False),
]


def test_frontier_by_hand():
    assert [p["on_frontier"] for p in frontier(POINTS)] == [False, True, False, True, True]
    assert frontier(POINTS)[1] == {
        "step": "int8", "score": 0.95, "latency_ms": 1.0, "bytes": 110, "accepted": True, "on_frontier": True,
    }  # fmt: skip


def test_no_point_of_the_frontier_is_dominated():
    generator = np.random.default_rng(0)
    steps = [point(str(i), *generator.integers(0, 6, 3).tolist()) for i in range(60)]
    kept = {p["step"] for p in frontier(steps, greater_is_better=False)}
    rows = {p["step"]: (p["score"], p["latency_ms"], p["bytes"]) for p in frontier(steps, greater_is_better=False)}
    on = {p["step"] for p in frontier(steps, greater_is_better=False) if p["on_frontier"]}
    for name in kept:
        beaten = any(all(a <= b for a, b in zip(o, rows[name], strict=True)) and o != rows[name] for o in rows.values())
        assert (name in on) == (not beaten)


def test_what_was_not_measured_does_not_count():
    steps = [point("a", 0.9, None, 100), point("b", 0.9, 1.0, 50)]
    assert [p["on_frontier"] for p in frontier(steps)] == [False, True]


def test_choice_is_the_fastest_that_fits():
    assert choose(POINTS).step == "pruned int8"
    assert choose(POINTS, parse_requirements("score>=0.94")).step == "int8"
    assert choose(POINTS, parse_requirements("latency_ms<=1, bytes<=100")).step == "pruned int8"
    with pytest.raises(RequirementNotMet, match=r"'pruned int8', misses bytes<=50 \(it has 60\)"):
        choose(POINTS, parse_requirements("bytes<=50"))
    with pytest.raises(RequirementNotMet, match="not measured"):
        choose([point("a", 0.9, None, 10)], parse_requirements("latency_ms<=1"))
    with pytest.raises(UsageError, match="no step was accepted"):
        choose([replace(p, accepted=False) for p in POINTS])


def test_a_slower_file_is_told_apart_by_its_rounds_where_the_machine_is_busy():
    """A multilayer perceptron measured beside four other jobs: medians overlap, ratios within rounds do not."""

    def timed(name, size, low, high, ratio):
        known = {"latency_ratio": Estimate(value=ratio, low=0.98 * ratio, high=1.02 * ratio)}
        step = replace(point(name, 0.9, (low + high) / 2, size), latency_ratio=ratio, detail=known)
        return replace(step, latency_ms=replace(step.latency_ms, low=low, high=high))

    float_, pruned = timed("float", 123_373, 0.0257, 0.0346, 1.0), timed("pruned", 9108, 0.0201, 0.0284, 0.793)
    int8, equal = timed("int8", 5597, 0.0261, 0.0345, 1.034), timed("equal", 9000, 0.0199, 0.0290, 0.8)
    assert choose([float_, pruned, int8]).step == "pruned"
    assert choose([float_, pruned, int8, equal]).step == "equal"


def test_of_one_shape_the_most_accurate_is_chosen_whatever_its_clock_says():
    def cut(name, latency, size, gain):
        found = point(name, 0.9, latency, size)
        return replace(found, metric=Estimate(value=gain))

    by_teacher, by_labels, larger = (
        cut("a", 1.00, 60_000, -0.01),
        cut("b", 1.03, 60_100, 0.0),
        cut("c", 1.2, 60_000, 0.1),
    )
    assert choose([point("float", 0.9, 2.0, 100_000), by_teacher, by_labels, larger]).step == "b"
    assert choose([by_teacher, cut("smaller", 1.0, 50_000, -0.02)]).step == "smaller"


def test_requirements_are_read():
    found = parse_requirements(" latency_ms <= 2.5, bytes<=500_000,score>0.9 ,operations<1e6")
    assert [(r.quantity, r.sign, r.limit) for r in found] == [
        ("latency_ms", "<=", 2.5),
        ("bytes", "<=", 500_000),
        ("score", ">", 0.9),
        ("operations", "<", 1e6),
    ]
    assert parse_requirements(None) == parse_requirements("") == ()


@pytest.mark.parametrize("text", ["latency<=2", "bytes", "bytes<=many", "bytes==3", "bytes<=1; score>1"])
def test_unreadable_requirements_are_named(text):
    with pytest.raises(UsageError, match="cannot read the requirement"):
        parse_requirements(text)

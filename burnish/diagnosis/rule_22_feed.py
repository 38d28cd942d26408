"""R22: the network waits for its batches."""

import itertools
import time
from dataclasses import replace

from burnish.diagnosis.batches import seeded
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.model.backward import backward
from burnish.plan import Plan
from burnish.records import Finding
from burnish.training.feed import batches, steps_per_epoch
from burnish.training.loop import device_for
from burnish.training.optimizers import build_optimizer

__all__ = ["check", "price"]

STEPS, WARM = 20, 3
RULE = Rule(
    id="R22",
    title="training waits for data",
    source="tuning playbook, input pipeline; NVIDIA DALI loader evaluator (replayed batches); 10 % heuristic",
    remedies=("cheaper batch transforms", "larger batches", "data that fit into memory (--max-rows)"),
    chance=0.02,
    quick=False,
)


def price(subject: Subject) -> float:
    """The steps that are timed, against those of a training."""
    if subject.plan is None:
        return 0.0
    return 2 * (STEPS + WARM) / _steps(subject)


def check(subject: Subject) -> Finding:
    """Share of a step that goes into making its batch, where that costs a training more than a few seconds."""
    if subject.plan is None:
        return RULE.cannot_tell("there is no plan to time.")
    with seeded():
        feed, step = _timed(replace(subject.plan, data=subject.data), subject.device)
    share, limit = feed / max(feed + step, 1e-12), subject.thresholds.feed_share
    said = f"of {1000 * (feed + step):.2g} ms a step {1000 * feed:.2g} ms ({share:.0%}) make the batch"
    figure = {"kind": "bars", "labels": ["batch", "network"], "values": [1000 * feed, 1000 * step], "unit": "ms a step"}
    limits, steps = subject.thresholds, _steps(subject)
    waited, faster = feed * steps, 1 / max(1 - share, 1e-12)
    said += f", {waited:.2g} s of a training"
    tell = RULE.judge(share > limit and faster >= limits.replay_gain and waited >= limits.feed_seconds)
    return tell(share, limit, said + ".", lost=(share, "of the time, not of the score"), figure=figure)


def _steps(subject: Subject) -> int:
    assert subject.plan is not None
    return steps_per_epoch(len(subject.data.train_rows), subject.plan.batch_size) * subject.plan.epochs


def _timed(plan: Plan, device: str) -> tuple[float, float]:
    """Median seconds for making a batch, and for a step on it."""
    place, loss = device_for(device), plan.loss
    assert loss is not None
    network = plan.build(0).to(place).train()
    optimizer = build_optimizer(replace(plan.optimizer, wrappers=()), network, plan.freeze)
    epochs = (batches(plan, plan.data, seed=0, epoch=e, device=place) for e in itertools.count())
    source, feeds, steps = itertools.chain.from_iterable(epochs), [], []
    for _ in range(STEPS + WARM):
        start = time.perf_counter()
        x, y = next(source)
        made = time.perf_counter()
        optimizer.zero_grad(set_to_none=True)
        backward(loss(network(x), y), network)
        optimizer.step()
        float(x.flatten()[0])  # waits for the device
        feeds.append(made - start)
        steps.append(time.perf_counter() - made)
    return sorted(feeds[WARM:])[STEPS // 2], sorted(steps[WARM:])[STEPS // 2]

"""What tuning, or a short test at several rates, says about the learning rate, for the rules on both sides."""

import itertools
import math
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
import torch

from burnish.diagnosis.batches import seeded
from burnish.diagnosis.subject import SMALLEST_GAIN, Subject
from burnish.plan import Plan
from burnish.training.feed import batches, steps_per_epoch
from burnish.training.loop import device_for
from burnish.training.optimizers import build_optimizer

__all__ = ["RateTest", "best_rate", "rate_test", "rates_and_scores", "test_price"]

FACTORS = (0.1, 1.0, 10.0, 100.0, 1000.0)
MOST_STEPS, LEAST_STEPS = 80, 40  # at each rate, of which the last quarter is averaged


@dataclass(frozen=True, slots=True, kw_only=True)
class RateTest:
    """Losses after a few steps at multiples of the rate in use.

    Attributes:
        rate: The rate in use.
        factors: What it was multiplied by.
        losses: Mean training loss of the last steps at each; infinite where it is not finite.
    """

    rate: float
    factors: tuple[float, ...]
    losses: tuple[float, ...]

    def loss(self, factor: float) -> float:
        """The loss at `factor` times the rate in use."""
        return self.losses[self.factors.index(factor)]

    def figure(self) -> dict[str, Any]:
        """The test as data for a drawing."""
        shown = [(self.rate * f, v) for f, v in zip(self.factors, self.losses, strict=True) if math.isfinite(v)]
        x, y = [rate for rate, _ in shown], [loss for _, loss in shown]
        return {"kind": "lines", "x": x, "series": {"loss": y}, "x_name": "learning rate", "log_x": True}


def rates_and_scores(subject: Subject) -> list[tuple[float, float]]:
    """Learning rates tried with their scores, turned so that larger is better; failed ones have minus infinity."""
    pairs = []
    for tried in subject.tuned:
        score = tried.get("score")
        score = math.nan if score is None else float(score)
        pairs.append((float(tried["lr"]), subject.metric.gain(0.0, score) if math.isfinite(score) else -math.inf))
    return sorted(pairs)


def best_rate(subject: Subject) -> tuple[float, float, float, float | None] | None:
    """The best rate, its gain over the rate in use, the gain that matters, and the rate in use if it was tried.

    None where fewer than two rates were tried. Of rates that tie, the one in the middle wins.
    """
    pairs = rates_and_scores(subject)
    top = max((score for _, score in pairs), default=-math.inf)
    if len(pairs) < 2 or not math.isfinite(top):
        return None
    tied = [rate for rate, score in pairs if score == top]
    current = None if subject.plan is None else subject.plan.optimizer.lr
    in_use = next((score for rate, score in pairs if current and math.isclose(rate, current, rel_tol=0.01)), None)
    worthwhile = subject.worthwhile if subject.worthwhile is not None else SMALLEST_GAIN * abs(top)
    gain = 0.0 if in_use is None else top - in_use
    return tied[len(tied) // 2], gain, worthwhile, current if in_use is not None else None


def test_price(subject: Subject) -> float:
    """What `rate_test` costs, in trainings of the baseline; nothing where rates were tuned or it is done."""
    if subject.plan is None or subject.tuned or "rate_test" in subject.cache:
        return 0.0
    steps = _all_steps(subject.plan, len(subject.data.train_rows))
    return _steps(steps) * len(FACTORS) / steps


def _all_steps(plan: Plan, rows: int) -> int:
    return steps_per_epoch(rows, plan.batch_size) * plan.epochs


def _steps(of_a_training: int) -> int:
    """Steps at each rate: no more than a training has, but enough to see something."""
    return int(np.clip(of_a_training, LEAST_STEPS, MOST_STEPS))


def rate_test(subject: Subject) -> RateTest | None:
    """The same fresh network trained for a few steps at multiples of the plan's rate; None without a plan.

    Without the plan's batch transforms, whose randomness would hide the effect of the rate.
    """
    if subject.plan is None:
        return None
    if "rate_test" not in subject.cache:
        plan = replace(subject.plan, batch=(), data=subject.data)
        rate = plan.optimizer.lr
        losses = tuple(_loss_at(plan, rate * factor, subject.device) for factor in FACTORS)
        subject.cache["rate_test"] = RateTest(rate=rate, factors=FACTORS, losses=losses)
    return cast(RateTest, subject.cache["rate_test"])


def _loss_at(plan: Plan, rate: float, device: str) -> float:
    """Mean loss of the last steps at `rate`."""
    place, losses, steps = device_for(device), [], _steps(_all_steps(plan, len(plan.data.train_rows)))
    with seeded():
        network = plan.build(0).to(place).train()
        optimizer = build_optimizer(replace(plan.optimizer, lr=rate), network, plan.freeze)
        epochs = (batches(plan, plan.data, seed=0, epoch=e, device=place) for e in itertools.count())
        for x, y in itertools.islice(itertools.chain.from_iterable(epochs), steps):
            losses.append(_step(plan, network, optimizer, x, y))
            if not math.isfinite(losses[-1]):
                return math.inf
    return float(np.mean(losses[-steps // 4 :]))


def _step(
    plan: Plan, network: torch.nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor
) -> float:
    loss_function = plan.loss
    assert loss_function is not None

    def closure() -> torch.Tensor:
        optimizer.zero_grad(set_to_none=True)
        loss = loss_function(network(x), y)
        loss.backward()
        if plan.clip is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), plan.clip)
        return loss

    return float(cast(torch.Tensor, optimizer.step(cast(Any, closure))).detach())

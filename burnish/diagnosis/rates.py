"""What tuning, or a short test at several rates, says about the learning rate, for the rules on both sides."""

import math
from dataclasses import dataclass
from typing import Any, cast

from burnish.diagnosis.short_run import short_run, short_steps
from burnish.diagnosis.subject import SMALLEST_GAIN, Subject
from burnish.training.feed import steps_per_epoch

__all__ = ["RateTest", "best_rate", "rate_test", "rates_and_scores", "test_price"]

FACTORS = (0.1, 1.0, 10.0, 100.0, 1000.0)


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
    rows, plan = len(subject.data.train_rows), subject.plan
    return len(FACTORS) * short_steps(plan, rows) / (steps_per_epoch(rows, plan.batch_size) * plan.epochs)


def rate_test(subject: Subject) -> RateTest | None:
    """The same fresh network trained for a few steps at multiples of the plan's rate; None without a plan."""
    if subject.plan is None:
        return None
    if "rate_test" not in subject.cache:
        losses = tuple(run.loss if run else math.inf for run in (short_run(subject, factor) for factor in FACTORS))
        rate = subject.plan.optimizer.lr
        subject.cache["rate_test"] = RateTest(rate=rate, factors=FACTORS, losses=losses)
    return cast(RateTest, subject.cache["rate_test"])

"""What tuning says about the learning rate, for the rules on both sides."""

import math

from burnish.diagnosis.subject import SMALLEST_GAIN, Subject

__all__ = ["best_rate", "rates_and_scores"]


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

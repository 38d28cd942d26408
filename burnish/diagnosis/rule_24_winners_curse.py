"""R24: what was chosen for a large gain shows a smaller one when it is measured afresh."""

import math
import statistics

from burnish.diagnosis.rates import rates_and_scores
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

RULE = Rule(
    id="R24",
    title="winner's curse",
    source="Schneider et al., arXiv:2506.19540 (overtuning)",
    remedies=(
        "believe the confirmation",
        "more splits per comparison (--budget thorough)",
        "fewer candidates (--only)",
    ),
    chance=0.1,
)
NOTHING_CHOSEN = (
    "nothing was chosen among several and measured again on fresh splits: no learning rate was tuned, and no recipe "
    "screened. `burnish study` and `burnish run` do both."
)
LEAST_TRIED, LEAST_RUNS = 3, 2


def check(subject: Subject) -> Finding:
    """Gain on fresh splits as a share of the gain it was chosen for.

    That of the recipe in the screening and in the confirmation; before there is one, that of the tuned learning rate,
    which was chosen on a split of its own and measured again by the pilot.
    """
    if subject.screened is None:
        return _of_the_rate(subject)
    screened, confirmed = subject.screened
    if screened <= 0:
        return RULE.clear(None, subject.thresholds.gain_kept, "the screening promised no gain.")
    kept, limit = confirmed / screened, subject.thresholds.gain_kept
    name = subject.metric.name
    said = f"gain in {name} {screened:.3g} in the screening, {confirmed:.3g} on fresh splits ({kept:.0%} of it)."
    figure = {"kind": "bars", "labels": ["screening", "confirmation"], "values": [screened, confirmed], "unit": name}
    tell = RULE.judge(kept < limit)
    lost = (subject.share(screened - confirmed), "of the score, which was promised and is not there")
    return tell(kept, limit, said, lost=lost, figure=figure)


def _of_the_rate(subject: Subject) -> Finding:
    """The chosen rate's score in the tuning and in the pilot, both beside the middle of the rates tried."""
    name, pairs = subject.metric.name, [pair for pair in rates_and_scores(subject) if math.isfinite(pair[1])]
    rate = None if subject.plan is None else subject.plan.optimizer.lr
    chosen = next((score for tried, score in pairs if rate and math.isclose(tried, rate, rel_tol=0.01)), None)
    error, runs = subject.standard_error, len(subject.finished)
    if chosen is None or subject.score is None or error is None or len(pairs) < LEAST_TRIED or runs < LEAST_RUNS:
        return RULE.cannot_tell(NOTHING_CHOSEN)
    again, middle = subject.metric.gain(0.0, subject.score), statistics.median(score for _, score in pairs)
    promised, kept = chosen - middle, again - middle
    limit, noise = subject.thresholds.gain_kept, subject.thresholds.standard_errors * error * math.sqrt(1 + 1 / runs)
    said = (
        f"of {len(pairs)} learning rates {rate:.2g} was {promised:.3g} {name} better than the middle one in the "
        f"tuning; {runs} runs on fresh splits are {kept:.3g} better"
    )
    figure = {"kind": "bars", "labels": ["tuning", "fresh splits"], "values": [promised, kept], "unit": name}
    if promised <= noise:
        said += f". Differences under {noise:.2g} are noise here, so little hung on the choice"
        return RULE.clear(None, limit, said + ".", figure=figure)
    tell = RULE.judge(kept < limit * promised and chosen - again > noise)
    lost = (subject.share(chosen - again), "of the score, which was promised and is not there")
    return tell(kept / promised, limit, said + ".", lost=lost, figure=figure)

"""R24: what was chosen for a large gain shows a smaller one when it is measured afresh."""

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
    "no recipe was chosen among several and measured again on fresh splits; `burnish study` or `burnish run` does both."
)


def check(subject: Subject) -> Finding:
    """Gain on the confirmation's fresh splits as a share of that in the screening."""
    if subject.screened is None:
        return RULE.cannot_tell(NOTHING_CHOSEN)
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

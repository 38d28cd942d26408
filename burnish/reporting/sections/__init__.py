"""The parts of the report, one file each; `SECTIONS` is their order: verdict first, proof after it."""

from collections.abc import Callable

from burnish.reporting.build import NOT_REACHED
from burnish.reporting.document import Section, Text
from burnish.reporting.sections.candidates import candidates
from burnish.reporting.sections.compression import compression
from burnish.reporting.sections.confirmation import confirmation
from burnish.reporting.sections.curves import curves
from burnish.reporting.sections.effects import effects
from burnish.reporting.sections.environment import environment
from burnish.reporting.sections.frontier import frontier
from burnish.reporting.sections.limits import limits
from burnish.reporting.sections.more_data import more_data
from burnish.reporting.sections.network import network
from burnish.reporting.sections.outcomes import outcomes
from burnish.reporting.sections.quality import quality
from burnish.reporting.sections.readouts import readouts
from burnish.reporting.sections.robustness import robustness
from burnish.reporting.sections.runs import runs
from burnish.reporting.sections.segments import segments
from burnish.reporting.sections.speed import speed
from burnish.reporting.sections.verdict import verdict
from burnish.reporting.view import View

__all__ = ["SECTIONS", "document"]

SECTIONS: tuple[Callable[[View], Section], ...] = (
    verdict,
    limits,
    effects,
    outcomes,
    candidates,
    confirmation,
    curves,
    frontier,
    quality,
    segments,
    robustness,
    more_data,
    speed,
    compression,
    readouts,
    runs,
    network,
    environment,
)


def document(view: View) -> tuple[Section, ...]:
    """All sections of the report, in order; of an unfinished job those not reached are named in one line at the end."""
    whole = [section(view) for section in SECTIONS]
    empty = [section.title for section in whole if _unreached(section)]
    if view.finished or not empty:
        return tuple(whole)
    last = Section(id="not-reached", title="Not reached", blocks=(Text(text=f"{', '.join(empty)}.", tone="skipped"),))
    return (*(section for section in whole if not _unreached(section)), last)


def _unreached(section: Section) -> bool:
    blocks = section.blocks
    return bool(blocks) and all(
        isinstance(b, Text) and b.tone == "skipped" and b.text.endswith(NOT_REACHED) for b in blocks
    )

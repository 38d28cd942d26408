"""D3: columns that are mostly missing, or say the same in every row."""

import re

import numpy as np

from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

USELESS = re.compile(r"column '(.+)' left out: it (?:has one value|is empty)$")  # notes of the reader of tables
SHOWN = 20
RULE = Rule(
    id="D3",
    title="missing or constant columns",
    source="deepchecks, Percent of Nulls and Is Single Value; 30 % heuristic",
    remedies=("find out why values are missing", "fill them from other columns, or drop the column"),
    chance=0.1,
)


def check(subject: Subject) -> Finding:
    """Largest share of missing values of a column, and the columns that were left out because they hold one value."""
    data = subject.data
    if data.modality != "table":
        return RULE.clear(None, None, "these data have no columns.")
    gone = {}
    stored = data.train.inputs
    for column, places in zip(data.preparation.columns, data.preparation.feature_groups, strict=True):
        if column.missing:
            gone[column.name] = float((stored[:, places[-1]] > 0.5).mean())
    constant = [found[1] for note in data.notes if (found := USELESS.match(note))]
    constant += [
        column.name
        for column, places in zip(data.preparation.columns, data.preparation.feature_groups, strict=True)
        if np.ptp(stored[:, list(places)], axis=0).max(initial=0) == 0
    ]
    limit, most = subject.thresholds.missing_share, max(gone.values(), default=0.0)
    names = sorted(gone, key=lambda name: -gone[name])
    said = f"{len(gone)} of {len(data.preparation.columns)} columns have missing values"
    said += f", most in {names[0]!r} ({most:.1%})" if names else ""
    said += f"; one value in every row: {', '.join(map(repr, constant[:5]))}" if constant else ""
    figure = {"kind": "bars", "labels": names[:SHOWN], "values": [gone[n] for n in names[:SHOWN]]} if names else {}
    much = sum(share for share in gone.values() if share > limit) / max(len(data.preparation.columns), 1)
    tell = RULE.judge(most > limit or bool(constant))
    lost = (much, "of all values, missing in columns that mostly lack them")
    return tell(most, limit, said + ".", lost=lost, figure=figure, missing=gone, constant=constant)

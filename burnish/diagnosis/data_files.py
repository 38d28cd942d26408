"""D5: files that cannot be read, are blank, or are not like the others."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from burnish.data.data import Data
from burnish.data.images import headers
from burnish.data.spacing import spaced
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.showing import MOST_SHOWN, shown_row
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
BLOCK = 4096
ODD = 4.0  # times larger or smaller than the median in area
RARE = 0.02  # share of the files below which a colour mode is odd
LISTED, FILES = 20, 2000
RULE = Rule(
    id="D5",
    title="corrupt, blank or odd files",
    source="deepchecks, Image Property Outliers; cleanvision; limits heuristic",
    remedies=("repair or remove the listed files", "--size for images of very different sizes"),
    chance=0.5,
)


def check(subject: Subject) -> Finding:
    """Share of examples that could not be read or that say nothing, and files of another size or mode than most."""
    data = subject.data
    blank = _blank(subject)
    total = len(data.targets) + len(data.unreadable)
    odd = _odd(_headers(data))
    share = (len(blank) + len(data.unreadable)) / total
    said = f"{len(data.unreadable)} of {total} examples cannot be read, {len(blank)} are blank"
    said += f"; first of them: {', '.join(data.unreadable[:3])}" if data.unreadable else ""
    said += f"; {len(odd)} files are of another size or mode than most" if odd else ""
    shown = [shown_row(data, int(row)) | {"label": _answer(subject, row)} for row in blank[: MOST_SHOWN // 2]]
    figure: dict[str, Any] = {"kind": "review", "rows": shown} if shown else {}
    detail = {"blank": [shown_row(data, int(r))["origin"] for r in blank[:LISTED]], "odd": odd[:LISTED]}
    detail["unreadable"] = list(data.unreadable[:LISTED])
    limit = subject.thresholds.odd_files
    tell = RULE.judge(share > limit)
    return tell(share, limit, said + ".", lost=(share, "of the examples"), figure=figure, **detail)


def _blank(subject: Subject) -> Array:
    """Rows without any contrast; a text whose words are all unknown looks empty and is not."""
    data, found = subject.data, []
    rows = np.unique(np.concatenate([data.train_rows, data.validation_rows]))
    if data.modality in ("table", "text"):
        return rows[:0]
    for start in range(0, len(rows), BLOCK):
        part = data.inputs[rows[start : start + BLOCK]].reshape(len(rows[start : start + BLOCK]), -1)
        found.append(rows[start : start + BLOCK][np.ptp(part, axis=1) == 0])
    return np.concatenate(found)


def _headers(data: Data) -> tuple[tuple[str, int, int, str], ...]:
    """Name, height, width and mode of the files, or of 2,000 of them evenly spread."""
    if not data.folder or data.origins is None:
        return ()
    chosen = data.origins[spaced(len(data.origins), FILES)]
    return tuple(headers([Path(data.folder, name) for name in chosen]))


def _odd(files: tuple[tuple[str, int, int, str], ...]) -> list[str]:
    """Files `(name, height, width, mode)` that differ from most, with what is odd about them."""
    if not files:
        return []
    area = float(np.median([height * width for _, height, width, _ in files]))
    modes = Counter(mode for *_, mode in files)
    odd = []
    for name, height, width, mode in files:
        if not area / ODD <= height * width <= area * ODD:
            odd.append(f"{name}: {width}x{height}")
        elif modes[mode] < RARE * len(files):
            odd.append(f"{name}: mode {mode}")
    return odd


def _answer(subject: Subject, row: int) -> str:
    if not subject.is_classification:
        return ""
    return str(subject.data.task.names[int(np.asarray(subject.data.targets)[row])])

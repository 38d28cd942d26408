"""How a row is shown to people: where it came from, and a picture or the text of it; few bytes each."""

import base64
import io
from typing import Any

import numpy as np

from burnish.data.data import Data

__all__ = ["MOST_BYTES", "MOST_SHOWN", "origin", "shown_row"]

MOST_SHOWN = 24  # pictures in one figure
MOST_BYTES = 4000  # of one picture
SIDE, WORDS = 48, 200


def shown_row(data: Data, row: int) -> dict[str, Any]:
    """Row number, origin, and a thumbnail, a text or the first columns."""
    found: dict[str, Any] = {"row": row, "origin": origin(data, row)}
    stored = data.inputs[row]
    if data.modality == "image":
        found["image"] = thumbnail(data, stored)
    elif data.modality == "text":
        words = data.preparation.vocabulary
        found["text"] = " ".join(words[t] for t in stored.tolist() if 0 < t < len(words))[:WORDS]
    elif data.modality == "table":
        groups = zip(data.preparation.columns, data.preparation.feature_groups, strict=True)
        found["text"] = ", ".join(f"{column.name}={_cell(column, stored, places)}" for column, places in groups)[:WORDS]
    return found


def origin(data: Data, row: int) -> str:
    """File name or row number of the source, or the row of the pool."""
    if data.origins is not None:
        return str(data.origins[row])
    return f"row {row}"


def thumbnail(data: Data, stored: np.ndarray) -> str:
    """A PNG of at most 48 pixels a side as a data URI; empty where it would be too large."""
    from PIL import Image

    values = np.asarray(stored, dtype=np.float64)
    if not data.preparation.channels_last:
        values = np.moveaxis(values, 0, -1)
    if values.ndim != 3 or values.shape[-1] not in (1, 3):
        values = values.reshape(*values.shape[:2], -1)[..., :1]
    if stored.dtype != np.uint8 or values.max(initial=0) <= 127:  # not on the scale of files
        low, high = float(values.min()), float(values.max())
        values = (values - low) / (high - low or 1.0) * 255
    array = np.clip(np.rint(values), 0, 255).astype(np.uint8)
    picture = Image.fromarray(array[..., 0] if array.shape[-1] == 1 else array)
    picture.thumbnail((SIDE, SIDE))
    for kind, options in (("PNG", {"optimize": True}), ("JPEG", {"quality": 60})):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        if buffer.tell() <= MOST_BYTES:
            return f"data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return ""


def _cell(column: Any, stored: np.ndarray, places: tuple[int, ...]) -> str:
    values = stored[list(places)]
    if column.missing and values[-1] > 0.5:
        return "missing"
    if column.kind == "category":
        on = np.flatnonzero(values[: len(column.categories)] > 0.5)
        return column.categories[int(on[0])] if len(on) else "other"
    return f"{float(values[0]) * column.std + column.mean:.4g}"

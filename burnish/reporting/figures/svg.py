"""The few pieces every drawing needs: escaped elements, and axes with round ticks."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

__all__ = ["Axis", "tag", "tick_text"]

TINY = 1e-6  # values closer together than this share of their size are one value


def tag(name: str, /, *children: Any, **attributes: Any) -> Markup:
    """An element; text children and attributes are escaped, `class_` and `stroke_width` lose their underscores.

    Example:
        >>> tag("text", "a < b", x=1.234, class_="axis")
        Markup('<text x="1.23" class="axis">a &lt; b</text>')
    """
    pairs = [(key.rstrip("_").replace("_", "-"), _value(item)) for key, item in attributes.items() if item is not None]
    opening = Markup("").join(Markup(' {}="{}"').format(key, item) for key, item in pairs)
    inner = Markup("").join(escape(child) for child in children)
    return Markup("<{}{}>{}</{}>").format(Markup(name), opening, inner, Markup(name))


def _value(item: Any) -> str:
    return f"{item:.2f}".rstrip("0").rstrip(".") if isinstance(item, float) else str(item)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A map from values to pixels; `log` maps their logarithm."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def over(cls, values: Iterable[float], *, start: float, end: float, pad: float = 0.06, log: bool = False) -> "Axis":
        """An axis that holds all `values` with some room at both ends."""
        finite = [v for v in values if math.isfinite(v) and (v > 0 or not log)] or [1.0]
        low, high = min(finite), max(finite)
        if log:
            room = (high / low) ** pad if high > low else 1.5
            return cls(low=low / room, high=high * room, start=start, end=end, log=True)
        if high - low > TINY * max(abs(low), abs(high), 1.0):
            room = (high - low) * pad
        else:
            room = max(abs(high) * 0.05, TINY * 1000)
        return cls(low=low - room, high=high + room, start=start, end=end)

    def __call__(self, value: float) -> float:
        """The pixel of `value`; beyond the ends it stays at the end."""
        inside = min(max(value, self.low), self.high)
        if self.log:
            share = math.log(inside / self.low) / math.log(self.high / self.low)
        else:
            share = (inside - self.low) / (self.high - self.low)
        return self.start + share * (self.end - self.start)

    def ticks(self, count: int = 4) -> list[float]:
        """Round values along the axis, about `count` of them."""
        if self.log:
            found = self._log_ticks(count)
            if len(found) >= 2:
                return found
        step = _round_step((self.high - self.low) / count)
        first = math.ceil(self.low / step - 1e-9)
        last = math.floor(self.high / step + 1e-9)
        return [round(i * step, 12) for i in range(first, last + 1)]

    def _log_ticks(self, count: int) -> list[float]:
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1, 3), (1,)):
            found = [d * 10.0**k for k in decades for d in digits if self.low <= d * 10.0**k <= self.high]
            if len(found) <= count + 2:
                return found
        return found[:: math.ceil(len(found) / (count + 2))]


def _round_step(raw: float) -> float:
    power = 10.0 ** math.floor(math.log10(raw))
    return next(step * power for step in (1, 2, 2.5, 5, 10) if step * power >= raw * 0.999)


def tick_text(value: float, ticks: list[float], *, factor: float = 1.0, signed: bool = False) -> str:
    """`value` with as many digits as tell the `ticks` apart."""
    step = min((abs(b - a) for a, b in zip(ticks, ticks[1:], strict=False)), default=abs(value) or 1.0) * factor
    places = next((d for d in range(7) if abs(round(step, d) - step) < step * 1e-6), 6)
    text = f"{value * factor:+,.{places}f}" if signed and value else f"{value * factor:,.{places}f}"
    return text.replace("-", "−")

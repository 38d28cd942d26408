"""Numbers as people read them.

Scores that are shares are written in percent and their differences in points; other metrics keep
their own unit. What is unknown or not finite is written as a dash.
"""

import math
from dataclasses import dataclass
from typing import Any

from burnish.records import Estimate, from_json

__all__ = [
    "DASH",
    "Scale",
    "bytes_text",
    "count",
    "duration",
    "estimate",
    "label",
    "milliseconds",
    "number",
    "opened",
    "p_text",
    "probability",
    "ratio",
    "scale_for",
    "sentence",
    "short_count",
    "significant",
]

DASH = "–"
SHARES = (  # prefixes of names of shares
    *("accuracy", "balanced_accuracy", "subset_accuracy", "top", "precision", "recall", "f1"),
    *("roc_auc", "pr_auc", "ece", "hamming_loss"),
)
ERRORS = ("log_loss", "brier", "ece", "rmse", "mae", "hamming_loss", "rmse_perturbed")
OWN_UNIT = ("rmse", "mae", "rmse_perturbed")  # metrics in the unit of the target
STANDARD_UNITS = ("", "fraction", "ratio", "seconds", "ms", "bytes", "points", "target unit")
FINE = 2000  # from this many validation examples on, a hundredth of a point can mean something
AVERAGES = ("macro", "micro", "weighted", "samples")
LABELS = {
    "f1": "F1",
    "rmse": "RMSE",
    "mae": "MAE",
    "r2": "R²",
    "roc_auc": "ROC AUC",
    "pr_auc": "PR AUC",
    "top3_accuracy": "top-3 accuracy",
    "top5_accuracy": "top-5 accuracy",
    "hamming_loss": "share of wrong labels",
    "subset_accuracy": "all labels right",
    "log_loss": "log loss",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
    "accuracy_perturbed": "accuracy on perturbed inputs",
    "rmse_perturbed": "RMSE on perturbed inputs",
}


def number(value: Any) -> float | None:
    """`value` as a finite float, else None. An Estimate, or its JSON, counts with its value."""
    if isinstance(value, Estimate):
        value = value.value
    if isinstance(value, dict):
        value = value.get("value", value.get("p50"))
        return number(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None


def estimate(value: Any) -> Estimate | None:
    """`value` as an Estimate: a record, its JSON or a bare number (then `n` is 0: not known)."""
    if isinstance(value, Estimate):
        return value
    if isinstance(value, dict) and isinstance(value.get("p50"), dict):
        value = value["p50"]
    if isinstance(value, dict) and "value" in value:
        found = from_json(Estimate, value)
        return found if number(found.value) is not None else None
    plain = number(value)
    return None if plain is None else Estimate(value=plain, n=0)


def minus(text: str) -> str:
    """`text` with a real minus sign, and no minus before a zero."""
    if text.startswith("-") and not text.strip("-0.,"):
        text = text[1:]
    return text.replace("-", "−")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How the values of one metric are written.

    Attributes:
        metric: Its name.
        percent: Whether it is a share, written in percent.
        greater_is_better: Direction.
        decimals: Digits after the point, the same for all values so that columns compare.
        unit: Unit behind values that are no shares.

    Example:
        >>> scale_for("accuracy").score(0.9312), scale_for("accuracy").gain(-0.0149)
        ('93.1 %', '−1.5 points')
    """

    metric: str
    percent: bool
    greater_is_better: bool
    decimals: int
    unit: str = ""

    @property
    def label(self) -> str:
        """The metric's name for people."""
        return label(self.metric)

    @property
    def factor(self) -> float:
        """What a stored value is multiplied by before it is written."""
        return 100.0 if self.percent else 1.0

    def bare(self, value: Any) -> str:
        """The number alone: `93.1`."""
        plain = number(value)
        return DASH if plain is None else minus(f"{plain * self.factor:,.{self.decimals}f}")

    def score(self, value: Any) -> str:
        """With its unit: `93.1 %`."""
        text = self.bare(value)
        return text if text == DASH else text + (" %" if self.percent else f" {self.unit}" if self.unit else "")

    def bare_gain(self, value: Any) -> str:
        """A difference without unit: `+1.5`."""
        text = self.bare(value)
        return f"+{text}" if any(digit in text for digit in "123456789") and not text.startswith("−") else text

    def gain(self, value: Any) -> str:
        """A difference: `+1.5 points`."""
        text = self.bare_gain(value)
        return text if text == DASH else text + (" points" if self.percent else f" {self.unit}" if self.unit else "")

    def interval(self, value: Any) -> str:
        """`[1.2, 5.0]`, or nothing where there is no interval."""
        found = estimate(value)
        if found is None or number(found.low) is None or number(found.high) is None:
            return ""
        return f"[{self.bare(found.low)}, {self.bare(found.high)}]"


def scale_for(metric: str, *, reference: Any = None, examples: int = 0, unit: str = "") -> Scale:
    """The scale of `metric`.

    Args:
        metric: Its name.
        reference: A typical value; fixes the digits of what is not a share.
        examples: Validation examples; shares get a second digit when these are many.
        unit: The target's own unit, if it has one.
    """
    percent = metric.startswith(SHARES)
    decimals = (2 if examples >= FINE else 1) if percent else _decimals(reference)
    return Scale(
        metric=metric,
        percent=percent,
        greater_is_better=metric not in ERRORS,
        decimals=decimals,
        unit=unit if metric in OWN_UNIT and unit not in STANDARD_UNITS else "",
    )


def _decimals(reference: Any) -> int:
    """Digits after the point that show four significant ones of `reference`."""
    plain = number(reference)
    if not plain:
        return 3
    return min(6, max(0, 3 - math.floor(math.log10(abs(plain)))))


def label(metric: str) -> str:
    """A metric's name for people: `f1_macro` is `macro F1`."""
    if metric in LABELS:
        return LABELS[metric]
    name, _, average = metric.rpartition("_")
    return f"{average} {label(name)}" if average in AVERAGES and name else metric.replace("_", " ")


def sentence(value: Any) -> str:
    """Text as a sentence: a capital at the start, a stop at the end.

    Example:
        >>> sentence("lower bound above zero")
        'Lower bound above zero.'
    """
    text = str(value or "").strip()
    text = text[:1].upper() + text[1:]
    return text + "." if text and text[-1] not in ".!?:" else text


def significant(value: Any, digits: int = 3) -> str:
    """`value` with `digits` significant digits, without exponents where that reads well."""
    plain = number(value)
    if plain is None:
        return DASH
    if plain != 0 and not 1e-4 <= abs(plain) < 1e7:
        return minus(f"{plain:.{digits - 1}e}")
    places = 0 if plain == 0 else max(0, digits - 1 - math.floor(math.log10(abs(plain))))
    text = f"{plain:,.{places}f}"
    return minus(text.rstrip("0").rstrip(".") if "." in text else text)


def count(value: Any) -> str:
    """A whole number with separators: `12,345`."""
    plain = number(value)
    return DASH if plain is None else minus(f"{round(plain):,}")


def short_count(value: Any) -> str:
    """A large count in three digits: `12.3 k`, `1.24 M`."""
    plain = number(value)
    if plain is None:
        return DASH
    for step, name in ((1e9, " G"), (1e6, " M"), (1e4, " k")):
        if abs(plain) >= step:
            return significant(plain / (1e3 if name == " k" else step)) + name
    return count(plain)


def bytes_text(value: Any) -> str:
    """A size in decimal units: `38.4 kB`."""
    plain = number(value)
    if plain is None:
        return DASH
    for step, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if abs(plain) >= step:
            return f"{significant(plain / step)} {name}"
    return f"{round(plain)} B"


def duration(value: Any) -> str:
    """Seconds as `0.42 s`, `12 s`, `3 min 20 s` or `1 h 05 min`."""
    plain = number(value)
    if plain is None:
        return DASH
    if 0 < plain < 0.01:
        return "< 0.01 s"
    if plain < 10:
        return f"{plain:.1f} s" if plain >= 1 else f"{significant(plain, 2)} s"
    whole = round(plain)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def opened(openings: Any) -> str:
    """How often the test set was opened; empty where that is not known.

    Example:
        >>> opened(1), opened(2)
        ('opened once', 'opened 2 times')
    """
    times = number(openings)
    return "" if times is None else "opened once" if times == 1 else f"opened {count(times)} times"


def milliseconds(value: Any) -> str:
    """A latency: `0.112 ms`."""
    plain = number(value)
    return DASH if plain is None else f"{significant(plain)} ms"


def ratio(value: Any) -> str:
    """A factor: `×1.24`."""
    plain = number(value)
    return DASH if plain is None else f"×{plain:.2f}"


def probability(value: Any) -> str:
    """A probability in two digits that never claims certainty."""
    plain = number(value)
    if plain is None:
        return DASH
    return "> 0.99" if plain > 0.99 else "< 0.01" if plain < 0.01 else f"{plain:.2f}"


def p_text(value: Any) -> str:
    """A p value with its sign of equality: `p = 0.004`."""
    plain = number(value)
    if plain is None:
        return ""
    return "p < 0.001" if plain < 0.001 else f"p = {plain:.3f}" if plain < 0.1 else f"p = {plain:.2f}"

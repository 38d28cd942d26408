"""Ranges of activations, gathered batch by batch: the memory needed does not grow with the number of rows.

Each tensor gets a histogram whose bins double in width whenever values fall outside. Bin edges are multiples of a
power of two, so the counts depend on the values alone and not on how they were divided into batches.

Source: ranges by squared error, Choukroun et al., "Low-bit Quantization of Neural Networks for Efficient Inference",
2019, arXiv:1902.06822; by percentile, Wu et al. 2020, arXiv:2004.09602.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from burnish.errors import UsageError
from burnish.exporting.runtime import session

if TYPE_CHECKING:
    from onnx import ModelProto

__all__ = ["METHODS", "Histogram", "Ranges", "activation_range", "collect", "outputs_of", "ranges_of"]

Array = np.ndarray
Ranges = dict[str, tuple[float, float]]
BINS = 2048
PERCENTILE = 0.9999
STEPS = 255
FINEST = 2.0**-100
SHRINK = np.linspace(1.0, 0.3, 29)
METHODS = ("minmax", "percentile", "squared error")


@dataclass(kw_only=True, eq=False)
class Histogram:
    """Counts of values seen so far, in at most `BINS` bins `[first + i, first + i + 1) * width`.

    Attributes:
        low: Smallest value.
        high: Largest value.
        width: Width of a bin, a power of two.
        first: Number of the first bin.
        counts: Values in each bin.
    """

    low: float = math.inf
    high: float = -math.inf
    width: float = 0.0
    first: int = 0
    counts: Array = field(default_factory=lambda: np.zeros(0, np.int64))

    def add(self, values: Array) -> None:
        """Count `values`.

        Raises:
            UsageError: one of them is not finite.
        """
        flat = np.asarray(values, dtype=np.float64).ravel()
        if not len(flat):
            return
        low, high = float(flat.min()), float(flat.max())
        if not (math.isfinite(low) and math.isfinite(high)):
            raise UsageError("an activation is not finite on the calibration rows, so it has no range to quantize to")
        self.low, self.high = min(self.low, low), max(self.high, high)
        self._widen()
        places = np.floor(flat / self.width).astype(np.int64) - self.first
        self.counts += np.bincount(places, minlength=len(self.counts))

    def _widen(self) -> None:
        """Choose the width and the first bin for the range seen so far, and move the counts there."""
        width = max(FINEST, self.width, 2.0 ** math.ceil(math.log2(max(abs(self.low), abs(self.high), FINEST)) - 24))
        while math.floor(self.high / width) - math.floor(self.low / width) >= BINS:
            width *= 2
        first, last = math.floor(self.low / width), math.floor(self.high / width)
        if (width, first, last - first + 1) == (self.width, self.first, len(self.counts)):
            return
        counts = np.zeros(last - first + 1, np.int64)
        if len(self.counts):
            numbers = np.arange(self.first, self.first + len(self.counts))
            np.add.at(counts, np.floor(numbers * (self.width / width)).astype(np.int64) - first, self.counts)
        self.width, self.first, self.counts = width, first, counts

    @property
    def centers(self) -> Array:
        """Middle of each bin."""
        return (self.first + np.arange(len(self.counts)) + 0.5) * self.width


def activation_range(histogram: Histogram, method: str = "minmax") -> tuple[float, float]:
    """The range to quantize a tensor to; zero always lies in it, since padding needs it.

    Args:
        histogram: What was seen.
        method: `minmax`; `percentile` leaves out the outermost ten-thousandth on both sides together;
            `squared error` is where rounding and clipping together cost least.

    Raises:
        ValueError: an unknown method.
    """
    if method not in METHODS:
        raise ValueError(f"unknown method {method!r}; one of {', '.join(METHODS)}")
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)
    if method == "minmax" or low == high:
        return low, high
    if method == "percentile":
        return _percentile(histogram, low, high)
    return _least_error(histogram, low, high)


def _percentile(histogram: Histogram, low: float, high: float) -> tuple[float, float]:
    shares = np.cumsum(histogram.counts) / histogram.counts.sum()
    rest = (1 - PERCENTILE) / 2
    first, last = np.searchsorted(shares, [rest, 1 - rest])
    edges = histogram.first * histogram.width + histogram.width * np.array([first, last + 1])
    return min(max(float(edges[0]), low), 0.0), max(min(float(edges[1]), high), 0.0)


def _least_error(histogram: Histogram, low: float, high: float) -> tuple[float, float]:
    """The pair of shrunken ends with the least expected squared error."""
    lows, highs = (SHRINK * low if low < 0 else np.zeros(1)), (SHRINK * high if high > 0 else np.zeros(1))
    x, weight = histogram.centers, histogram.counts / histogram.counts.sum()
    below = np.array([(weight * np.minimum(x - end, 0.0) ** 2).sum() for end in lows])
    above = np.array([(weight * np.maximum(x - end, 0.0) ** 2).sum() for end in highs])
    rounding = ((highs[None] - lows[:, None]) / STEPS) ** 2 / 12 * _inexact(histogram)
    i, j = np.unravel_index(np.argmin(below[:, None] + above[None] + rounding), rounding.shape)
    return float(lows[i]), float(highs[j])


def _inexact(histogram: Histogram) -> float:
    """Share of the values that are rounded at all: zero is always met, and half of what a ReLU gives is zero."""
    zero = -histogram.first
    at_zero = histogram.counts[zero] if 0 <= zero < len(histogram.counts) and histogram.low >= 0 else 0
    return float(1 - at_zero / histogram.counts.sum())


def collect(model: "ModelProto", batches: Iterator[Array]) -> dict[str, Histogram]:
    """Histograms of all floating-point activations of `model`, its input among them, over `batches`.

    Only one batch of activations is held at a time.

    Raises:
        UsageError: an activation is not finite.
    """
    given = model.graph.input[0].name
    augmented, names = _with_all_outputs(model)
    opened = session(augmented.SerializeToString())
    found: dict[str, Histogram] = {name: Histogram() for name in names}
    kind = np.int64 if opened.get_inputs()[0].type == "tensor(int64)" else np.float32
    if kind is np.float32:
        found[given] = Histogram()
    for batch in batches:
        rows = np.ascontiguousarray(batch, dtype=kind)
        if given in found:
            found[given].add(rows)
        for name, values in zip(names, opened.run(names, {given: rows}), strict=True):
            found[name].add(values)
    return found


def outputs_of(model: "ModelProto", rows: Array, names: Sequence[str]) -> dict[str, Array]:
    """What `model` computes at the floating-point tensors `names` that it has, its input not among them."""
    augmented, known = _with_all_outputs(model)
    wanted = [name for name in names if name in known]
    opened = session(augmented.SerializeToString())
    kind = np.int64 if opened.get_inputs()[0].type == "tensor(int64)" else np.float32
    given = {opened.get_inputs()[0].name: np.ascontiguousarray(rows, dtype=kind)}
    return dict(zip(wanted, opened.run(wanted, given), strict=True)) if wanted else {}


def ranges_of(histograms: Mapping[str, Histogram], method: str) -> Ranges:
    """The range of each tensor that was seen."""
    return {name: activation_range(h, method) for name, h in histograms.items() if len(h.counts)}


def _with_all_outputs(model: "ModelProto") -> "tuple[ModelProto, list[str]]":
    """A copy that gives every floating-point value it computes, and their names."""
    from onnx import ModelProto, TensorProto, helper, shape_inference

    inferred = shape_inference.infer_shapes(model)
    types = {v.name: v.type.tensor_type.elem_type for v in (*inferred.graph.value_info, *inferred.graph.output)}
    computed = [name for node in model.graph.node for name in node.output if name]
    names = [name for name in computed if types.get(name) == TensorProto.FLOAT]
    copied = ModelProto()
    copied.CopyFrom(model)
    del copied.graph.output[:]
    copied.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    return copied, names

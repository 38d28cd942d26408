import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from burnish.compression.conversion import prepared
from burnish.compression.ranges import BINS, METHODS, Histogram, activation_range, collect
from burnish.errors import UsageError
from burnish.exporting.onnx import export_onnx

numbers = st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=60)


def histogram_of(*batches):
    found = Histogram()
    for batch in batches:
        found.add(np.array(batch, np.float32))
    return found


@given(st.lists(numbers, min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_batches_do_not_matter(batches):
    together, apart = histogram_of(sum(batches, [])), histogram_of(*batches)
    assert (together.width, together.first) == (apart.width, apart.first)
    np.testing.assert_array_equal(together.counts, apart.counts)
    edges = (apart.first + np.arange(len(apart.counts) + 1)) * apart.width
    expected = np.histogram(np.array(sum(batches, []), np.float32).astype(np.float64), bins=edges)[0]
    np.testing.assert_array_equal(apart.counts, expected)
    assert len(apart.counts) <= BINS


@given(numbers, st.sampled_from(METHODS))
@settings(max_examples=60, deadline=None)
def test_zero_lies_in_every_range_and_no_range_exceeds_the_values(values, method):
    low, high = activation_range(histogram_of(values), method)
    assert min(*values, 0) - 1e-6 <= low <= 0 <= high <= max(*values, 0) + 1e-6


def quantization_error(x, low, high):
    scale = (high - low) / 255
    zero = np.round(-low / scale)
    return ((np.clip(np.round(x / scale) + zero, 0, 255) - zero) * scale - x).astype(np.float64)


def test_outliers_are_clipped_where_that_pays():
    generator = np.random.default_rng(0)
    x = np.concatenate([generator.standard_normal(20_000), [12.0, -30.0]])
    ranges = {method: activation_range(histogram_of(x), method) for method in METHODS}
    assert ranges["minmax"] == (-30.0, 12.0)
    bulk = np.abs(x) < 5
    errors = {m: (quantization_error(x, *r) ** 2).mean() for m, r in ranges.items()}
    rounding = {m: (quantization_error(x, *r)[bulk] ** 2).mean() for m, r in ranges.items()}
    assert rounding["percentile"] < rounding["minmax"] / 4
    assert errors["squared error"] < errors["minmax"]
    low, high = np.quantile(x, [0.00005, 0.99995])
    assert ranges["percentile"] == pytest.approx((low, high), abs=0.1)


def test_least_error_is_the_least_of_all_ranges_tried_by_hand():
    x = np.maximum(np.random.default_rng(1).laplace(size=20_000), 0).astype(np.float32)
    low, high = activation_range(histogram_of(x), "squared error")
    assert low == 0
    chosen = (quantization_error(x, 0, high) ** 2).mean()
    others = [(quantization_error(x, 0, share * x.max()) ** 2).mean() for share in np.linspace(0.35, 1, 14)]
    assert chosen < 1.05 * min(others)


def test_every_activation_is_seen_with_its_own_range(tmp_path):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 2)).eval()
    rows = torch.randn(40, 3, 8, 8)
    export_onnx(net, rows, tmp_path / "n.onnx")
    model = prepared(tmp_path / "n.onnx")
    found = collect(model, iter(rows.split(7)))
    relu = next(node for node in model.graph.node if node.op_type == "Relu")
    with torch.no_grad():
        hidden = net[:3](rows).numpy()
        before = net[:2](rows).numpy()
    assert found[relu.output[0]].high == pytest.approx(hidden.max(), rel=1e-5)
    assert found[relu.input[0]].low == pytest.approx(before.min(), rel=1e-5)
    assert found["input"].counts.sum() == rows.numel()
    assert found["output"].counts.sum() == 80
    assert len(onnx.load(tmp_path / "n.onnx").graph.output) == 1


def test_values_without_a_range_are_refused():
    with pytest.raises(UsageError, match="finite"):
        histogram_of([1.0, float("nan")])
    with pytest.raises(ValueError, match="unknown method"):
        activation_range(histogram_of([1.0]), "entropy")

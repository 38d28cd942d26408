import contextlib
import os
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np
import pytest
from exporting_networks import inputs, network

from burnish.errors import UsageError
from burnish.exporting.latency import Latency, latency, quantile, ratio
from burnish.exporting.onnx import export_onnx
from burnish.exporting.runtime import example_inputs, run, session
from burnish.records import Estimate


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for kind in ("mlp", "lstm"):
        export_onnx(network(kind), inputs(kind), folder / f"{kind}.onnx")
    return folder


def test_batches_do_not_change_outputs(models):
    rows = inputs("mlp", 11).numpy()
    whole = run(models / "mlp.onnx", rows)
    assert whole.shape == (11, 1)
    assert whole.dtype == np.float32
    np.testing.assert_allclose(run(session(models / "mlp.onnx"), rows, batch=3), whole, atol=1e-6)


def test_stored_tokens_are_taken_as_they_are(models):
    tokens = inputs("lstm", 4).numpy()
    np.testing.assert_array_equal(run(models / "lstm.onnx", tokens.astype(np.int32)), run(models / "lstm.onnx", tokens))


def test_made_up_inputs_fit(models):
    assert example_inputs(models / "lstm.onnx", 3).dtype == np.int64
    made = example_inputs(models / "mlp.onnx", 3)
    assert made.shape == (3, 6)
    np.testing.assert_array_equal(made, example_inputs(models / "mlp.onnx", 3))


def test_what_does_not_fit_is_named(models, tmp_path):
    with pytest.raises(UsageError, match="no file"):
        run(tmp_path / "none.onnx", np.zeros((1, 6)))
    (tmp_path / "bad.onnx").write_bytes(b"not a model")
    with pytest.raises(UsageError, match="cannot load"):
        session(tmp_path / "bad.onnx")
    for shape in ((2, 7), (2, 6, 1), (0, 6)):
        with pytest.raises(UsageError, match="the model takes"):
            run(models / "mlp.onnx", np.zeros(shape))


def test_latency_covers_models_and_batches_in_equal_rounds(models):
    kinds = {kind: models / f"{kind}.onnx" for kind in ("mlp", "lstm")}
    rows = {"mlp": inputs("mlp").numpy(), "lstm": inputs("lstm").numpy()}
    both = latency({"a": kinds["mlp"], "b": kinds["mlp"]}, rows["mlp"], repeats=40, batches=(1, 4))
    assert set(both) == {"a", "b"}
    assert set(both["a"]) == {1, 4}
    first, second = both["a"][1], both["b"][1]
    assert len(first.samples) == len(second.samples) == 40
    assert first.p50.unit == "ms"
    assert 0 < first.p50.low <= first.p50.value <= first.p50.high
    assert first.p50.value <= first.p99.value
    assert ratio(first, second).unit == "ratio"
    assert latency({"l": kinds["lstm"]}, repeats=20, batches=(1,))["l"][1].p50.value > 0


def test_latency_says_what_is_wrong(models, tmp_path):
    with pytest.raises(UsageError, match="no model"):
        latency({})
    with pytest.raises(UsageError, match="no file"):
        latency({"a": models / "mlp.onnx", "x": tmp_path / "none.onnx"}, inputs("mlp").numpy(), repeats=2)


def test_quantiles_by_hand():
    samples = np.arange(1.0, 102.0)[::-1]
    assert quantile(samples, 0.5).value == 51
    assert quantile(samples, 0.99).high is None  # 101 values say nothing about an upper bound of the 99th percentile
    assert quantile(np.arange(2000.0), 0.99).high is not None


def test_interval_of_the_median_covers_as_promised():
    generator = np.random.default_rng(0)
    drawn = [quantile(generator.exponential(size=60), 0.5) for _ in range(600)]
    covered = np.mean([e.low <= np.log(2) <= e.high for e in drawn])
    assert 0.93 <= covered <= 0.99


def test_ratio_is_paired():
    flat = Estimate(value=1.0, unit="ms")
    slow = Latency(p50=flat, p95=flat, p99=flat, samples=tuple(np.linspace(1, 9, 50)))
    fast = Latency(p50=flat, p95=flat, p99=flat, samples=tuple(np.linspace(0.5, 4.5, 50)))
    assert ratio(slow, fast).value == pytest.approx(0.5)
    assert ratio(slow, fast).high == pytest.approx(0.5)
    with pytest.raises(UsageError, match="rounds"):
        ratio(slow, Latency(p50=flat, p95=flat, p99=flat, samples=(1.0,)))


def test_serving_does_not_need_torch():
    import subprocess

    code = (
        "import sys, burnish.exporting.package, burnish.exporting.runtime, burnish.exporting.latency, "
        "burnish.exporting.latency_process; assert 'torch' not in sys.modules, 'torch'"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks for processes in /proc")
def test_the_timing_process_ends_when_the_one_that_asked_is_killed(models):
    asks = "latency({'m': sys.argv[1]}, repeats=10**7, seconds=60)"
    code = "import sys; from burnish.exporting.latency import latency; " + asks
    mark = uuid.uuid4().hex
    environment = os.environ | {"BURNISH_TEST_MARK": mark}
    asking = subprocess.Popen([sys.executable, "-c", code, str(models / "mlp.onnx")], env=environment)
    wait_until(lambda: len(marked(mark)) == 2)
    asking.kill()
    asking.wait()
    wait_until(lambda: not marked(mark))
    assert asking.returncode == -9


def marked(mark):
    """Processes with `mark` in their environment."""
    found = []
    for file in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            found += [file] if mark.encode() in file.read_bytes() else []
    return found


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)

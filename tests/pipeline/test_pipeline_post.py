"""Techniques that are carried out after training, as part of a run."""

import numpy as np
import pytest

import burnish as bu
from burnish.errors import Conflict
from burnish.exporting.runtime import run as run_onnx
from burnish.ledger import Ledger
from burnish.pipeline.post import QUANTIZED
from burnish.plan import Plan
from burnish.techniques import Distill, Prune, Quantize


@pytest.fixture(scope="module")
def plan():
    return Plan(model="cnn", data=bu.load("digits", seed=0), epochs=2, batch_size=64)


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("technique", [Prune(ratio=0.5), Distill(narrow=0.5)])
def test_a_smaller_network_is_what_is_measured_and_kept(plan, technique, tmp_path):
    runs = bu.train(plan.then(technique), seeds=[0], out=tmp_path)
    run, whole = runs[0], plan.build(0)
    assert run.status == "done"
    assert parameters(runs.model(0)) < 0.5 * parameters(whole)
    assert run.cost.parameters == parameters(runs.model(0))
    assert run.detail["proof"].startswith("exact")


def test_quantize_is_measured_as_the_file(plan, tmp_path):
    runs = bu.train(plan.then(Prune(ratio=0.5), Quantize()), seeds=[0], out=tmp_path)
    run, data = runs[0], plan.data.replicate(0)
    ledger = Ledger(tmp_path)
    outputs = run_onnx(ledger.run_directory(run.id) / QUANTIZED, data.preparation.network_input(data.validation.inputs))
    np.testing.assert_allclose(ledger.arrays(run.id)["outputs"], outputs, atol=1e-5)
    assert run.score == pytest.approx((outputs.argmax(1) == data.validation.targets).mean())
    assert run.detail["quantized"]["bytes"] < run.detail["quantized"]["float_bytes"]


def test_what_has_nothing_to_cut_says_so(tmp_path):
    data = bu.load("digits", seed=0)
    linear = Plan(model=_linear, data=data, epochs=1).then(Prune())
    run = bu.train(linear, seeds=[0], out=tmp_path)[0]
    assert run.status == "not applicable"
    assert "no channels can be removed" in run.error


def _linear(inputs, outputs):
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(int(np.prod(inputs)), outputs))


def test_a_student_is_not_pruned_too(plan):
    with pytest.raises(Conflict):
        plan.then(Prune(), Distill())

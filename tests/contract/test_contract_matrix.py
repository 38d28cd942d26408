"""Every technique, on every kind of task and inputs, through everything a network goes through.

One cell of each technique runs by default; `make contract` runs all of them. A cell is a tiny training of two epochs
of a few steps. Known exceptions are in `contract_cases.EXCEPTIONS`, with their reasons.
"""

import copy
import shutil
from dataclasses import replace
from functools import cache

import contract_ranks
import numpy as np
import pytest
import torch
from contract_cases import CASES, EXCEPTIONS, NAMES, applied
from contract_ranks import KINDS, tiny

from burnish.data.tensors import network_tensor
from burnish.execution import Job
from burnish.execution.ranks import Ranks
from burnish.exporting.onnx import export_onnx
from burnish.exporting.safetensors import load_weights, save_weights
from burnish.training import fit

CHECKS = ("resume", "deepcopy", "batch of one", "export", "state", "bf16")


def cells():
    """All cells; of each technique one, not the same check for all, has no mark and so runs by default."""
    for place, name in enumerate(NAMES):
        fitting = [kind for kind in KINDS if declared(name, kind)]
        default = (fitting[place % len(fitting)], CHECKS[place % len(CHECKS)])
        for kind in fitting:
            for check in CHECKS:
                marks = () if (kind, check) == default else (pytest.mark.contract,)
                yield pytest.param(name, kind, check, marks=marks, id=f"{name}-{kind}-{check}".replace(" ", "_"))


def declared(name, kind):
    technique, (modality, task) = type(CASES[name].technique), kind.split()
    return modality in technique.modalities and task in technique.tasks


def own_network(name, kind):
    """Whether the technique is tried on a network of its own: `branched`, which is for images in ten classes."""
    return CASES[name].model is not None and kind == "image classification"


@cache
def trained(name, kind):
    """The plan with the technique, and its training; or why it does not apply there."""
    case = CASES[name]
    plan = applied(case.on(tiny(kind)) if own_network(name, kind) else tiny(kind), case.technique)
    return plan if isinstance(plan, str) else (plan, fit(plan, seed=3, device="cpu"))


def same(first, second):
    one, other = first.state_dict(), second.state_dict()
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def inputs_of(plan, count=4):
    return network_tensor(plan.data.preparation, plan.data.validation.inputs[:count])


def resume(plan, fitted, folder):
    """Killed after its first epoch, a training goes on to the same bits."""
    live = folder / "live.pt"

    def keep(line):
        if line["epoch"] == 2:  # what was written after the first epoch is still there
            shutil.copy(live, folder / "kept.pt")

    fit(plan, seed=3, device="cpu", checkpoint=live, on_epoch=keep)
    assert same(fit(plan, seed=3, device="cpu", checkpoint=folder / "kept.pt").model, fitted.model)


def deepcopied(plan, fitted, folder):
    twin, x = copy.deepcopy(fitted.model), inputs_of(plan)
    with torch.inference_mode():
        before = fitted.model(x)
        assert torch.equal(twin(x), before)
        for parameter in twin.parameters():
            parameter.zero_()
        assert torch.equal(fitted.model(x), before)


def batch_of_one(plan, fitted, folder):
    """One example alone is told what it is told among others."""
    x = inputs_of(plan)
    with torch.inference_mode():
        torch.testing.assert_close(fitted.model(x[:1]), fitted.model(x)[:1], atol=1e-5, rtol=1e-4)


def exported(plan, fitted, folder):
    result = export_onnx(fitted.model, inputs_of(plan), folder / "model.onnx")
    assert result.max_abs_difference < 1e-3


def state(plan, fitted, folder):
    save_weights(fitted.model, folder / "weights.safetensors")
    assert same(load_weights(plan.build(9), folder / "weights.safetensors"), fitted.model)


def bf16(plan, fitted, folder):
    """Forward passes in bfloat16: weights stay float32 and finite, and training is another one but no worse by far."""
    low = fit(replace(plan, precision="bf16"), seed=3, device="cpu")
    assert low.status == "done"
    assert all(t.dtype == torch.float32 for t in low.model.state_dict().values() if t.is_floating_point())
    assert low.epoch_outputs.dtype == np.float32
    first, second = (curve.curves[-1]["train_loss"] for curve in (fitted, low))
    assert abs(second - first) < 0.1 * abs(first) + 0.1
    assert not same(low.model, fitted.model)


STEPS = dict(zip(CHECKS, (resume, deepcopied, batch_of_one, exported, state, bf16), strict=True))


@pytest.mark.parametrize(("name", "kind", "check"), cells())
def test_cell(name, kind, check, tmp_path):
    exception = EXCEPTIONS.get((name, check))
    found = trained(name, kind)
    if isinstance(found, str):
        assert len(found) > 20
        pytest.skip(f"does not apply: {found}")
    if exception:
        pytest.skip(f"a known exception: {exception}")
    STEPS[check](*found, tmp_path)


def test_exceptions_are_of_techniques_and_checks_that_exist():
    assert {name for name, _ in EXCEPTIONS} <= set(NAMES)
    assert {check for _, check in EXCEPTIONS} <= {*CHECKS, "ranks"}
    assert all(len(reason) > 20 for reason in EXCEPTIONS.values())


@pytest.mark.contract
def test_two_gloo_ranks_train_every_technique_as_one_does():
    """But for rounding, and for dropout and batch statistics, which each rank has of its own rows."""
    jobs = [
        Job(
            id=f"{name}-{kind}",
            payload={"kind": kind, "technique": CASES[name].text, "branched": own_network(name, kind)},
        )
        for name in NAMES
        for kind in KINDS
        if declared(name, kind) and (name, "ranks") not in EXCEPTIONS and not isinstance(trained(name, kind), str)
    ]
    with Ranks(target="contract_ranks:train", shared={}, sent={}, count=2) as ranks:
        found = dict(ranks.run(jobs))
    errors = {key: result["error"] for key, result in found.items() if "error" in result}
    assert errors == {}
    for job in jobs:
        result, (_, alone) = found[job.id], trained(*job.id.split("-", 1))
        assert result["status"] == alone.status
        if not contract_ranks.draws_alone(alone.model):
            losses = [line["train_loss"] for line in alone.curves]
            assert np.allclose(result["losses"], losses, rtol=5e-3, atol=5e-4), job.id

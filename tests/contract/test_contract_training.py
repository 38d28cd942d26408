"""What every technique does to a training: deterministic, learning, neutral at no strength, and kept."""

import pytest
import torch
from contract_cases import AFTERWARDS, CASES, HERE, NO_NEUTRAL

from burnish.data.tensors import network_tensor
from burnish.exporting.safetensors import load_weights, save_weights
from burnish.techniques import CATALOGUE
from burnish.training import fit


def same(a, b):
    first, second = a.model.state_dict(), b.model.state_dict()
    return first.keys() == second.keys() and all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", HERE)
def test_same_seed_same_network_and_another_seed_another(name, plan, trained):
    changed = CASES[name].on(plan).then(CASES[name].technique)
    assert same(trained(name, CASES[name].text), fit(changed, seed=0, device="cpu"))
    assert not same(trained(name, CASES[name].text), fit(changed, seed=1, device="cpu"))


@pytest.mark.parametrize("name", HERE)
def test_it_changes_the_training_and_the_network_still_learns(name, trained):
    plain, changed = trained(name), trained(name, CASES[name].text)
    assert changed.status == "done"
    assert changed.curves[-1]["train_loss"] < changed.curves[0]["train_loss"]
    assert changed.curves[-1]["accuracy"] > 0.2
    if name in AFTERWARDS or CATALOGUE[name].kind == "post":
        assert same(plain, changed)  # carried out afterwards
    elif name != "EarlyStopping":  # both of its two epochs may be improvements
        assert not same(plain, changed)


@pytest.mark.parametrize("name", sorted(set(HERE) - set(NO_NEUTRAL)))
def test_neutral_strength_is_a_no_op_to_the_bit(name, trained):
    assert same(trained(name), trained(name, CASES[name].neutral))


@pytest.mark.parametrize("name", HERE)
def test_trained_weights_survive_saving_and_loading(name, plan, trained, tmp_path):
    fitted = trained(name, CASES[name].text)
    save_weights(fitted.model, tmp_path / "model.safetensors")
    again = load_weights(
        CASES[name].on(plan).then(CASES[name].technique).build(5), tmp_path / "model.safetensors"
    ).eval()
    x = network_tensor(plan.data.preparation, plan.data.validation.inputs[:8])
    with torch.inference_mode():
        assert torch.equal(again(x), fitted.model(x))

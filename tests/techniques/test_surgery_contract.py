"""What all surgery promises on every user's network: the given one untouched, a copy that behaves like a network."""

import copy

import pytest
import torch
from surgery_networks import NETWORKS, make

from burnish.errors import NotApplicable
from burnish.model.surgery import Probe
from burnish.techniques.activation import with_activation
from burnish.techniques.batch_norm import with_batch_norm
from burnish.techniques.dropout import with_dropout
from burnish.techniques.group_norm import with_group_norm
from burnish.techniques.residual import with_residual
from burnish.techniques.squeeze_excite import with_squeeze_excite
from burnish.techniques.stochastic_depth import with_stochastic_depth

EDITS = {
    "batch": with_batch_norm,
    "group": with_group_norm,
    "dropout": with_dropout,
    "activation": with_activation,
    "residual": with_residual,
    "squeeze": with_squeeze_excite,
    "depth": with_stochastic_depth,
}
WITH_MAPS = {"plain root", "CIFAR tutorial", "residual", "residual with norm", "separable", "volumes", "series"}
WITH_BRANCHES = {"residual", "residual with norm", "transformer"}
NOT_TO_LEAD_PAST = {"residual", "residual with norm", "transformer", "branching", "volumes", "series"}
NEW_WEIGHTS = ("residual", "squeeze")  # drawn as those of any new layer
NOTHING_TO_DO = {
    ("transformer", "batch"),
    ("transformer", "group"),
    ("functional dropout", "dropout"),
    ("own recurrent", "activation"),
    ("series", "activation"),
    *((network, "squeeze") for network in set(NETWORKS) - WITH_MAPS),
    *((network, "depth") for network in set(NETWORKS) - WITH_BRANCHES),
    *((network, "residual") for network in NOT_TO_LEAD_PAST),
}
CASES = [(network, edit) for network in NETWORKS for edit in EDITS if (network, edit) not in NOTHING_TO_DO]


def edited(network, edit, **kwargs):
    model, inputs = make(network)
    return model, inputs, EDITS[edit](model, probe=Probe(inputs=inputs, **kwargs))


def snapshot(model):
    state = {name: value.clone() for name, value in model.state_dict().items()}
    return state, str(model), [(name, module.training, type(module)) for name, module in model.named_modules()]


@pytest.mark.parametrize(("network", "edit"), CASES)
def test_the_given_network_stays_as_it_was_to_the_bit(network, edit):
    model, inputs = make(network)
    model.train()
    state, text, modules = snapshot(model)
    hooks = [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()]
    random = torch.get_rng_state()
    EDITS[edit](model, probe=Probe(inputs=inputs, trained=edit in ("batch", "group", "residual")))
    after, text_after, modules_after = snapshot(model)
    assert text == text_after
    assert modules == modules_after
    assert all(torch.equal(state[name], after[name]) for name in state)
    assert hooks == [len(m._forward_hooks) + len(m._forward_pre_hooks) for m in model.modules()] == [0] * len(hooks)
    assert edit in NEW_WEIGHTS or torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize(("network", "edit"), CASES)
def test_the_copy_shares_no_memory_and_differs(network, edit):
    model, _, changed = edited(network, edit)
    mine = {t.data_ptr() for t in (*model.parameters(), *model.buffers())}
    assert not mine & {t.data_ptr() for t in (*changed.parameters(), *changed.buffers())}
    assert str(changed) != str(model) or edit == "activation"


@pytest.mark.parametrize(("network", "edit"), CASES)
def test_the_copy_can_be_copied_saved_and_rebuilt(network, edit):
    model, inputs, changed = edited(network, edit)
    with torch.no_grad():
        for parameter in changed.parameters():
            parameter.mul_(1.1)
    expected = changed.eval()(inputs)
    assert torch.equal(copy.deepcopy(changed)(inputs), expected)
    again = EDITS[edit](make(network)[0], probe=Probe(inputs=inputs)).eval()
    again.load_state_dict(changed.state_dict())
    assert torch.equal(again(inputs), expected)


@pytest.mark.parametrize(("network", "edit"), CASES)
def test_the_copy_trains_every_parameter_and_takes_other_batch_sizes(network, edit):
    model, inputs, changed = edited(network, edit)
    changed.train()
    changed(inputs).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in changed.parameters())
    assert changed.eval()(inputs[:3]).shape == model(inputs[:3]).shape


@pytest.mark.parametrize(("network", "edit"), CASES)
def test_the_mode_is_kept(network, edit):
    for training in (True, False):
        model, inputs = make(network)
        changed = EDITS[edit](model.train(training), probe=Probe(inputs=inputs))
        assert {m.training for m in changed.modules()} == {training}


@pytest.mark.parametrize(("network", "edit"), sorted(NOTHING_TO_DO))
def test_nothing_to_do_is_said(network, edit):
    model, inputs = make(network)
    if edit == "activation" and network == "series":  # gelu already
        with pytest.raises(NotApplicable, match="are gelu already"):
            EDITS[edit](model, probe=Probe(inputs=inputs))
    else:
        with pytest.raises(NotApplicable):
            EDITS[edit](model, probe=Probe(inputs=inputs))


def test_tied_weights_stay_tied():
    for edit in [edit for network, edit in CASES if network == "tied"]:
        _, _, changed = edited("tied", edit)
        assert changed.again.weight is changed.encoder.weight
        assert len({id(p) for p in changed.parameters()}) == len(list(changed.parameters()))


def test_edits_stack_in_any_order():
    for order in (("batch", "dropout", "activation"), ("activation", "dropout", "batch"), ("dropout", "group")):
        model, inputs = make("CIFAR tutorial")
        for edit in order:
            model = EDITS[edit](model, probe=Probe(inputs=inputs))
        kinds = [type(m).__name__ for m in model.modules()]
        assert kinds.count("Dropout") == 3
        assert kinds.count("Dropout2d") == 1
        assert kinds.count("BatchNorm2d") + kinds.count("GroupNorm") >= 2
        assert model.eval()(inputs).shape == (8, 10)

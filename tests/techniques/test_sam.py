"""SAM against the two steps written out, and what it must leave alone."""

import copy

import pytest
import torch
from torch import nn

from burnish.techniques.sam import SharpnessAware, sharpness_aware


def closure_of(model, optimizer, x, y):
    def closure():
        optimizer.zero_grad()
        loss = (model(x) - y).square().mean()
        loss.backward()
        return loss

    return closure


def batch(size=16):
    generator = torch.Generator().manual_seed(0)
    return torch.randn(size, 3, generator=generator), torch.randn(size, 1, generator=generator)


def net(*middle):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(3, 4), *middle, nn.Linear(4, 1))


def test_a_step_on_a_parabola_by_hand():
    weight = nn.Parameter(torch.tensor([3.0, 4.0]))
    holder = nn.ParameterList([weight])
    optimizer = sharpness_aware(torch.optim.SGD([weight], lr=0.1), holder, rho=0.5)

    def closure():
        optimizer.zero_grad()
        loss = 0.5 * (weight**2).sum()
        loss.backward()
        return loss

    # gradient (3, 4) of length 5: the climb is 0.5 * (0.6, 0.8), the gradient there (3.3, 4.4)
    assert float(optimizer.step(closure)) == pytest.approx(12.5)
    assert weight.tolist() == pytest.approx([3 - 0.33, 4 - 0.44])


def test_steps_equal_the_algorithm_written_out():
    x, y = batch()
    model, twin = net(nn.Tanh()), net(nn.Tanh())
    optimizer = sharpness_aware(torch.optim.AdamW(model.parameters(), lr=0.01), model, rho=0.1)
    plain = torch.optim.AdamW(twin.parameters(), lr=0.01)
    for _ in range(5):
        optimizer.step(closure_of(model, optimizer, x, y))
        closure_of(twin, plain, x, y)()
        kept = copy.deepcopy(twin.state_dict())
        length = torch.sqrt(sum((p.grad**2).sum() for p in twin.parameters()))
        with torch.no_grad():
            for p in twin.parameters():
                p += 0.1 * p.grad / (length + 1e-12)
        closure_of(twin, plain, x, y)()
        twin.load_state_dict(kept)
        plain.step()
    for mine, theirs in zip(model.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine, theirs)


def test_running_statistics_move_once_per_step():
    x, y = batch()
    model = net(nn.BatchNorm1d(4))
    twin = copy.deepcopy(model)
    optimizer = sharpness_aware(torch.optim.SGD(model.parameters(), lr=0.1), model, rho=0.5)
    optimizer.step(closure_of(model, optimizer, x, y))
    twin(x)
    for name, value in twin.named_buffers():
        assert torch.equal(dict(model.named_buffers())[name], value), name


def test_both_passes_drop_the_same_units_and_later_draws_are_those_of_plain_training():
    x, y = batch()
    model = net(nn.Dropout(0.5))
    seen = []
    model[1].register_forward_hook(lambda module, args, out: seen.append(out == 0))
    optimizer = sharpness_aware(torch.optim.SGD(model.parameters(), lr=0.1), model, rho=0.01)
    torch.manual_seed(5)
    optimizer.step(closure_of(model, optimizer, x, y))
    after = torch.rand(1)
    assert torch.equal(seen[0], seen[1])
    torch.manual_seed(5)
    nn.Dropout(0.5)(torch.ones(16, 4))
    assert torch.equal(torch.rand(1), after)


def test_frozen_and_unused_parameters_stay():
    x, y = batch()
    model = net()
    model.unused = nn.Parameter(torch.ones(2))
    model[0].weight.requires_grad_(False)
    kept = model[0].weight.clone()

    def forward(inputs):
        return model[1](model[0](inputs))

    optimizer = sharpness_aware(torch.optim.SGD(model.parameters(), lr=0.1), model, rho=0.5)
    before = model[1].weight.clone()
    optimizer.step(closure_of(forward, optimizer, x, y))
    assert torch.equal(model[0].weight, kept)
    assert torch.equal(model.unused, torch.ones(2))
    assert not torch.equal(model[1].weight, before)


def test_a_zero_gradient_does_no_harm():
    weight = nn.Parameter(torch.zeros(2))
    holder = nn.ParameterList([weight])
    optimizer = sharpness_aware(torch.optim.SGD([weight], lr=0.1), holder, rho=0.5)

    def closure():
        optimizer.zero_grad()
        loss = (weight**2).sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert weight.tolist() == [0, 0]


def test_rates_and_state_are_those_of_the_wrapped_optimizer():
    x, y = batch()
    model = net()
    inner = torch.optim.AdamW(model.parameters(), lr=0.1)
    optimizer = sharpness_aware(inner, model, rho=0.1)
    assert isinstance(optimizer, SharpnessAware)
    optimizer.param_groups[0]["lr"] = 0.0
    before = [p.clone() for p in model.parameters()]
    optimizer.step(closure_of(model, optimizer, x, y))
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    fresh = sharpness_aware(torch.optim.AdamW(model.parameters(), lr=1.0), model, rho=0.1)
    fresh.load_state_dict(optimizer.state_dict())
    assert fresh.param_groups[0]["lr"] == 0.0
    assert len(fresh.state) == len(inner.state)


def test_no_climb_is_the_plain_optimizer_and_a_negative_one_is_refused():
    model = net()
    inner = torch.optim.SGD(model.parameters(), lr=0.1)
    assert sharpness_aware(inner, model, rho=0) is inner
    with pytest.raises(ValueError, match="rho"):
        sharpness_aware(inner, model, rho=-1)

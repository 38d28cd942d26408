"""Gradients of layers that oneDNN computes wrongly, or dies of."""

import copy
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.nn import functional

import burnish
from burnish.model import backward as module
from burnish.model.backward import backward, sound_group_norms
from burnish.training import fit


def enabled():
    return torch._C._get_mkldnn_enabled()


class Spy(torch.autograd.Function):
    """Notes whether oneDNN is enabled while gradients are computed."""

    seen: list = []

    @staticmethod
    def forward(ctx, x):
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        Spy.seen.append(enabled())
        return gradient


def seen_with(network, channels):
    """Whether oneDNN was enabled in the backward pass of `network`."""
    Spy.seen.clear()
    backward(Spy.apply(network(torch.randn(2, channels, 8, 8)).sum()), network)
    return Spy.seen[0]


@pytest.mark.parametrize("channels", [1, 4, 7, 15])
@pytest.mark.parametrize("stride", [2, (1, 2)])
def test_gradients_of_strided_convolutions_of_size_one_are_right(channels, stride):
    torch.manual_seed(0)
    conv = nn.Conv2d(channels, 16, 1, stride=stride, bias=False).to(memory_format=torch.channels_last)
    other = copy.deepcopy(conv).double()  # oneDNN has no kernels for it
    x = torch.randn(12, channels, 8, 8).to(memory_format=torch.channels_last)
    backward(conv(x).square().mean(), conv)
    other(x.double()).square().mean().backward()
    torch.testing.assert_close(conv.weight.grad.double(), other.weight.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Conv2d(4, 8, 1, stride=2), False),
        (nn.Conv2d(32, 32, 1, stride=2, groups=4), False),
        (nn.Conv2d(16, 8, 1, stride=2), True),
        (nn.Conv2d(4, 8, 1), True),
        (nn.Conv2d(4, 8, 3, stride=2), True),
    ],
)
def test_only_networks_with_such_layers_go_without_onednn(layer, expected):
    before = enabled()
    assert seen_with(nn.Sequential(layer, nn.ReLU()), layer.in_channels) is (before and expected)
    assert enabled() is before


def test_onednn_is_back_after_a_pass_that_failed():
    before, conv = enabled(), nn.Conv2d(4, 8, 1, stride=2)
    with pytest.raises(RuntimeError, match="does not require grad"):
        backward(conv(torch.zeros(1, 4, 4, 4)).sum().detach(), conv)
    assert enabled() is before


def test_no_other_file_starts_a_backward_pass():
    here = Path(module.__file__)
    code = [f for f in Path(burnish.__file__).parent.rglob("*.py") if f != here]
    lines = [(f.name, line) for f in code for line in f.read_text().splitlines() if ".backward()" in line]
    assert [name for name, line in lines if not line.lstrip().startswith((">>>", "..."))] == []


class Called(nn.Module):
    """A group norm that no module shows."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.rand(4) + 0.5)

    def forward(self, x):
        return functional.group_norm(x, 2, self.weight)


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4), Called()], ids=["module", "function"])
def test_gradients_of_group_norms_on_pictures_are_right(norm):
    """Without the context torch 2.13 dies of this, so it cannot be shown here."""
    x = torch.randn(3, 4, 5, 5, generator=torch.Generator().manual_seed(0))
    norm(x.requires_grad_()).square().sum().backward()
    expected, before = norm.weight.grad.clone(), functional.group_norm
    norm.zero_grad()
    with sound_group_norms():
        backward(norm(x.detach().to(memory_format=torch.channels_last)).square().sum(), norm)
    torch.testing.assert_close(norm.weight.grad, expected)
    assert functional.group_norm is before


def test_a_network_that_starts_with_a_group_norm_is_trained():
    class Normed(nn.Module):
        def __init__(self):
            super().__init__()
            self.spread = nn.Conv2d(1, 4, 3).requires_grad_(False)
            self.norm, self.called = nn.GroupNorm(2, 4), Called()
            self.last = nn.Linear(4, 10)

        def forward(self, x):
            found = self.spread(x)
            return self.last((self.norm(found) + self.called(found)).mean((2, 3)))

    data = burnish.load("digits", max_rows=300)
    assert fit(burnish.Plan(model=lambda: Normed(), data=data, epochs=1), seed=0).status == "done"

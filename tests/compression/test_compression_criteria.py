"""What a channel is worth, how many go of each layer, and pruning while training."""

import copy

import pytest
import torch
from pruning_networks import Recurrent, table, tokens
from torch import nn
from torch.nn import functional

from burnish.compression.gradual import Gradual
from burnish.compression.prune import prune
from burnish.errors import NotApplicable, UsageError


def network(*widths, norm=False):
    torch.manual_seed(0)
    layers, width = [], 12
    for out in widths:
        layers += [nn.Linear(width, out), *([nn.BatchNorm1d(out)] if norm else []), nn.ReLU()]
        width = out
    return nn.Sequential(*layers, nn.Linear(width, 3)).eval()


def test_taylor_is_the_change_of_the_loss_to_first_order():
    model, x, y = network(16), table(40), torch.arange(40) % 3
    loss = functional.cross_entropy
    gone = prune(model, x, 0.5, criterion="taylor", batches=[(x, y)], loss=loss).history["removed"]["0"]
    scale = torch.ones(16, requires_grad=True)  # by hand: both layers of a unit scaled down by the same factor
    w, b, v = model[0].weight, model[0].bias, model[2].weight
    loss(torch.relu(x @ (w * scale[:, None]).T + b * scale) @ v.T + model[2].bias, y).backward()
    by_hand = scale.grad.square()  # a ReLU passes the scale on, so the second layer has the same slope
    assert gone == sorted(by_hand.argsort()[:8].tolist())


def test_batch_norm_scale_decides():
    model = network(16, norm=True)
    weak = [0, 3, 4, 7, 8, 9, 12, 15]
    with torch.no_grad():
        model[1].weight.fill_(1.0)
        model[1].weight[weak] = -0.1
    assert prune(model, table(), 0.5, criterion="bn_scale").history["removed"]["0"] == weak


def test_l1_and_l2_differ_where_weights_are_spread_unevenly():
    model = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 3))
    with torch.no_grad():
        model[0].weight.fill_(0.5)
        model[0].weight[:8] = torch.tensor([1.5, 0.0, 0.0, 0.0])  # sum 1.5 against 2, squares 2.25 against 1
        model[2].weight.fill_(1.0)
    rows = torch.randn(4, 4)
    assert prune(model, rows, 0.5, criterion="l1").history["removed"]["0"] == list(range(8))
    assert prune(model, rows, 0.5, criterion="l2").history["removed"]["0"] == list(range(8, 16))


def test_taylor_needs_batches_and_a_loss():
    with pytest.raises(UsageError, match=r"batches=.*loss="):
        prune(network(16), table(), 0.5, criterion="taylor")
    with pytest.raises(UsageError, match="at least one batch"):
        prune(network(16), table(), 0.5, criterion="taylor", batches=[], loss=functional.cross_entropy)


def test_sensitive_layers_are_cut_less():
    model = network(64, 64)
    with torch.no_grad():
        model[2].weight[:, 16:] *= 1e-4  # most of the first layer is not heard
        model[2].bias.add_(1)
    x = table(64)
    with torch.no_grad():
        before = model(x)

    def score(other):
        with torch.no_grad():
            return -float((other(x) - before).square().mean())

    after = {line["layer"]: line["after"] for line in prune(model, x, 0.4, ratios="sensitivity", score=score).cut}
    assert after["0"] <= 24
    assert after.get("2", 64) >= 48
    with pytest.raises(UsageError, match="score="):
        prune(model, x, 0.4, ratios="sensitivity")


def test_a_ratio_for_each_layer():
    result = prune(network(32, 64), table(), 0.5, ratios={"2": 0.75})
    assert [(line["layer"], line["after"]) for line in result.cut] == [("2", 16)]


def test_channels_fall_silent_while_training_and_the_cut_network_is_the_silenced_one():
    torch.manual_seed(0)
    model, x, y = Recurrent(nn.GRU), tokens(30), torch.arange(30) % 3
    before = copy.deepcopy(model.state_dict())
    gradual = Gradual(model, x, 0.5, steps=6)
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    optimizer, counts = torch.optim.Adam(model.parameters(), 1e-2), []
    for _ in range(8):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), y).backward()
        optimizer.step()
        gradual.step(model)
        counts.append(int((model.hidden.weight == 0).all(0).sum()))
    assert counts == sorted(counts)
    assert 0 < counts[0] < counts[2] < counts[5] == counts[-1] == 16
    model.eval()
    result = gradual.finish(model)
    assert result.model.cells.hidden_size == 16
    with torch.no_grad():
        torch.testing.assert_close(result.model(x), model(x))
    with pytest.raises(ValueError, match="steps"):
        Gradual(model, x, 0.5, steps=0)
    with pytest.raises(NotApplicable):
        Gradual(network(8), table(), 0.5, steps=3)

import copy
import json

import pytest
import torch
from compression_networks import Dense, HardCoded, Residual, Separable, Shuffled, Tied, Upward, images, settled
from torch import nn

import burnish.compression.proof as proving
from burnish.compression.prune import prune
from burnish.compression.rebuild import rebuild_pruned
from burnish.errors import NotApplicable, UsageError
from burnish.exporting.safetensors import load_weights, save_weights

FAMILIES = {"residual": Residual, "dense": Dense, "separable": Separable, "upward": Upward}


def made(family):
    torch.manual_seed(0)
    return settled(family()).eval()


def parameters(model):
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("name", FAMILIES)
def test_pruned_networks_are_smaller_and_proved_exact(name):
    model = made(FAMILIES[name])
    before = copy.deepcopy(model.state_dict())
    result = prune(model, images(), 0.5)
    assert result.proof == "exact"
    assert result.verified
    assert result.difference < 1e-5
    assert result.parameters_before == parameters(model)
    assert result.parameters_after == parameters(result.model) < 0.75 * parameters(model)
    assert result.model(images()).shape == model(images()).shape
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    for line in result.cut:
        assert line["after"] % 8 == 0
        assert line["after"] == line["before"] / 2 or line["before"] % 16


def test_what_is_left_is_what_the_silenced_network_computes():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.Sigmoid(), nn.Linear(32, 3)).eval()
    rows = torch.randn(5, 6)
    result = prune(model, rows, 0.5)
    kept = [i for i in range(32) if i not in result.history["removed"]["0"]]
    by_hand = torch.sigmoid(rows @ model[0].weight[kept].T + model[0].bias[kept]) @ model[2].weight[:, kept].T
    torch.testing.assert_close(result.model(rows), by_hand + model[2].bias)


def test_the_weakest_units_go():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 3))
    weak = [1, 4, 9, 13, 17, 22, 30, 31]
    with torch.no_grad():
        model[0].weight[weak] *= 0.01
        model[2].weight[:, weak] *= 0.01
    assert prune(model, torch.randn(4, 6), 0.25).history["removed"]["0"] == weak
    by_chance = [
        prune(model, torch.randn(4, 6), 0.25, criterion="random", seed=s).history["removed"]["0"] for s in (0, 0, 1)
    ]
    assert by_chance[0] == by_chance[1] != by_chance[2]
    assert by_chance[0] != weak


def test_global_ranking_cuts_where_channels_matter_least():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 3))
    with torch.no_grad():
        model[0].weight[:48] *= 1e-3
        model[2].weight[:, :48] *= 1e-3
    widths = {line["layer"]: line["after"] for line in prune(model, torch.randn(4, 6), 0.4, ratios="global").cut}
    assert widths["0"] == 16
    assert widths.get("2", 64) > 40


def test_channel_shuffle_is_not_believed():
    result = prune(made(Shuffled), images(), 0.5)
    assert [line["layer"] for line in result.cut] == ["second"]
    reason = next(line["reason"] for line in result.excluded if line["layer"] == "first")
    assert "differs" in reason or "fails" in reason


def test_a_wrong_cut_is_caught(monkeypatch):
    honest = proving.cut

    def wrong(model, groups, removed):
        shifted = {root: [(p + 1) % 32 for p in gone] for root, gone in removed.items()}
        return honest(model, groups, shifted)

    monkeypatch.setattr(proving, "cut", wrong)
    with pytest.raises(NotApplicable, match="differs from the silenced one"):
        prune(made(Residual), images(), 0.5)


def test_tied_weights_stay_tied():
    result = prune(made(Tied), images(), 0.5)
    assert result.model.twin.weight is result.model.wide.weight
    assert [line["layer"] for line in result.cut] == ["free"]
    assert any("tied" in line["reason"] for line in result.excluded)


def test_hard_coded_shapes_are_left_whole():
    result = prune(made(HardCoded), images(), 0.5)
    assert [line["layer"] for line in result.cut] == ["hidden"]
    assert 0 < result.coverage < 1


def test_group_norm_is_exact_apart_from_its_statistics():
    torch.manual_seed(0)
    model = settled(Residual(norm=lambda c: nn.GroupNorm(4, c)))
    result = prune(model, images(), 0.5)
    first = next(line for line in result.cut if line["layer"] == "first")
    gone = result.history["removed"]["first"]
    assert result.proof == "exact apart from normalization"
    assert [sum(8 * g <= p < 8 * g + 8 for p in gone) for g in range(4)] == [4, 4, 4, 4]
    assert result.model.norm.num_channels == first["after"] == 16


def test_modes_frozen_layers_and_gradients_are_kept():
    model = made(Residual).train()
    model.norm.eval()
    model.first.weight.requires_grad_(False)
    result = prune(model, images(), 0.5)
    assert result.model.training
    assert not result.model.norm.training
    assert not result.model.first.weight.requires_grad
    assert result.model.second.weight.requires_grad
    result.model(images()).sum().backward()


@pytest.mark.parametrize("name", FAMILIES)
def test_pruned_networks_are_rebuilt_from_json_and_weights(name, tmp_path):
    result = prune(made(FAMILIES[name]), images(), 0.5)
    path = save_weights(result.model, tmp_path / "w.safetensors")
    torch.manual_seed(5)
    fresh = rebuild_pruned(FAMILIES[name](), json.loads(json.dumps(result.history)))
    again = load_weights(fresh, path).eval()
    assert torch.equal(again(images()), result.model.eval()(images()))
    again.train()(images()).sum().backward()
    with pytest.raises(UsageError, match="not the one that was pruned"):
        rebuild_pruned(nn.Linear(3, 2), result.history)


def test_nothing_to_remove_says_why():
    with pytest.raises(NotApplicable, match="outputs"):
        prune(nn.Sequential(nn.Flatten(), nn.Linear(48, 4)), images(), 0.5)
    narrow = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
    with pytest.raises(NotApplicable, match="multiples of 8"):
        prune(narrow, torch.randn(4, 6), 0.5)
    assert prune(narrow, torch.randn(4, 6), 0.5, round_to=2).model[0].out_features == 4


@pytest.mark.parametrize(
    ("arguments", "message"),
    [({"ratio": 1.0}, "ratio"), ({"ratio": 0.5, "criterion": "l7"}, "l2"), ({"ratio": 0.5, "round_to": 0}, "round_to")],
)
def test_wrong_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        prune(made(Dense), images(), **arguments)


def test_one_input_is_too_few():
    with pytest.raises(UsageError, match="at least two"):
        prune(made(Dense), images(1), 0.5)


def test_widths_are_the_nearest_multiple():
    model = nn.Sequential(nn.Linear(6, 100), nn.ReLU(), nn.Linear(100, 3))
    assert [prune(model, torch.randn(3, 6), ratio).model[0].out_features for ratio in (0.1, 0.3, 0.5)] == [88, 72, 48]

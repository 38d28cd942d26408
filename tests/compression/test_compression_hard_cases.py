"""Networks that pruning tools get wrong: they come out right here, or are refused with the reason."""

import copy

import pytest
import torch
from compression_networks import Dense, Residual, Separable, Shuffled, Upward, images, settled
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pruning_networks import (
    Chunked,
    Encoder,
    Gated,
    Late,
    Noisy,
    Normed,
    Pooled,
    Recurrent,
    Sharpened,
    Squeezed,
    TiedWords,
    pictures,
    table,
    tokens,
)
from torch import nn

from burnish.compression import marks
from burnish.compression.knife import cut
from burnish.compression.marks import marked_groups
from burnish.compression.proof import compared, prepared
from burnish.compression.prune import prune
from burnish.errors import NotApplicable


def made(make):
    torch.manual_seed(0)
    return settled(make()).eval()


def right(model, inputs, result):
    """Against the silenced network, on inputs that the proof has not seen."""
    with torch.no_grad():
        torch.testing.assert_close(result.model(inputs), result.silenced()(inputs), rtol=0, atol=1e-5)
    return {line["layer"]: line["after"] for line in result.cut}


def reasons(result):
    return {item["layer"]: item["reason"] for item in result.excluded}


def test_squeeze_and_excitation():
    model = made(Squeezed)
    result = prune(model, pictures(), 0.5)
    assert sorted(right(model, pictures(9), result).values()) == [8, 16, 16]
    assert result.model.stem.out_channels == result.model.depth.groups == result.model.up.out_channels == 16


def test_attention_over_an_image_does_not_grow_a_group_without_end():
    """Torch-Pruning multiplies the positions at every turn of this loop, until memory ends."""
    model = made(Pooled)
    result = prune(model, pictures(), 0.5)
    assert right(model, pictures(9), result) == {"second": 8}
    assert "mixes its channels" in reasons(result)["first"]
    assert result.found_by == "marks"


def test_marks_see_what_gradients_do_not():
    """Chunks joined again fail in the tracer; the marks know which half goes where."""
    model = made(Chunked)
    result = prune(model, pictures(), 0.5)
    after = right(model, pictures(9), result)
    assert after["join"] == 16
    assert result.found_by == "marks"
    assert "first" in after or "first" in reasons(result)


def test_gated_linear_units_lose_both_halves():
    model = made(Gated)
    result = prune(model, table(), 0.5)
    assert right(model, table(9), result) == {"a": 16, "b": 16}
    gone = [unit for unit in range(64) if unit not in _kept(model.a, result.model.a)]
    assert [unit + 32 for unit in gone if unit < 32] == [unit for unit in gone if unit >= 32]


def _kept(old, new):
    return [int((old.weight == row).all(1).nonzero()[0]) for row in new.weight]


def test_pixel_shuffle_is_left_whole_or_right():
    model = made(Sharpened)
    result = prune(model, pictures(), 0.5)
    after = right(model, pictures(9), result)
    assert after["first"] == after["third"] == 16
    assert "second" in after or "second" in reasons(result)


def test_tied_embeddings_stay_tied():
    model = made(TiedWords)
    result = prune(model, tokens(), 0.5)
    assert right(model, tokens(9), result) == {"hidden": 24}
    assert result.model.out.weight is result.model.words.weight
    assert any("tied" in reason for reason in reasons(result).values())


def test_weight_norm_is_left_whole_and_the_rest_is_cut():
    model = made(lambda: Normed(old=False))
    result = prune(model, table(), 0.5)
    assert right(model, table(9), result) == {"second": 16}
    assert any("parametrized" in reason for reason in reasons(result).values())


@pytest.mark.filterwarnings("ignore::FutureWarning")
def test_networks_that_cannot_be_copied_are_refused():
    with pytest.raises(NotApplicable, match=r"cannot be copied.*weight_norm"):
        prune(made(lambda: Normed(old=True)), table(), 0.5)


def test_frozen_layers_are_cut_and_stay_frozen():
    model = made(lambda: nn.Sequential(nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 3)))
    model[0].requires_grad_(False)
    result = prune(model, table(), 0.5)
    assert right(model, table(9), result) == {"0": 16, "2": 16}
    assert not result.model[0].weight.requires_grad
    assert result.model[2].weight.requires_grad


def test_a_zero_that_hides_a_wrong_cut_does_not():
    """The shuffle in a branch whose scale is zero changes no output, and is refused all the same."""
    model = made(Late)
    nn.init.zeros_(model.norm.weight)
    result = prune(model, pictures(), 0.5)
    assert "first" not in {line["layer"] for line in result.cut}


def test_networks_that_draw_lots_are_refused():
    with pytest.raises(NotApplicable, match="different outputs for the same inputs"):
        prune(made(Noisy), table(), 0.5)


def test_layers_that_are_to_be_kept_are_kept():
    layers = [nn.Linear(12, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU()]
    model = made(lambda: nn.Sequential(*layers, nn.Linear(32, 3)))
    result = prune(model, table(), 0.5, keep=("0",))
    assert right(model, table(9), result) == {"2": 16, "4": 16}
    assert reasons(result)["0"] == "it is to be kept"


def test_several_inputs_and_outputs():
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(12, 32), nn.Linear(12, 16)
            self.one, self.two = nn.Linear(48, 3), nn.Linear(32, 2)

        def forward(self, x, y):
            left = torch.relu(self.a(x))
            return {"one": self.one(torch.cat([left, torch.relu(self.b(y))], 1)), "two": self.two(left)}

    model = made(Both)
    result = prune(model, (table(), table() + 1), 0.5)
    given, expected = result.model(table(), table() - 1), result.silenced()(table(), table() - 1)
    assert result.model.a.out_features == 16
    for name in ("one", "two"):
        torch.testing.assert_close(given[name], expected[name], rtol=0, atol=1e-5)


# -- networks made up at random --------------------------------------------------------------------

WIDTHS = st.sampled_from([8, 16, 24])


@st.composite
def networks(draw):
    """A small convolutional network with residuals, joins, groups and norms as they come."""
    torch.manual_seed(draw(st.integers(0, 99)))
    width, parts = draw(WIDTHS), []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(["plain", "residual", "join", "depthwise", "grouped", "shuffle"]))
        parts.append((kind, draw(WIDTHS), draw(st.booleans())))
    return settled(Made(width, parts)).eval()


class Made(nn.Module):
    def __init__(self, width, parts) -> None:
        super().__init__()
        self.kinds = [kind for kind, _, _ in parts]
        self.stem, self.layers = nn.Conv2d(3, width, 3, padding=1), nn.ModuleList()
        for kind, out, norm in parts:
            if kind in ("residual", "depthwise", "shuffle"):
                out = width
            groups = {"depthwise": width, "grouped": 4}.get(kind, 1)
            layer = nn.Conv2d(width, out, 3, padding=1, groups=groups)
            self.layers.append(nn.Sequential(layer, nn.BatchNorm2d(out) if norm else nn.Identity()))
            width = width + out if kind == "join" else out
        self.head = nn.Linear(width, 3)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        for kind, layer in zip(self.kinds, self.layers, strict=True):
            if kind == "shuffle":
                x = x.unflatten(1, (2, -1)).transpose(1, 2).flatten(1, 2)
            y = torch.tanh(layer(x))
            x = x + y if kind == "residual" else torch.cat([x, y], 1) if kind == "join" else y
        return self.head(x.mean((2, 3)))


@settings(max_examples=15, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(model=networks(), ratio=st.sampled_from([0.3, 0.5]), step=st.sampled_from([2, 4]))
def test_whatever_comes_out_is_right(model, ratio, step):
    before = copy.deepcopy(model.state_dict())
    try:
        result = prune(model, pictures(3), ratio, round_to=step)
    except NotApplicable:
        return
    right(model, pictures(6) * 2, result)
    assert result.parameters_after < result.parameters_before
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
@given(model=networks(), data=st.data())
def test_the_proof_notices_any_wrong_channel(model, data):
    """Cut one channel too many to the left: unless that channel is one of those that should go, it shows."""
    groups = [g for g in marked_groups(model, pictures(2)) if not g.blocked and not g.parts and g.width > 3]
    if not groups:
        return
    group = data.draw(st.sampled_from(groups))
    proof = prepared(model, pictures(3))
    if compared(proof, groups, {group.root: [group.width - 1]}).reason:
        return  # a shuffle, which is refused anyway
    right_, wrong = [group.width - 1], [group.width - 2]
    expected, given_ = cut(proof.awake, groups, {group.root: right_}), cut(proof.awake, groups, {group.root: wrong})
    with torch.no_grad():
        apart = (expected(proof.awake_inputs) - given_(proof.awake_inputs)).abs().max()
    assert apart > 1e-6
    assert compared(proof, groups, {group.root: right_}).difference < 1e-9


class Fixed(nn.Module):
    """Takes the size of the batch before the marked layer makes more rows of one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Conv2d(3, 32, 3, padding=1), nn.Linear(32, 3)

    def forward(self, x):
        size = len(x)
        x = torch.relu(self.stem(x)).flatten(2).transpose(1, 2).reshape(size, -1, 32)
        return self.head(x.softmax(1).mean(1))


@pytest.mark.parametrize(
    ("make", "inputs"),
    [
        *((network, images) for network in (Residual, Dense, Separable, Upward, Shuffled)),
        *((network, pictures) for network in (Chunked, Squeezed)),
        (Fixed, pictures),
        (Gated, table),
        (Encoder, tokens),
        (Recurrent, tokens),
    ],
)
def test_one_row_until_the_marked_layer_shows_what_all_rows_show(make, inputs, monkeypatch):
    model = made(make)
    with monkeypatch.context() as eager:
        eager.setattr(marks, "_late", lambda *_: None)
        expected = marked_groups(model, inputs(2))
    assert marked_groups(model, inputs(2)) == expected

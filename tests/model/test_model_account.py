"""What surgery says it did: changes found by comparing, reasons told by the surgery itself."""

import torch
from torch import nn

import burnish as bu
from burnish.model.account import differences, left, listening
from burnish.model.surgery import replaced, wrapped
from burnish.techniques import (
    Activation,
    BatchNorm,
    Deepen,
    DenseTopology,
    Dropout,
    LabelSmoothing,
    Residual,
    SqueezeExcite,
)


def test_differences_name_what_was_put_in_exchanged_and_taken_out():
    before = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Dropout(0.5), nn.Sequential(nn.Linear(4, 2), nn.Identity()))
    after = wrapped(before, after={"0": lambda old: nn.BatchNorm1d(4)}, before={"3.0": lambda old: nn.Dropout(0.1)})
    after = wrapped(after, after={"0": lambda old: nn.LayerNorm(4)})
    after = replaced(after, nn.ReLU, lambda old: nn.GELU())[0]
    after[2].p = 0.2
    del after[3][1]
    assert differences(before, after) == [
        ("0", "BatchNorm1d(4), LayerNorm((4,), elementwise_affine=True) after it"),
        ("1", "ReLU() → GELU(approximate='none')"),
        ("2", "Dropout(p=0.5) → Dropout(p=0.2)"),
        ("3.0", "Dropout(p=0.1) before it"),
        ("3.1", "Identity() → nothing"),
    ]
    assert differences(before, before) == []


def test_only_who_listens_hears():
    left("a", "unheard")
    with listening() as outer:
        left("b", "heard")
        with listening() as inner:
            left("c", "inside")
    assert outer == [("left", "b", "heard")]
    assert inner == [("left", "c", "inside")]


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(64, 8), nn.Linear(8, 8), nn.Linear(8, 10)
        self.norm = nn.BatchNorm1d(8)

    def forward(self, x):
        x = torch.relu(self.first(x.flatten(1)))
        return torch.sigmoid(self.head(torch.relu(self.norm(self.second(x)))))


def test_a_plan_accounts_for_its_techniques():
    plan = bu.Plan(model=Functional, data=bu.load("digits")).then(
        LabelSmoothing(alpha=0.1), BatchNorm(), Activation(name="elu")
    )
    norm, activation = plan.account()
    assert norm.technique == "BatchNorm()"
    assert norm.changed == (("first", "BatchNorm1d(8) after it"),)
    assert norm.left == (("second", "normalized already"), ("head", "an output layer"))
    assert activation.changed == (("", "relu → elu in its forward"),)
    assert activation.left == (("", "sigmoid in its forward: after the last layer"),)
    text = str(bu.inspect(plan))
    assert "BatchNorm() changed:\n  first: BatchNorm1d(8) after it" in text
    assert bu.inspect(plan).to_json()["edits"][0]["left"][1] == {"path": "head", "why": "an output layer"}


def left_by(network, technique):
    (account,) = bu.Plan(model=network, data=bu.load("digits")).then(technique).account()
    return set(account.left)


class Mixed(nn.Module):
    """Residual maps, a recurrent layer, a gate, functions and dropouts of all kinds."""

    def __init__(self):
        super().__init__()
        self.stem, self.one, self.two = nn.Conv2d(1, 8, 3), nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 8, 1)
        self.act, self.rnn = nn.ReLU(), nn.LSTM(36, 12, 2, batch_first=True)
        self.kept, self.wide, self.gate = nn.Dropout(0.2), nn.Linear(12, 12), nn.Linear(12, 12)
        self.head = nn.Linear(12, 10)

    def forward(self, x):
        x = torch.relu(self.stem(x))
        x = x + self.two(self.act(self.one(x)))
        x = self.kept(self.rnn(x.flatten(2))[0])[:, -1]
        x = torch.relu(self.wide(x)) * torch.sigmoid(self.gate(x))
        return self.head(torch.dropout(torch.tanh(self.wide(x)), 0.1, self.training)).softmax(1)


def test_what_is_left_is_told_with_its_reason():
    assert left_by(Mixed, Dropout(rate=0.2)) == {
        ("rnn", "it drops nothing inside, and that stays"),
        ("kept", "drops 0.2 already"),
        ("", "relu in its forward: its maps go on at the same size, and not to the end of a residual branch"),
        ("", "relu in its forward: its result goes elsewhere than into a layer"),
        ("rnn", "a dropout follows already"),
        ("", "sigmoid in its forward: a gate"),
        ("", "tanh in its forward: a dropout follows already"),
        ("", "dropout in its forward: it keeps its rate"),
    }
    assert left_by(Mixed, Deepen()) == {
        ("stem", "new layers go behind a later one of its stage"),
        ("two", "no hidden activation takes its result alone"),
        ("gate", "no hidden activation takes its result alone"),
        ("rnn", "recurrent or attention"),
        ("wide", "used several times in one pass"),
        ("head", "an output layer"),
    }
    assert left_by(Mixed, SqueezeExcite()) == {
        ("", "relu in its forward: weights go to the ends of residual branches"),
        ("", "relu in its forward: no maps of convolutions"),
        ("", "tanh in its forward: no maps of convolutions"),
    }
    assert left_by(Mixed, DenseTopology()) == {("stem", "the first convolution is the stem")}
    assert left_by(Functional, Residual()) == {("first", "it takes the network's input"), ("head", "an output layer")}

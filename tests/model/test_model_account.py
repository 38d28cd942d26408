"""What surgery says it did: changes found by comparing, reasons told by the surgery itself."""

import torch
from torch import nn

import burnish as bu
from burnish.model.account import differences, left, listening
from burnish.model.surgery import replaced, wrapped
from burnish.techniques import Activation, BatchNorm, LabelSmoothing


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
    assert activation.left == (("", "after the last layer"),)
    text = str(bu.inspect(plan))
    assert "BatchNorm() changed:\n  first: BatchNorm1d(8) after it" in text
    assert bu.inspect(plan).to_json()["edits"][0]["left"][1] == {"path": "head", "why": "an output layer"}

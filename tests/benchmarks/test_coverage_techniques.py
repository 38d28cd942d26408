"""The technique half of the coverage benchmark: what it finds, what it calls wrong, what the table says."""

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

FOLDER = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage"


@pytest.fixture
def techniques(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    import techniques as module

    monkeypatch.setattr(module, "exported", lambda network, model: {"exporter": "none", "difference": 0.0})
    yield module
    for name in ("techniques", "techniques_table", "networks", "table"):
        sys.modules.pop(name, None)


def test_outcomes_name_what_was_kept_and_why_not(techniques):
    from networks import NETWORKS
    from techniques_table import section

    network = NETWORKS["tabular resnet"]
    model = network.make().eval()
    outcomes = {name: techniques.tried(network, model, name) for name in ("BatchNorm", "Dropout")}
    batch, dropout = outcomes["BatchNorm"], outcomes["Dropout"]
    assert batch["same_at_start"]
    assert batch["weights"]["kept"] == len(model.state_dict())
    assert batch["weights"]["new"] == 10
    assert not any(batch["weights"][kind] for kind in ("altered", "refitted", "resized", "gone"))
    assert dropout["difference"] == 0
    assert dropout["gradients"] == {"missing": [], "not_finite": []}
    refused = techniques.tried(network, nn.Sequential(nn.Linear(16, 10)), "BatchNorm")
    assert refused["refused"].startswith("no layer lacks normalization")
    records = [{"name": "a", "techniques": outcomes}, {"name": "b", "techniques": {"BatchNorm": refused}}]
    lines = section(records, techniques.IDENTITY)
    assert "| a | = | = |" in lines
    assert "| b | - |  |" in lines
    assert "**0** wrong" in lines[0]


def test_an_altered_weight_and_a_lost_gradient_are_wrong(techniques):
    from techniques_table import fault

    before = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    after = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2))
    after.load_state_dict(before.state_dict())
    with torch.no_grad():
        after[2].weight[0, 0] += 1
    after[0].weight.requires_grad_(False)
    found = {
        "weights": techniques.weights(before, after),
        "gradients": techniques.gradients(before, after, torch.randn(3, 4)),
        "onnx": {"difference": 0.0},
    }
    assert found["weights"]["altered"] == ["2.weight"]
    assert found["gradients"]["missing"] == ["0.weight"]
    assert fault("BatchNorm", found) == "altered 2.weight"
    assert fault("Widen", found) == "no gradient for 0.weight"

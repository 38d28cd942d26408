"""A few networks of the coverage table, from pruning to int8; `make coverage` does all of them."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parents[2] / "benchmarks" / "coverage"
SMALL = ("gated mlp", "bigru", "encoder", "test_resnet", "test_vit", "test_convnext")


@pytest.fixture
def coverage(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))
    names = ("run", "networks", "table", "torchvision_on_cpu")
    found = {name: importlib.import_module(name) for name in names[:3]}
    yield found
    for name in names:
        sys.modules.pop(name, None)


def test_the_table_covers_thirty_image_networks_and_ten_others(coverage):
    networks = coverage["networks"].NETWORKS
    images = [n for n in networks.values() if n.family in ("timm", "torchvision")]
    assert len(images) >= 30
    assert len(networks) - len(images) >= 10
    for network in networks.values():
        if network.family == "own":
            assert network.make().eval()(network.inputs(2, seed=1)).shape == (2, 10)


def test_the_table_says_what_is_wrong(coverage, tmp_path):
    outcome = {
        "parameters": 50,
        "cut": 2,
        "kinds": ["channels"],
        "skipped": [
            {"layer": "head", "reason": "its channels are the network's outputs"},
            {"layer": "a", "reason": "b"},
        ],
        "proof": "exact",
        "found_by": "marks",
        "rebuilt": True,
        "wrong": True,
        "onnx": {"difference": 1e-6},
        "int8": {"bytes": 30, "float_bytes": 100, "relative_error": 0.02},
    }
    record = {"name": "one", "family": "own", "modality": "table", "parameters": 100, "pruned": {}}
    record["pruned"] = {"0.3": {"refused": "why"}, "0.5": outcome}
    (tmp_path / "one.json").write_text(coverage["run"].json.dumps(record))
    coverage["table"].write_table(tmp_path, tmp_path / "t.md", ["one"])
    text = (tmp_path / "t.md").read_text()
    assert "Wrong outputs: **1** of 1" in text
    assert "| one | own | 100 | refused | 50% | 2 of 3 | channels | marks | exact | yes | 1e-06 | 30%, 0.02 |" in text
    assert "- **one**: b (`a`)" in text


@pytest.mark.slow
@pytest.mark.parametrize("name", SMALL)
def test_from_pruning_to_int8(coverage, name):
    if name.startswith("test_") and not all(importlib.util.find_spec(p) for p in ("timm", "torchvision")):
        pytest.skip("timm and torchvision are not installed")
    if name.startswith("test_"):
        importlib.import_module("torchvision_on_cpu")
        coverage["networks"].NETWORKS.setdefault(name, coverage["networks"].timm(name))
    record = coverage["run"].examine(name)
    for outcome in record["pruned"].values():
        assert outcome["parameters"] < record["parameters"]
        assert not outcome["wrong"]
        assert outcome["rebuilt"]
        assert outcome["onnx"]["difference"] < 1e-3
    assert "error" not in record["pruned"]["0.5"]["int8"]

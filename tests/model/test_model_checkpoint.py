"""Checkpoints: formats, fit, and what is never done."""

import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from burnish.errors import UsageError
from burnish.model.checkpoint import read_state
from burnish.model.sources import as_source, with_checkpoint


@pytest.fixture
def network():
    torch.manual_seed(3)
    return as_source("cnn").create((1, 8, 8), 3)


@pytest.mark.parametrize("form", ["safetensors", "plain", "nested", "parallel", "compiled"])
def test_every_usual_form_is_read(form, network, tmp_path):
    state = network.state_dict()
    path = tmp_path / ("w.safetensors" if form == "safetensors" else "w.pt")
    prefix = {"parallel": "module.", "compiled": "_orig_mod."}.get(form, "")
    renamed = {f"{prefix}{name}": value for name, value in state.items()}
    if form == "safetensors":
        save_file(state, path)
    else:
        torch.save({"epoch": 3, "state_dict": renamed} if form == "nested" else renamed, path)
    source = with_checkpoint(as_source("cnn"), path)
    built = source.create((1, 8, 8), 3).state_dict()
    assert source.trained
    assert source.portable
    assert all(torch.equal(built[name], state[name]) for name in state)
    assert source.identity() != as_source("cnn").identity()


def test_a_checkpoint_for_a_module(network, tmp_path):
    path = tmp_path / "w.safetensors"
    save_file(network.state_dict(), path)
    other = as_source("cnn").create((1, 8, 8), 3)
    kept = other[0].weight.clone()
    source = with_checkpoint(as_source(other), path)
    assert torch.equal(source.create((1, 8, 8), 3)[0].weight, network[0].weight)
    assert torch.equal(other[0].weight, kept)


def test_what_does_not_fit_is_listed(network, tmp_path):
    path = tmp_path / "w.safetensors"
    state = network.state_dict() | {"extra.weight": torch.ones(1)}
    del state["0.bias"]
    save_file(state, path)
    with pytest.raises(UsageError) as caught:
        with_checkpoint(as_source("cnn"), path).create((1, 8, 8), 4)
    text = str(caught.value)
    assert "1 missing (0.bias)" in text
    assert "1 left over (extra.weight)" in text
    assert "(3, 256) in the file, (4, 256) in the network" in text


def test_nothing_is_unpickled(tmp_path):
    ran = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return (open, (str(ran), "w"))

    for path, content in ((tmp_path / "a.pt", pickle.dumps(Attack())), (tmp_path / "b.safetensors", b"junk")):
        path.write_bytes(content)
        with pytest.raises(UsageError, match="damaged or no safetensors file|neither safetensors nor"):
            read_state(path)
    torch.save(nn.Linear(1, 1), tmp_path / "c.pt")
    with pytest.raises(UsageError, match="weights only"):
        read_state(tmp_path / "c.pt")
    assert not ran.exists()


def test_missing_files_and_other_content(tmp_path):
    with pytest.raises(UsageError, match="there is no checkpoint"):
        with_checkpoint(as_source("cnn"), tmp_path / "absent.pt")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(UsageError, match="holds a list"):
        read_state(tmp_path / "list.pt")
    torch.save({"epoch": 1}, tmp_path / "empty.pt")
    with pytest.raises(UsageError, match="holds no state dict, it has epoch"):
        read_state(tmp_path / "empty.pt")

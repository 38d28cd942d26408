"""Weights that are damaged, fit nothing, or would run code when unpickled."""

import os
import pickle

import pytest
import torch
from safetensors.torch import save_file

GOOD = {"layer.weight": torch.zeros(10, 64), "layer.bias": torch.zeros(10)}


class Trap:
    """Makes a directory when it is unpickled."""

    def __init__(self, path):
        self.path = str(path)

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.fixture
def check_weights(check_refused, networks, tmp_path):
    def check(file, says):
        words = ("train", f"{networks}:Good", "--checkpoint", file, "--epochs", 1, "--lr", 0.01)
        check_refused(*words, "--out", tmp_path / "out", says=says)
        assert not (tmp_path / "out").exists()

    return check


@pytest.mark.parametrize("wrapped", [lambda trap: trap, lambda trap: {"state_dict": trap}, lambda trap: [GOOD, trap]])
def test_nothing_is_ever_unpickled(check_weights, tmp_path, wrapped):
    sprung = tmp_path / "sprung"
    torch.save(wrapped(Trap(sprung)), tmp_path / "a.pt")
    (tmp_path / "a.pkl").write_bytes(pickle.dumps(wrapped(Trap(sprung))))
    for name in ("a.pt", "a.pkl"):
        check_weights(tmp_path / name, "other pickled objects are never loaded; save it with safetensors")
    assert not sprung.exists()
    pickle.loads((tmp_path / "a.pkl").read_bytes())
    assert sprung.exists()  # the trap works


def test_damaged_safetensors(check_weights, tmp_path):
    file = tmp_path / "a.safetensors"
    save_file(GOOD, file)
    content = file.read_bytes()
    for wrong in (content[:-100], content[:5], b"", (2**60).to_bytes(8, "little") + b"{}"):
        file.write_bytes(wrong)
        check_weights(file, "is damaged or no safetensors file .*copy or save it again")


def test_damaged_torch_files(check_weights, tmp_path):
    file = tmp_path / "a.pt"
    torch.save(GOOD, file)
    for wrong in (file.read_bytes()[:500], b"", b"hello"):
        file.write_bytes(wrong)
        check_weights(file, "neither safetensors nor a PyTorch file of weights only")


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"other": torch.zeros(3)}, "2 missing .layer.weight; layer.bias., 1 left over .other.; give the factory"),
        (GOOD | {"layer.bias": torch.zeros(5)}, r"layer.bias: \(5,\) in the file, \(10,\) in the network"),
        ({name: value / 0 for name, value in GOOD.items()}, "the network gives numbers that are not finite"),
    ],
)
def test_weights_that_do_not_fit(check_weights, tmp_path, state, message):
    save_file(state, tmp_path / "a.safetensors")
    check_weights(tmp_path / "a.safetensors", message)


def test_files_without_weights(check_weights, tmp_path):
    check_weights(tmp_path / "absent.pt", "there is no checkpoint")
    check_weights(tmp_path, "there is no checkpoint")
    torch.save({"epoch": 3}, tmp_path / "a.pt")
    check_weights(tmp_path / "a.pt", "holds no state dict, it has epoch; save model.state_dict")
    torch.save([1, 2], tmp_path / "a.pt")
    check_weights(tmp_path / "a.pt", "holds a list, not a state dict; save model.state_dict")

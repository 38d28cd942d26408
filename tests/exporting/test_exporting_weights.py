import pytest
import torch
from exporting_networks import inputs, network
from torch import nn

from burnish.errors import UsageError
from burnish.exporting.safetensors import load_weights, read_weights, save_weights


@pytest.mark.parametrize("kind", ["cnn", "lstm", "transformer"])
def test_weights_come_back_bit_for_bit(kind, tmp_path):
    model = network(kind)
    path = save_weights(model, tmp_path / "w.safetensors")
    torch.manual_seed(9)
    other = load_weights(type(model)() if kind != "cnn" else network("cnn"), path)
    for name, value in model.state_dict().items():
        assert torch.equal(other.state_dict()[name], value), name
    assert torch.equal(other.eval()(inputs(kind)), model.eval()(inputs(kind)))


def test_memory_format_and_repeats_change_no_byte(tmp_path):
    plain = save_weights(network("cnn"), tmp_path / "a").read_bytes()
    turned = network("cnn").to(memory_format=torch.channels_last)
    assert save_weights(turned, tmp_path / "b").read_bytes() == plain


class Tied(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(50, 8)
        self.head = nn.Linear(8, 50, bias=False)
        self.head.weight = self.embed.weight


def test_tied_weights_are_stored_once_and_stay_tied(tmp_path):
    model = Tied()
    path = save_weights(model, tmp_path / "w")
    assert path.stat().st_size < 50 * 8 * 4 * 1.5
    back = load_weights(Tied(), path)
    assert back.head.weight is back.embed.weight
    assert torch.equal(back.head.weight, model.head.weight)
    assert set(read_weights(path)) == {"embed.weight", "head.weight"}


def test_what_does_not_fit_is_named(tmp_path):
    path = save_weights(nn.Sequential(nn.Linear(4, 2)), tmp_path / "w")
    with pytest.raises(UsageError, match=r"0\.weight is \(2, 4\) in the file and \(3, 4\)"):
        load_weights(nn.Sequential(nn.Linear(4, 3)), path)
    with pytest.raises(UsageError, match=r"missing 1\.weight"):
        load_weights(nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 2)), path)
    with pytest.raises(UsageError, match="no file"):
        read_weights(tmp_path / "none")
    (tmp_path / "bad").write_bytes(b"\x80\x04pickle")
    with pytest.raises(UsageError, match="not a safetensors file"):
        read_weights(tmp_path / "bad")

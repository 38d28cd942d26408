"""Weights of another network: what is taken over, what stays frozen, thaws or learns more slowly."""

import copy
import importlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from burnish.data import load
from burnish.errors import NotApplicable, UsageError
from burnish.model.surgery import Probe
from burnish.model.transfer import adapted, ends, parts, place
from burnish.plan import Averaging, Optimizer, Plan
from burnish.techniques import EMA, BatchNorm, Transfer
from burnish.techniques.transfer import transfer
from burnish.training import fit
from burnish.training.optimizers import build_optimizer, set_rate

COVERAGE = Path(__file__).resolve().parents[2] / "benchmarks" / "coverage"


class Block(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width)

    def forward(self, x):
        return x + torch.relu(self.norm(self.conv(x)))


class Net(nn.Module):
    """A network of somebody's own: functional calls, a block used by attribute, a head that is not last in order."""

    def __init__(self, channels=3, outputs=4):
        super().__init__()
        self.classifier = nn.Linear(8, outputs)
        self.stem, self.norm = nn.Conv2d(channels, 8, 3, padding=1), nn.BatchNorm2d(8)
        self.one, self.two = Block(8), Block(8)

    def forward(self, x):
        x = torch.relu(self.norm(self.stem(x)))
        return self.classifier(self.two(self.one(x)).mean((2, 3)))


def net(inputs, outputs):
    return Net(inputs[0], outputs)


def pictures(channels=3, classes=4, rows=40):
    rng = np.random.default_rng(0)
    x = rng.integers(0, 255, (rows, 8, 8, channels), dtype=np.uint8)
    return load((x, np.arange(rows) % classes), modality="image", task="classification", test=0, validation=8)


@pytest.fixture
def file(tmp_path):
    torch.manual_seed(5)
    source = Net(3, 7)
    with torch.no_grad():
        for norm in (m for m in source.modules() if isinstance(m, nn.BatchNorm2d)):
            norm.running_mean.normal_()
            norm.running_var.uniform_(0.5, 2)
    path = tmp_path / "old.safetensors"
    save_file(source.state_dict(), path)
    return str(path), source


def plan(channels=3, **more):
    return Plan(model=net, data=pictures(channels), epochs=3, batch_size=8, optimizer=Optimizer(lr=1e-2), **more)


def test_the_body_is_taken_over_to_the_bit_and_the_head_is_new(file):
    path, source = file
    fresh, built = plan().build(3), plan().then(Transfer(source=path)).build(3)
    old = source.state_dict()
    for name, tensor in built.state_dict().items():
        expected = fresh.state_dict()[name] if name.startswith("classifier") else old[name]
        assert torch.equal(tensor, expected), name


def test_the_head_can_be_kept_where_its_shape_fits(tmp_path):
    source = Net(3, 4)
    save_file(source.state_dict(), tmp_path / "old.safetensors")
    text = str(tmp_path / "old.safetensors")
    kept = plan().then(Transfer(source=text, head="keep")).build(0)
    assert torch.equal(kept.classifier.weight, source.classifier.weight)


@pytest.mark.parametrize(("channels", "way"), [(1, "auto"), (6, "auto"), (2, "sum"), (9, "replicate")])
def test_adapted_channels_answer_a_grey_image_as_before(channels, way):
    weight, grey = torch.randn(4, 3, 3, 3), torch.randn(2, 1, 8, 8)
    new = adapted(weight, channels, way)
    assert new.shape == (4, channels, 3, 3)
    answer = nn.functional.conv2d(grey.expand(-1, channels, -1, -1), new)
    torch.testing.assert_close(answer, nn.functional.conv2d(grey.expand(-1, 3, -1, -1), weight), atol=1e-4, rtol=1e-4)


@pytest.fixture
def timm(monkeypatch):
    if importlib.util.find_spec("timm") is None or importlib.util.find_spec("torchvision") is None:
        pytest.skip("timm or torchvision is not installed: pip install --no-deps timm torchvision==0.28.0")
    monkeypatch.syspath_prepend(str(COVERAGE))
    importlib.import_module("torchvision_on_cpu")
    return importlib.import_module("timm")


def test_a_name_of_timm_gives_its_network_with_its_weights(timm, monkeypatch, tmp_path):
    weight = torch.randn(4, 3, 3, 3)
    for channels in (1, 6):
        theirs = timm.models.adapt_input_conv(channels, weight.clone())
        torch.testing.assert_close(adapted(weight, channels), theirs)
    torch.manual_seed(1)
    pretrained = timm.create_model("mobilenetv3_small_050", num_classes=1000)
    save_file(pretrained.state_dict(), tmp_path / "weights.safetensors")
    create, overlay = timm.create_model, {"file": str(tmp_path / "weights.safetensors")}

    def offline(name, pretrained=False, **more):
        more |= {"pretrained_cfg_overlay": overlay} if pretrained else {}
        return create(name, pretrained=pretrained, **more)

    monkeypatch.setattr(timm, "create_model", offline)
    built = Plan(model="cnn", data=pictures(channels=1)).then(Transfer(source="timm:mobilenetv3_small_050")).build(0)
    reference = offline("mobilenetv3_small_050", pretrained=True, in_chans=1, num_classes=4)
    mine, theirs = built.state_dict(), reference.state_dict()
    assert mine.keys() == theirs.keys()
    assert all(torch.equal(mine[n], theirs[n]) for n in mine if not n.startswith(("classifier", "conv_stem")))
    torch.testing.assert_close(mine["conv_stem.weight"], theirs["conv_stem.weight"])
    assert built.classifier.out_features == 4


def test_a_folder_of_hugging_face_is_a_network_on_its_own_tokens(tmp_path, monkeypatch):
    if importlib.util.find_spec("torchvision") is not None:  # transformers imports it where it is there
        monkeypatch.syspath_prepend(str(COVERAGE))
        importlib.import_module("torchvision_on_cpu")
    transformers = pytest.importorskip("transformers", reason="pip install transformers")
    small = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(2)
    bert = transformers.BertModel(transformers.BertConfig(vocab_size=40, max_position_embeddings=12, **small))
    bert.save_pretrained(tmp_path / "bert")
    tokens = np.random.default_rng(0).integers(1, 40, (40, 10)).astype(np.int32)
    tokens[:, 7:] = 0
    data = load((tokens, np.arange(40) % 2), modality="text", task="classification")
    technique = Transfer(source=str(tmp_path / "bert"), freeze="body")
    moved = Plan(model=None, data=data, epochs=1).then(technique)
    network, x = moved.build(0).eval(), torch.from_numpy(tokens[:4])
    words = bert.eval()(x[:, :7].long()).last_hidden_state.mean(1)
    torch.testing.assert_close(network(x), network.head(words), atol=1e-5, rtol=1e-4)
    after = fit(moved, seed=0, device="cpu").model
    assert torch.equal(after.body.embeddings.word_embeddings.weight, bert.embeddings.word_embeddings.weight)
    assert technique.report(Plan(model=None, data=data)).count("left") == 2


def test_report_names_every_tensor_layer_by_layer(file):
    technique = Transfer(source=file[0])
    report = technique.report(plan(channels=1))
    text = str(report)
    assert "stem (weight): adapted, 3 input channels to 1" in text
    assert "classifier (weight, bias): left, the head is new" in text
    assert "one.norm (weight, bias, running_mean, running_var): loaded" in text
    named = {p.name for p in report.placements}
    own = {name for name in Net(1, 4).state_dict() if not name.endswith("num_batches_tracked")}
    assert named == own


def test_a_common_prefix_is_no_obstacle(file):
    path, source = file
    wrapped = nn.Sequential()
    wrapped.backbone = copy.deepcopy(Net(3, 7))
    report = place(wrapped, source.state_dict(), head=("backbone.classifier",))
    assert report.count("loaded") == len(report.placements) - 2
    bare = Net(3, 7)
    place(bare, {f"model.body.{name}": t for name, t in source.state_dict().items()})
    assert torch.equal(bare.one.conv.weight, source.one.conv.weight)


def test_nothing_that_fits_names_the_closest_names(file, tmp_path):
    other = {"stm.weight": torch.zeros(1), "classifer.bias": torch.zeros(1)}
    save_file(other, tmp_path / "other.safetensors")
    with pytest.raises(NotApplicable, match=r"classifer\.bias|stm\.weight"):
        plan().then(Transfer(source=str(tmp_path / "other.safetensors")))
    with pytest.raises(UsageError, match="no checkpoint"):
        plan().then(Transfer(source=str(tmp_path / "gone.safetensors")))
    with pytest.raises(NotApplicable, match="no source is named"):
        plan().then(Transfer())


def test_pickled_objects_are_never_loaded(tmp_path):
    torch.save(Net(), tmp_path / "whole.pt")
    with pytest.raises(UsageError, match="weights only"):
        plan().then(Transfer(source=str(tmp_path / "whole.pt")))


def test_parts_follow_the_computation_not_the_definition():
    assert parts(Net(), torch.randn(2, 3, 8, 8)) == (("stem.", "norm."), ("one.",), ("two.",), ("classifier.",))
    first, last = ends(Net(), torch.randn(2, 3, 8, 8))
    assert (first, last) == ({"stem"}, {"classifier"})


def test_frozen_body_keeps_weights_and_statistics_to_the_bit(file):
    path, source = file
    frozen = plan(average=Averaging(decay=0.5)).then(Transfer(source=path, freeze="body"))
    start = frozen.build(0).state_dict()
    fitted = fit(frozen, seed=0, device="cpu")
    for name, tensor in fitted.model.state_dict().items():
        moved = name.startswith("classifier")
        assert torch.equal(tensor, start[name]) != moved, name
    assert torch.equal(fitted.model.two.norm.running_mean, source.two.norm.running_mean)


def test_frozen_norms_alone(file):
    fitted = fit(plan().then(Transfer(source=file[0], freeze="norms")), seed=0, device="cpu").model
    old = file[1]
    assert all(torch.equal(fitted.state_dict()[n], t) for n, t in old.state_dict().items() if ".norm." in n)
    assert not torch.equal(fitted.one.conv.weight, old.one.conv.weight)


def test_parts_thaw_from_the_top_one_after_the_other(file):
    thawing = plan().then(Transfer(source=file[0], unfreeze=1))
    start, seen = thawing.build(0).state_dict(), []

    def note(network):
        changed = {n.split(".")[0] for n, t in network.state_dict().items() if not torch.equal(t, start[n])}
        seen.append(frozenset(changed))

    fit(thawing, seed=0, device="cpu", on_step=note)
    steps = len(seen) // 3
    assert seen[steps - 1] == {"classifier"}
    assert seen[2 * steps - 1] == {"classifier", "two"}
    assert seen[-1] == {"classifier", "two", "one"}


def test_a_thawing_training_resumes_to_the_bit(file, tmp_path):
    thawing = plan().then(Transfer(source=file[0], unfreeze=1, decay=0.5))
    whole = fit(thawing, seed=0, device="cpu").model.state_dict()
    fit(thawing, seed=0, device="cpu", checkpoint=tmp_path / "c.pt", on_epoch=_stop_after(3, tmp_path))
    resumed = fit(thawing, seed=0, device="cpu", checkpoint=tmp_path / "kept.pt").model.state_dict()
    assert all(torch.equal(whole[name], resumed[name]) for name in whole)


def _stop_after(epoch, folder):
    """Keep the checkpoint of an earlier epoch, as if the training had been killed then."""
    import shutil

    def keep(line):
        if line["epoch"] == epoch:
            shutil.copy(folder / "c.pt", folder / "kept.pt")

    return keep


def test_rates_fall_with_the_distance_from_the_head(file):
    slower = plan().then(Transfer(source=file[0], decay=0.5))
    network = slower.build(0)
    optimizer = build_optimizer(slower.optimizer, network, slower.freeze, slower.rates)
    set_rate(optimizer, 0.8)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    found = {name.split(".")[0]: rates[id(p)] for name, p in network.named_parameters()}
    assert found == {"classifier": 0.8, "two": 0.4, "one": 0.2, "stem": 0.1, "norm": 0.1}


def test_a_norm_inserted_afterwards_starts_from_the_transferred_function(file, tmp_path):
    plain = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 4))
    save_file(plain.state_dict(), tmp_path / "plain.safetensors")

    def factory(outputs):
        return nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, outputs))

    base = Plan(model=factory, data=pictures())
    moved = base.then(Transfer(source=str(tmp_path / "plain.safetensors"), head="keep"))
    x = torch.randn(4, 3, 8, 8)
    torch.testing.assert_close(moved.then(BatchNorm()).build(0).eval()(x), plain.eval()(x), atol=1e-4, rtol=1e-4)


def test_the_network_given_is_not_changed_and_modes_stay(file):
    network = Net(3, 4)
    network.two.eval()
    state = copy.deepcopy(network.state_dict())
    new, _ = transfer(network, file[0], probe=Probe(inputs=torch.randn(4, 3, 8, 8)))
    assert all(torch.equal(state[n], t) for n, t in network.state_dict().items())
    assert [m.training for m in new.modules()] == [m.training for m in network.modules()]


def test_a_run_directory_is_a_source_for_other_data(tmp_path):
    import burnish as bu

    bu.train(Plan(model="cnn", data=load("digits"), epochs=1), seeds=[0], out=tmp_path / "a")
    trained = next((tmp_path / "a").rglob("weights.safetensors"))
    rng = np.random.default_rng(0)
    data = load((rng.integers(0, 255, (60, 8, 8, 1), dtype=np.uint8), np.arange(60) % 2), modality="image")
    built = Plan(model="cnn", data=data).then(Transfer(source=str(tmp_path / "a"))).build(0)
    from safetensors.torch import load_file

    assert torch.equal(built.state_dict()["0.weight"], load_file(trained)["0.weight"])
    with pytest.raises(NotApplicable, match="trained on these data"):
        Plan(model="cnn", data=load("digits")).then(Transfer(source=str(tmp_path / "a")))


def test_the_key_follows_the_file(file):
    before = plan().then(Transfer(source=file[0])).key
    save_file({n: t + 1 if t.is_floating_point() else t for n, t in file[1].state_dict().items()}, file[0])
    assert plan().then(Transfer(source=file[0])).key != before


def test_freezing_alone_fits_a_trained_network():
    torch.manual_seed(0)
    trained = Plan(model=Net(3, 4), data=pictures(), epochs=1, batch_size=8)
    head = fit(trained.then(Transfer(freeze="body"), EMA()), seed=0, device="cpu").model
    assert torch.equal(head.stem.weight, trained.build(0).stem.weight)
    with pytest.raises(NotApplicable, match="as it is"):
        trained.then(Transfer())
    with pytest.raises(UsageError, match="no parameter begins with 'nowhere'"):
        trained.then(Transfer(freeze="nowhere"))

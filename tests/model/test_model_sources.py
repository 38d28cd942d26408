"""Sources of networks: what is accepted, what travels, what identifies."""

import functools
import json
import subprocess
import sys
import types

import pytest
import torch
from model_data import image_data
from torch import nn

from burnish.errors import UsageError
from burnish.model.sources import ModelSource, as_source
from burnish.model.zoo import ZOO, cnn

FILE = """
import torch
from torch import nn
import helper

class Net(nn.Module):
    def __init__(self, num_classes=7):
        super().__init__()
        self.layer = nn.Linear(helper.WIDTH, num_classes)

    def forward(self, x):
        return self.layer(x.flatten(1)[:, : helper.WIDTH])

def make(outputs, inputs, depth=1):
    return Net(outputs)

def nothing():
    return Net(3)

def odd(banana):
    return Net(3)

def broken():
    raise RuntimeError("no luck")

def number():
    return 3
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "helper.py").write_text("WIDTH = 5\n")
    path = tmp_path / "net.py"
    path.write_text(FILE)
    return path


def test_factories_are_given_the_names_they_ask_for(file):
    for name, width in (("make", 4), ("nothing", 3), ("Net", 4)):
        network = as_source(f"{file}:{name}").create((1, 8, 8), 4)
        assert network.layer.out_features == width
    assert as_source(lambda in_channels, num_classes: nn.Conv2d(in_channels, num_classes, 1)).create((3, 4, 4), 2)
    assert (
        as_source(lambda vocabulary: nn.Embedding(vocabulary, 2)).create((5,), 2, {"vocabulary": 9}).num_embeddings == 9
    )
    narrow = as_source(functools.partial(cnn, width=4)).create((1, 8, 8), 3)
    assert narrow[0].out_channels == 4


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("net.py:absent", "there is no 'absent' in it; it defines Net, make"),
        ("absent.py:make", "there is no file"),
        ("net.py:odd", "wants banana; Burnish can give"),
        ("net.py:broken", "no luck"),
        ("net.py:number", "returned a int"),
        ("resnet5000", "unknown network 'resnet5000'; the zoo has mlp"),
        ("no_such_package.models:net", "cannot import no_such_package.models"),
        ("timm:resnet18", "pip install timm"),
    ],
)
def test_what_cannot_be_used_is_explained(text, message, file, monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(UsageError, match=message):
        as_source(text.replace("net.py", str(file))).create((1, 8, 8), 4)


def test_a_file_that_fails_is_named(tmp_path):
    (tmp_path / "bad.py").write_text("import no_such_thing\n")
    with pytest.raises(UsageError, match="bad.py fails when it is loaded: ModuleNotFoundError"):
        as_source(f"{tmp_path}/bad.py:make")
    with pytest.raises(UsageError, match="is no network"):
        as_source(3)


def test_a_module_is_trained_and_copied_each_time():
    module = nn.Sequential(nn.Flatten(), nn.Linear(64, 3))
    source = as_source(module)
    first, second = source.create((1, 8, 8), 3), source.create((1, 8, 8), 3)
    assert source.trained
    assert torch.equal(first[1].weight, module[1].weight)
    assert len({id(n[1].weight) for n in (module, first, second)}) == 3
    assert as_source(source) is source
    assert as_source(nn.DataParallel(module)).module is module


def test_the_default_fits_the_data():
    assert as_source(None, image_data()).name == "cnn"
    assert as_source(None, image_data(size=24)).name == "resnet"
    with pytest.raises(UsageError, match="is no network"):
        as_source(None)


def test_identity_follows_the_source_text_and_the_weights(file):
    before = as_source(f"{file}:make").identity()
    assert as_source(f"{file}:make").identity() == before != as_source(f"{file}:nothing").identity()
    file.write_text(FILE.replace("depth=1", "depth=2"))
    assert as_source(f"{file}:make").identity() != before
    module = nn.Linear(2, 2)
    same = as_source(module).identity()
    assert as_source(module).identity() == same
    with torch.no_grad():
        module.weight[0, 0] += 1
    assert as_source(module).identity() != same
    assert as_source(functools.partial(cnn, width=4)).identity() != as_source("cnn").identity()
    assert as_source(lambda: nn.Linear(1, 1)).identity() == as_source(lambda: nn.Linear(1, 1)).identity()


def test_identity_holds_what_a_factory_carries_along():
    def within(width):
        return lambda: nn.Linear(width, 3)

    assert as_source(within(2)).identity() == as_source(within(2)).identity() != as_source(within(4)).identity()
    shape = functools.partial(cnn, (1, 8, 8))
    assert as_source(shape).create((3, 16, 16), 3)[0].in_channels == 1
    assert as_source(functools.partial(cnn, (3, 8, 8))).identity() != as_source(shape).identity()


def test_portable_is_what_another_process_can_find(file):
    class Local(nn.Module):
        pass

    assert as_source("cnn").portable
    assert as_source(f"{file}:make").portable
    assert as_source(functools.partial(cnn, width=4)).portable
    assert as_source(nn.Linear(2, 2)).portable
    assert not as_source(lambda: nn.Linear(2, 2)).portable
    assert not as_source(Local()).portable
    assert not as_source(functools.partial(cnn, width=nn.Linear)).portable
    with pytest.raises(UsageError, match="other processes cannot find"):
        as_source(Local()).save(file.parent / "saved")


def test_sources_travel_to_another_process(file, tmp_path):
    module = as_source(f"{file}:make").create((1, 8, 8), 3)
    sources = [
        as_source(f"{file}:make"),
        as_source("cnn"),
        as_source(functools.partial(cnn, width=4)),
        as_source(module),
    ]
    saved = [source.save(tmp_path / str(number)) for number, source in enumerate(sources)]
    script = (
        "import json, sys, torch\n"
        "from burnish.model.sources import ModelSource\n"
        "for value in json.loads(sys.argv[1]):\n"
        "    source = ModelSource.from_json(value)\n"
        "    torch.manual_seed(1)\n"
        "    network = source.create((1, 8, 8), 3)\n"
        "    total = sum(p.double().sum() for p in network.parameters()).item()\n"
        "    print(json.dumps([source.name, source.trained, source.identity(), round(total, 6)]))\n"
    )
    command = [sys.executable, "-c", script, json.dumps(saved)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path)
    for source, line in zip(sources, result.stdout.splitlines(), strict=True):
        torch.manual_seed(1)
        total = sum(p.double().sum() for p in source.create((1, 8, 8), 3).parameters()).item()
        assert json.loads(line) == [source.name, source.trained, source.identity(), round(total, 6)]


def test_what_was_only_described_must_be_given_again():
    with pytest.raises(UsageError, match="give it again"):
        ModelSource.from_json(json.loads(json.dumps(as_source(nn.Linear(2, 2)).to_json())))
    with pytest.raises(UsageError, match="give the network again"):
        ModelSource.from_json(as_source(lambda: nn.Linear(2, 2)).to_json())


def test_timm_is_asked_for_classes_and_channels(monkeypatch):
    fake = types.ModuleType("timm")
    fake.list_models = lambda: ["tiny"]
    fake.create_model = lambda name, num_classes, in_chans: nn.Conv2d(in_chans, num_classes, 1)
    monkeypatch.setitem(sys.modules, "timm", fake)
    network = as_source("timm:tiny").create((3, 8, 8), 5)
    assert (network.in_channels, network.out_channels) == (3, 5)
    with pytest.raises(UsageError, match="timm has no architecture 'huge'"):
        as_source("timm:huge").create((3, 8, 8), 5)


def test_the_zoo_is_found_by_every_name():
    for name, factory in ZOO.items():
        source = as_source(name)
        again = ModelSource.from_json(json.loads(json.dumps(source.to_json())))
        assert source.name == again.name == name
        assert source.factory is again.factory is getattr(factory, "func", factory)
        assert source.arguments == again.arguments == getattr(factory, "keywords", {})

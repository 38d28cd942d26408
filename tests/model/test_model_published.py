"""Published networks of the zoo: their sizes, and torchvision's outputs for torchvision's weights."""

import importlib
import importlib.util
import json
from pathlib import Path

import pytest
import torch
from torch import nn

from burnish.errors import UsageError
from burnish.model.sources import ModelSource, as_source
from burnish.model.zoo import PUBLISHED, ZOO, form_of
from burnish.pipeline.commands.look import inspect_network
from burnish.pipeline.recipe import Recipe

HERE = Path(__file__).parents[2] / "benchmarks" / "coverage"  # has what lets torchvision be imported here
COUNTS = {  # torchvision's tables; those of 10 classes by the papers' layer lists
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnext50_32x4d": 25_028_904,
    "resnext101_32x8d": 88_791_336,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
}
MILLIONS = {  # as the papers print them
    "resnet20": 0.27,
    "resnet32": 0.46,
    "resnet44": 0.66,
    "resnet56": 0.85,
    "densenet100_k12": 0.8,
    "resnext29_8x64d": 34.4,
}
EQUAL = [
    *("resnet18", "densenet121"),
    *(pytest.param(n, marks=pytest.mark.slow) for n in COUNTS if n not in ("resnet18", "densenet121")),
]


def on_meta(name):
    shape = ((3, 32, 32), 10) if form_of(name).small else ((3, 224, 224), 1000)
    with torch.device("meta"):
        return ZOO[name](inputs=shape[0], outputs=shape[1])


def count(network):
    return sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize("name", COUNTS)
def test_parameters_are_those_published(name):
    assert count(on_meta(name)) == COUNTS[name]


@pytest.mark.parametrize("name", MILLIONS)
def test_parameters_are_those_of_the_papers(name):
    millions = MILLIONS[name]
    digits = len(str(millions).partition(".")[2])
    assert round(count(on_meta(name)) / 1e6, digits) == millions


def test_every_published_network_is_counted():
    assert {*COUNTS, *MILLIONS} | {"densenet22_k8"} == set(PUBLISHED)
    convolutions = [m for m in on_meta("densenet22_k8").modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) + 1 == 22  # and the classifier
    assert sum(m.kernel_size == (3, 3) and m.out_channels == 8 for m in convolutions) == 9


@pytest.mark.parametrize("name", EQUAL)
def test_torchvisions_weights_give_torchvisions_outputs(name, monkeypatch):
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed: pip install --no-deps torchvision==0.28.0")
    monkeypatch.syspath_prepend(str(HERE))
    importlib.import_module("torchvision_on_cpu")
    models = importlib.import_module("torchvision.models")
    torch.manual_seed(0)
    theirs = getattr(models, name)().eval()
    with torch.no_grad():
        for buffer in theirs.buffers():
            if buffer.is_floating_point():
                buffer.add_(0.2 * torch.rand_like(buffer))
    ours = ZOO[name](inputs=(3, 64, 64), outputs=1000).eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        assert torch.allclose(ours(x), theirs(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", ["resnet20", "densenet22_k8", "resnet18"])
def test_small_ones_train_and_trace_on_any_channels(name):
    torch.manual_seed(0)
    network = as_source(name).create((1, 16, 16), 3)
    x = torch.randn(4, 1, 16, 16)
    network.train()(x).square().sum().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in network.parameters())
    with torch.inference_mode():
        outputs = network.eval()(x)
        assert outputs.shape == (4, 3)
        assert torch.allclose(torch.fx.symbolic_trace(network)(x), outputs, atol=1e-6)


def test_each_name_is_a_network_of_its_own_in_another_process():
    sources = [as_source(name) for name in PUBLISHED]
    assert all(source.portable for source in sources)
    assert len({source.identity() for source in sources}) == len(PUBLISHED)
    for source in sources:
        again = ModelSource.from_json(json.loads(json.dumps(source.to_json())))
        assert (again.name, again.arguments) == (source.name, source.arguments)


def test_inspect_needs_no_data():
    found = inspect_network(Recipe(network="densenet22_k8", data=None))
    assert found.layers[0].input_shape[1:] == (3, 32, 32)
    assert found.layers[-1].output_shape[1:] == (10,)


@pytest.mark.slow
@pytest.mark.parametrize(("name", "multiplications"), [("resnext50_32x4d", 4.230e9), ("densenet121", 2.834e9)])
def test_inspect_shows_imagenets_shape_and_the_published_operations(name, multiplications):
    found = inspect_network(Recipe(network=name, data=None))
    assert found.parameters == COUNTS[name]
    counted = sum(layer.operations for layer in found.layers if "Norm" not in layer.type)
    assert counted == pytest.approx(multiplications, rel=1e-3)


def test_misuse_is_explained():
    with pytest.raises(UsageError, match="densenet121 halves the image 5 times; 16x40 is too small"):
        ZOO["densenet121"](inputs=(3, 16, 40), outputs=10)
    with pytest.raises(UsageError, match="resnet50 takes images"):
        ZOO["resnet50"](inputs=(7,), outputs=10)

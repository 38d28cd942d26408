"""A trained network: its weights are kept, its splits are not resampled, the untouched network is shown beside."""

from dataclasses import replace

import pytest
import torch
from torch import nn

import burnish as bu
from burnish.pipeline.recipe import Recipe


@pytest.fixture(scope="module")
def data() -> bu.Data:
    return bu.load("digits")


@pytest.fixture(scope="module")
def trained(data) -> nn.Module:
    def make() -> nn.Module:
        return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 10))

    return bu.train(bu.Plan(model=make, data=data, epochs=10), seeds=[0]).model(0)


def test_the_job_improves_or_keeps_a_trained_network(trained, data, tmp_path) -> None:
    before = {k: v.clone() for k, v in trained.state_dict().items()}
    plan = bu.Plan(model=trained, data=data, epochs=2)
    recipe = Recipe(budget="quick", only=("LabelSmoothing", "Mixup"))
    report = bu.run(recipe, out=tmp_path / "run", plan=plan)
    assert all(torch.equal(before[k], v) for k, v in trained.state_dict().items())
    assert report["data"]["scheme"] == "fixed"
    assert report["baseline"]["trained"] is True
    untouched = report["baseline"]["untouched"]
    assert untouched == pytest.approx(score_of(trained, data))
    assert report["test"]["openings"] == 1


def score_of(model: nn.Module, data: bu.Data) -> float:
    from burnish.evaluation.predict import predict

    outputs = predict(model, data.validation, data.preparation)
    return data.task.primary(data.task.decode(outputs), data.validation.targets)


def test_the_replicates_of_a_trained_network_keep_validation(trained, data, tmp_path) -> None:
    from burnish.pipeline.setup import base_plan

    plan = base_plan(Recipe(), data, bu.Plan(model=trained, data=data).source)
    other = plan.data.replicate(5)
    assert (other.validation_rows == data.validation_rows).all()
    assert set(other.train_rows) < set(data.train_rows)


def test_a_checkpoint_starts_from_its_weights(trained, tmp_path) -> None:
    from burnish.exporting.safetensors import save_weights

    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n"
        "def make_net(outputs):\n"
        "    return nn.Sequential(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, outputs))\n"
    )
    save_weights(trained, tmp_path / "weights.safetensors")
    from burnish.pipeline.setup import base_plan, load_data

    recipe = replace(Recipe(), network=f"{tmp_path}/net.py:make_net", checkpoint=str(tmp_path / "weights.safetensors"))
    plan = base_plan(recipe, load_data(recipe))
    assert plan.source.trained
    assert torch.equal(plan.build(0)[1].weight, trained[1].weight)

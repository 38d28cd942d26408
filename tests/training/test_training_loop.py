"""The loop: same seed same bits, resume to the bit, best weights, averages, divergence."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from burnish.data import load
from burnish.evaluation.predict import predict
from burnish.plan import Averaging, Optimizer, Plan, Stopping
from burnish.training import fit

SHADOWS = [Averaging(decay=0.9), Averaging(kind="swa", start=0.5)]


@pytest.fixture(scope="module")
def plan() -> Plan:
    data = load("digits")
    small = replace(data, train_rows=data.train_rows[:128], validation_rows=data.validation_rows[:200])
    return Plan(model="cnn", data=small, epochs=3, batch_size=32, optimizer=Optimizer(lr=3e-3))


def states_equal(a: nn.Module, b: nn.Module) -> bool:
    return all(torch.equal(x, y) for x, y in zip(a.state_dict().values(), b.state_dict().values(), strict=True))


def test_same_seed_gives_the_same_bits_and_another_seed_does_not(plan: Plan) -> None:
    first, second, other = (fit(plan, seed=s) for s in (1, 1, 2))
    assert states_equal(first.model, second.model)
    assert first.curves == second.curves
    assert not states_equal(first.model, other.model)


def test_the_result_does_not_depend_on_global_random_state(plan: Plan) -> None:
    torch.manual_seed(5)
    first = fit(plan, seed=1)
    torch.manual_seed(6)
    np.random.rand(3)  # noqa: NPY002
    assert states_equal(first.model, fit(plan, seed=1).model)


def test_an_interrupted_training_goes_on_bit_for_bit(plan: Plan, tmp_path) -> None:
    whole = fit(plan, seed=3, shadows=SHADOWS)

    class KilledError(Exception):
        pass

    def kill(line: dict) -> None:
        if line["epoch"] == 3:
            raise KilledError

    file = tmp_path / "state.pt"
    with pytest.raises(KilledError):
        fit(plan, seed=3, shadows=SHADOWS, checkpoint=file, on_epoch=kill)
    assert file.exists()
    resumed = fit(plan, seed=3, shadows=SHADOWS, checkpoint=file)
    assert states_equal(whole.model, resumed.model)
    for kind in ("ema", "swa"):
        assert states_equal(whole.shadows[kind], resumed.shadows[kind])
    assert np.array_equal(whole.epoch_outputs, resumed.epoch_outputs)
    assert [c["train_loss"] for c in whole.curves] == [c["train_loss"] for c in resumed.curves]


def test_training_learns(plan: Plan) -> None:
    curves = fit(replace(plan, epochs=8), seed=0).curves
    assert curves[-1]["train_loss"] < 0.5 * curves[0]["train_loss"]
    assert curves[-1]["accuracy"] > 0.6


def test_stopping_ends_on_the_best_weights(plan: Plan) -> None:
    stopped = replace(plan, epochs=12, optimizer=Optimizer(lr=0.02), stopping=Stopping(patience=2))
    fitted = fit(stopped, seed=0)
    data = plan.data
    outputs = predict(fitted.model, data.validation, data.preparation)
    score = data.task.primary(data.task.decode(outputs), data.validation.targets)
    assert score == pytest.approx(max(c["accuracy"] for c in fitted.curves), abs=1e-9)


def test_the_average_is_the_recursion_it_claims_to_be(plan: Plan) -> None:
    from burnish.training.averaging import Average

    model = nn.Linear(2, 1)
    average = Average(model, decay=0.9)
    expected = model.weight.detach().clone()
    for step in range(1, 30):
        with torch.no_grad():
            model.weight.add_(0.1 * step)
        decay = min(0.9, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * model.weight.detach()
        average.update(model)
    torch.testing.assert_close(average.network(model).weight, expected)


def test_batch_statistics_are_the_mean_over_the_batches() -> None:
    from burnish.training.averaging import reestimate_batch_norm

    norm = nn.BatchNorm1d(3)
    batches = [torch.randn(16, 3, generator=torch.Generator().manual_seed(i)) for i in range(4)]
    assert reestimate_batch_norm(norm, batches)
    torch.testing.assert_close(norm.running_mean, torch.stack([b.mean(0) for b in batches]).mean(0))
    torch.testing.assert_close(norm.running_var, torch.stack([b.var(0) for b in batches]).mean(0))
    assert norm.momentum == 0.1
    assert not reestimate_batch_norm(nn.Linear(2, 2), batches)


def test_a_diverging_run_is_recorded_not_raised(plan: Plan) -> None:
    fitted = fit(replace(plan, optimizer=Optimizer(name="sgd", lr=1e9)), seed=0)
    assert fitted.status == "diverged"


def test_a_given_model_is_not_modified(plan: Plan) -> None:
    model = plan.build(0)
    before = copy.deepcopy(model)
    fitted = fit(plan, seed=0, model=model)
    assert states_equal(model, before)
    assert not states_equal(model, fitted.model)


def test_frozen_parameters_stay(plan: Plan) -> None:
    model = plan.build(0)
    fitted = fit(replace(plan, freeze=("0.",), epochs=1), seed=0, model=model)
    assert torch.equal(model[0].weight, fitted.model[0].weight)
    assert not torch.equal(model[2].weight, fitted.model[2].weight)


def test_data_may_change_from_epoch_to_epoch(plan: Plan) -> None:
    """Progressive resizing (Howard 2018) as a batch transform: small images first, whole ones at the end."""
    seen: list[tuple[int, int]] = []

    def resized(inputs: torch.Tensor, targets: torch.Tensor, context) -> tuple[torch.Tensor, torch.Tensor]:
        size = 4 if context.progress < 0.5 else 8
        seen.append((context.epoch, size))
        small = nn.functional.interpolate(inputs, size=(size, size))
        return nn.functional.interpolate(small, size=(8, 8)), targets

    fitted = fit(replace(plan, epochs=4).edit_batch(resized), seed=0)
    assert fitted.status == "done"
    assert {size for epoch, size in seen if epoch < 2} == {4}
    assert {size for epoch, size in seen if epoch >= 2} == {8}


def test_batch_statistics_are_estimated_on_mixed_classes(plan: Plan) -> None:
    """Rows sorted by class are common; batches of one class would give statistics that are wrong for all others."""
    from burnish.training.loop import calibration_batches

    data = plan.data
    by_class = replace(data, train_rows=data.train_rows[np.argsort(data.train.targets, kind="stable")])
    rows = {data.inputs[row].tobytes(): int(data.targets[row]) for row in by_class.train_rows}
    first = calibration_batches(by_class, 32, torch.device("cpu"))[0]
    stored = first * torch.tensor(data.preparation.std).view(1, -1, 1, 1)
    stored = (stored + torch.tensor(data.preparation.mean).view(1, -1, 1, 1)).round().to(torch.uint8)
    classes = {rows[image.permute(1, 2, 0).numpy().tobytes()] for image in stored}
    assert len(first) == 32
    assert len(classes) > 5


def test_swa_is_the_mean_that_torch_takes_and_its_statistics_are_estimated_anew(plan: Plan) -> None:
    from torch.optim.swa_utils import AveragedModel, update_bn

    from burnish.training.feed import steps_per_epoch
    from burnish.training.loop import calibration_batches

    torch.manual_seed(0)
    normed = nn.Sequential(nn.Flatten(), nn.Linear(64, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 10))
    swa = replace(plan, epochs=4, average=Averaging(kind="swa", start=0.75))
    steps, reference, seen = steps_per_epoch(len(plan.data.train), plan.batch_size), AveragedModel(normed), []

    def look(network: nn.Module) -> None:
        seen.append(1)
        if len(seen) in (3 * steps, 4 * steps):
            reference.update_parameters(network)

    fitted = fit(swa, seed=0, model=normed, device="cpu", on_step=look)
    update_bn(calibration_batches(plan.data, plan.batch_size, torch.device("cpu")), reference)
    assert fitted.shadows == {}
    for name, value in reference.module.state_dict().items():
        torch.testing.assert_close(fitted.model.state_dict()[name], value)


@pytest.mark.parametrize(
    ("rule", "epochs"),
    [
        (Stopping(patience=100, threshold=0.0), 1),  # good enough from the start
        (Stopping(patience=100, divergence=1.0), 1),  # never good enough
        (Stopping(patience=100, seconds=0.0), None),  # the first epoch without improvement
        (Stopping(patience=100, threshold=2.0, divergence=-1.0, seconds=1e9), 6),
    ],
)
def test_stopping_by_threshold_divergence_and_time(plan: Plan, rule: Stopping, epochs: int | None) -> None:
    tiny = replace(plan, model="mlp", epochs=6, stopping=rule)
    curves = fit(tiny, seed=0, device="cpu").curves
    if epochs is not None:
        assert len(curves) == epochs
    else:
        scores = [line["accuracy"] for line in curves]
        best = [max(scores[: i + 1]) for i in range(len(scores))]
        assert len(scores) in (1, 6) or all(a < b for a, b in zip(best[:-2], best[1:-1], strict=True))

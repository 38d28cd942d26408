"""How far the members of an exported ensemble of values are apart, as `burnish predict` says it."""

import numpy as np
import pytest
import torch
from torch import nn

import burnish as bu
from burnish.ensembling.combination import Combination
from burnish.ensembling.network import EnsembleNetwork
from burnish.exporting.package import ModelPackage, predict_files, write_package
from burnish.exporting.runtime import run, run_all
from burnish.model.build import probe_inputs
from burnish.pipeline.ensembles import export_whole


@pytest.mark.parametrize("method", ["average", "stack"])
def test_predictions_carry_the_deviation_of_the_members_in_the_targets_unit(tmp_path, method) -> None:
    generator = np.random.default_rng(0)
    x = generator.normal(size=(60, 4)).astype(np.float32)
    y = 30 + 7 * x[:, 0] + generator.normal(size=60)
    data = bu.load((x, y), task="regression", validation=20, test=0)
    torch.manual_seed(0)
    members = [nn.Linear(4, 1) for _ in range(3)]
    combination = Combination(
        method=method,
        kind="regression",
        weights=(0.5, 0.25, 0.25),
        coefficients=((0.6, 0.3, 0.2),) if method == "stack" else (),
        intercepts=(0.1,) if method == "stack" else (),
    )
    network = EnsembleNetwork(members, combination).eval()
    export_whole(network, probe_inputs(data), tmp_path / "model.onnx")
    write_package(tmp_path, ModelPackage(task=data.task, preparation=data.preparation))
    np.savez(tmp_path / "new.npz", inputs=x[:10])
    rows = predict_files(tmp_path, [tmp_path / "new.npz"])
    inputs = torch.from_numpy(data.preparation.network_input(x[:10]))
    with torch.no_grad():
        values = np.stack([data.task.decode(member(inputs).numpy()) for member in members])
        whole = data.task.decode(network(inputs).numpy())
    np.testing.assert_allclose([row["prediction"] for row in rows], whole, rtol=1e-5)
    np.testing.assert_allclose([row["spread"] for row in rows], values.std(0, ddof=1), rtol=1e-4)
    assert len(run_all(tmp_path / "model.onnx", inputs.numpy())) == 2
    assert run(tmp_path / "model.onnx", inputs.numpy()).shape == (10, 1)  # what all else reads

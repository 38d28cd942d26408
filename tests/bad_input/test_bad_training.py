"""Trainings that do not end well: the cause and what to change in one line, and what was done so far is kept."""

import json
import warnings

import numpy as np
import pytest
from bad_input_files import write_arrays
from torch import nn

import burnish as bu
from burnish.errors import BurnishError
from burnish.ledger import Ledger
from burnish.plan import Optimizer

NAN = ("--optimizer", "sgd", "--lr", "1e6", "--epochs", 2)
SAYS = r"2 of 2 trainings of the baseline ended without a score: the loss was not finite any more in epoch \d at the "


def test_a_loss_that_becomes_nan(check_refused, tmp_path):
    says = SAYS + r"learning rate 1e\+06; give a smaller --lr, or leave it out"
    check_refused("train", *NAN, "--seeds", 2, "--out", tmp_path / "out", "--quiet", says=says, code=1)
    runs = list(Ledger(tmp_path / "out").runs())
    assert [run.status for run in runs] == ["diverged", "diverged"]
    assert (tmp_path / "out" / "report.html").exists()


def test_a_job_whose_every_baseline_diverges(check_refused, tmp_path):
    words = ("run", *NAN, "--budget", "quick", "--only", "Mixup", "--out", tmp_path / "out", "--quiet")
    says = SAYS.replace("2 of 2", "4 of 4")
    check_refused(*words, says=says, code=1)
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "ledger" / "runs").rglob("*")}
    check_refused(*words, says=says, code=1)  # the runs are kept, so the answer comes at once
    assert before == {path: path.stat().st_mtime_ns for path in (tmp_path / "out" / "ledger" / "runs").rglob("*")}


def test_what_would_train_is_named(check_refused, tmp_path):
    words = ("run", *NAN, "--budget", "quick", "--only", "BatchNorm", "--out", tmp_path / "out", "--quiet")
    check_refused(*words, says=r"with BatchNorm\(\) in the network it stays finite", code=1)


def test_a_comparison_without_a_score(check_refused, tmp_path):
    words = ("compare", "cnn", "--data", "digits", "--with", "Mixup", *NAN, "--budget", "quick", "--quiet")
    check_refused(*words, says="3 of 3 trainings of the baseline ended without a score", code=1)


def test_a_diagnosis_without_a_score_still_says_why(burnish, tmp_path):
    words = ("diagnose", "--data", "digits", *NAN, "--budget", "quick", "--quiet", "--json")
    code, out, error = burnish(*words)
    assert (code, error) == (0, "")
    states = {finding["rule"]: finding["state"] for finding in json.loads(out)["findings"]}
    assert states["R12"] == "fires"


def test_python_gets_runs_without_a_score(digits):
    plan = bu.Plan(model="cnn", data=digits, epochs=1, optimizer=Optimizer(name="sgd", lr=1e6))
    runs = bu.train(plan, seeds=[0])
    assert (runs.score, runs[0].status) == (None, "diverged")
    assert "accuracy no score, diverged" in repr(runs)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        findings = bu.diagnose(plan, runs=runs)
    assert {finding.rule for finding in findings if finding.state == "fires"} >= {"R12"}


def test_a_network_that_fails_later_is_tried_again_once_it_is_mended(check_refused, burnish, tmp_path):
    """What was wrong lies in a module the network file imports, so that it is the same job afterwards."""
    (tmp_path / "net.py").write_text(
        "import sys\nfrom torch import nn\nimport burnish_test_steps\n"
        "class Net(nn.Sequential):\n"
        "    def forward(self, x):\n        burnish_test_steps.step(self.training)\n        return super().forward(x)\n"
        "def net(): return Net(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    helper = tmp_path / "burnish_test_steps.py"
    helper.write_text(
        "import pathlib\ndone = 0\n"
        "def step(training):\n    global done\n    done += training\n"
        f"    if done > 15 and not pathlib.Path({str(tmp_path)!r}, 'mended').exists():\n"
        "        raise RuntimeError('out of steps')\n"
    )
    out = tmp_path / "out"
    words = (
        "train",
        f"{tmp_path}/net.py:net",
        "--data",
        "digits",
        "--epochs",
        1,
        "--lr",
        0.01,
        "--out",
        out,
        "--quiet",
    )
    says = "every run of stage train failed; the first said: RuntimeError: out of steps; mend that and run the command"
    check_refused(*words, says=says, code=1)
    assert not [path for path in (out / "ledger" / "runs").rglob("*") if path.is_file()]
    (tmp_path / "mended").touch()
    assert burnish(*words)[0] == 0


def test_outputs_too_large_for_squares_can_be_quantized(tmp_path):
    """A collapsed network's outputs overflow float32 when squared; that is no reason to fail."""
    import torch

    from burnish.compression.quantize import quantize
    from burnish.exporting.onnx import export_onnx

    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
    with torch.no_grad():
        network[2].weight.mul_(1e25)
    rows = np.random.default_rng(0).normal(size=(40, 4)).astype(np.float32)
    export_onnx(network, torch.from_numpy(rows), tmp_path / "a.onnx")
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        found = quantize(tmp_path / "a.onnx", tmp_path / "b.onnx", rows, modality="table")
    assert np.isfinite(found.relative_error)


def test_a_final_training_that_diverges(check_refused, tmp_path, monkeypatch):
    from burnish.pipeline import worker

    def diverging(plan, ledger, payload, *, device, inner=worker.train_plan):
        if payload["stage"] == "finish":
            plan = bu.Plan(model=plan.model, data=plan.data, epochs=1, optimizer=Optimizer(name="sgd", lr=1e30))
        return inner(plan, ledger, payload, device=device)

    monkeypatch.setattr(worker, "train_plan", diverging)
    data = write_arrays(tmp_path / "a.npz")
    words = ("run", "--data", data, "--epochs", 1, "--lr", 0.01, "--budget", "quick", "--only", "Mixup", "--quiet")
    says = "1 of 1 trainings of the baseline ended without a score"
    check_refused(*words, "--out", tmp_path / "out", says=says, code=1)


@pytest.mark.parametrize("error", [BurnishError("stop"), RuntimeError("boom")])
def test_a_run_that_fails_leaves_no_files(tmp_path, error):
    ledger = Ledger(tmp_path)

    def fill():
        with ledger.filling("pilot-00-abc") as directory:
            (directory / "weights.safetensors").write_text("half")
            raise error

    with pytest.raises(type(error)):
        fill()
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]

"""Where runs are carried out: threads are settled once, and a run is the same whoever does it."""

import json
import pickle
import subprocess
import sys

import numpy as np
import pytest

from burnish.data import load
from burnish.errors import ExecutionError, UsageError
from burnish.ledger import Ledger
from burnish.pipeline import executors, parcel, remote, worker
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.running import spec
from burnish.pipeline.setup import named_loss
from burnish.pipeline.timing import candidates, fewest, steps_per_second, too_small
from burnish.plan import Plan
from burnish.training import loop

BASE = {"epochs": 4, "batch_size": 32, "optimizer": "adamw", "lr": 0.01, "rows": 1.0}
NETWORK = "from torch import nn\nfrom width import WIDTH\n\n\ndef make_net():\n    return nn.Sequential(nn.Flatten(), \
nn.Linear(64, WIDTH), nn.ReLU(), nn.Linear(WIDTH, 10))\n"
LOSS = "from torch import nn\n\n\ndef doubled(z, t):\n    return 2 * nn.functional.cross_entropy(z, t)\n"
ELSEWHERE = """
import pickle, sys
from burnish.pipeline.remote import work
shared, payload = pickle.load(sys.stdin.buffer)
pickle.dump(work(shared, payload), sys.stdout.buffer)
"""


@pytest.fixture(scope="module")
def plan():
    return Plan(model="cnn", data=load("digits", max_rows=200))


def payload(**more):
    return spec("screen", 0, base=BASE, techniques=["Mixup(alpha=0.2)", "SAM(rho=0.05)"], split=3, seed=5, **more)


def contents(ledger, run_id):
    """The parts of a run that must not depend on who did it."""
    run = json.loads((ledger.run_directory(run_id) / "result.json").read_text())
    with np.load(ledger.run_directory(run_id) / "predictions.npz") as arrays:
        found = {name: arrays[name].tobytes() for name in arrays.files}
    return {key: run[key] for key in ("scores", "train_scores", "readouts", "curves", "plan_key", "data")}, found


# -- threads ------------------------------------------------------------------------------------------------------


def settled(plan, ledger, scratch, **recipe):
    with executors.executor(plan, Recipe(**recipe), ledger, scratch) as found:
        return found


def test_threads_are_measured_once_and_kept_whatever_comes_later(plan, tmp_path, monkeypatch):
    ledger = Ledger(tmp_path / "run")
    monkeypatch.setattr(executors, "cores", lambda: 4)
    monkeypatch.setattr(executors, "too_small", lambda plan: False)
    monkeypatch.setattr(executors, "measured_rates", lambda pool, ways: {1: [9, 10], 2: [30, 28], 4: [31, 30]})
    first = settled(plan, ledger, tmp_path / "a", workers=3)
    assert (first.workers, first.threads) == (3, 2)
    assert "30 with 2 each" in first.note
    monkeypatch.setattr(executors, "measured_rates", None)  # not called again
    monkeypatch.setattr(executors, "cores", lambda: 16)
    again = settled(plan, ledger, tmp_path / "b")
    assert (again.workers, again.threads, again.note) == (8, 2, "")


def test_ways_to_use_the_cores():
    assert candidates(6) == [(6, 1), (3, 2), (1, 4)]
    assert candidates(64)[0] == (12, 1)
    assert fewest({1: [100.0, 100.0], 2: [300.0, 124.0]}) == 1, "one lucky round must not decide"
    assert fewest({1: [0.0, 0.0], 2: [0.0, 0.0]}) == 1
    assert fewest({1: [100.0, 90.0], 2: [126.0, 130.0], 4: [200.0, 220.0]}) == 4


def test_nothing_is_measured_for_small_networks(plan, tmp_path, monkeypatch):
    monkeypatch.setattr(executors, "cores", lambda: 16)
    monkeypatch.setattr(executors, "measured_rates", None)
    found = settled(plan, Ledger(tmp_path / "run"), tmp_path / "a")
    assert (found.threads, found.workers) == (1, 16)
    resnet = Plan(model="resnet", data=plan.data, batch_size=256)
    assert not too_small(resnet)


def test_the_rate_is_measured_without_changing_anything(plan, monkeypatch):
    import torch

    asked, before = [], torch.get_num_threads()
    monkeypatch.setattr(torch, "set_num_threads", asked.append)
    assert steps_per_second(plan, device="cpu", threads=before + 1, seconds=0.0) > 0
    assert asked == [before + 1, before]


# -- other machines -----------------------------------------------------------------------------------------------


def test_a_run_elsewhere_is_the_same_bit_for_bit_and_leaves_nothing(tmp_path):
    here = tmp_path / "here"
    here.mkdir()
    (here / "net.py").write_text(NETWORK)
    (here / "width.py").write_text("WIDTH = 24\n")
    (here / "own.py").write_text(
        "from torch import nn\n\n\ndef doubled(z, t):\n    return 2 * nn.functional.cross_entropy(z, t)\n"
    )
    loss, scratch = named_loss(f"{here}/own.py:doubled"), tmp_path / "scratch"
    plan = Plan(model=f"{here}/net.py:make_net", data=load("digits", max_rows=200), loss=loss)
    shared = {
        "name": "x",
        "sign": "absent",
        "root": str(tmp_path / "driver"),
        "parcel": parcel.packed(plan, scratch=scratch),
        "threads": 1,
        "device": "cpu",
    }
    job, local, driver = payload(keep=True), Ledger(tmp_path / "local"), Ledger(tmp_path / "driver")
    with worker.held("here", plan):
        worker.work({"held": "here", "threads": 1, "device": "cpu", "root": str(local.root)}, job)
    sent = pickle.dumps((shared, remote.sent(driver, job)))
    for file in here.iterdir():
        file.unlink()
    (tmp_path / "tmp").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", ELSEWHERE], input=sent, capture_output=True, env=_environment(tmp_path / "tmp")
    )
    assert done.returncode == 0, done.stderr.decode()
    assert list((tmp_path / "tmp").iterdir()) == []
    summary = remote.received(driver, job["id"], pickle.loads(done.stdout))
    assert json.loads(json.dumps(summary))["status"] == "done"
    assert contents(driver, job["id"]) == contents(local, job["id"])
    files = [sorted(p.name for p in ledger.run_directory(job["id"]).iterdir()) for ledger in (driver, local)]
    assert files[0] == files[1]


def _environment(folder):
    import os

    return os.environ | {"TMPDIR": str(folder)}


def test_a_run_that_starts_from_another_brings_it_along(tmp_path):
    ledger = Ledger(tmp_path)
    for name in ("a", "b"):
        ledger.run_directory(name).mkdir(parents=True)
        (ledger.run_directory(name) / "result.json").write_text(name)
    assert remote.needs({"parent": "a", "parents": ["b"]}) == ["a", "b"]
    assert remote.sent(ledger, {"parent": "a"})["runs"] == {"a": {"result.json": b"a"}}
    assert remote.sent(ledger, {})["runs"] == {}


def test_other_versions_on_a_node_stop_the_job(plan, tmp_path, monkeypatch):
    packed = parcel.packed(plan, scratch=tmp_path)
    monkeypatch.setattr(parcel, "versions", lambda: packed["versions"] | {"torch": "0.1"})
    with pytest.raises(ExecutionError, match=r"torch 0\.1 \(driver: .*install the same ones"):
        parcel.unpacked(packed)


def test_a_network_that_cannot_travel_is_refused(tmp_path):
    from torch import nn

    plan = Plan(model=lambda: nn.Sequential(nn.Flatten(), nn.Linear(64, 10)), data=load("digits", max_rows=200))
    with pytest.raises(UsageError, match="cannot travel to a cluster: define it in a file"):
        settled(plan, Ledger(tmp_path / "run"), tmp_path / "scratch", on="ray")


# -- long runs ----------------------------------------------------------------------------------------------------


class KilledError(Exception):
    """In place of kill -9."""


def test_a_long_run_goes_on_inside_bit_for_bit(plan, tmp_path, monkeypatch):
    whole, broken, job = Ledger(tmp_path / "whole"), Ledger(tmp_path / "broken"), payload()
    worker.train_run(plan, whole, job, device="cpu")
    assert not (whole.path / "checkpoints").exists(), "a short run wrote a checkpoint"
    monkeypatch.setattr(worker, "CHECKPOINT_SECONDS", 0.0)
    epochs, train = [], loop._epoch

    def counted(*arguments):
        epochs.append(arguments[7])
        if len(epochs) == 3:
            raise KilledError
        return train(*arguments)

    monkeypatch.setattr(loop, "_epoch", counted)
    with pytest.raises(KilledError):
        worker.train_run(plan, broken, job, device="cpu")
    assert len(list((broken.path / "checkpoints").iterdir())) == 1
    worker.train_run(plan, broken, job, device="cpu")
    assert epochs == [0, 1, 2, 2, 3]
    assert contents(broken, job["id"]) == contents(whole, job["id"])
    assert list((broken.path / "checkpoints").iterdir()) == []

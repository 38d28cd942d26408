"""Two ranks give what one gives, but for rounding; a rank that goes away costs an attempt, not the job."""

import json
import subprocess
import sys

import numpy as np
import pytest
import ranks_jobs
import torch

from burnish.execution import Job
from burnish.execution.ranks import Ranks
from burnish.ledger import Ledger
from burnish.plan import Averaging
from burnish.training import fit
from burnish.training.ranks import ALONE, Group

CLOSE = {"rtol": 1e-3, "atol": 1e-4}


def test_parts_of_a_batch_hold_every_row_once_and_count_as_much_as_their_rows():
    x, y = torch.arange(30.0).reshape(15, 2), torch.arange(15)
    parts = [Group(rank=rank, size=4).part(x, y) for rank in range(4)]
    assert sorted(torch.cat([part[1] for part in parts]).tolist()) == list(range(15))
    assert all(torch.equal(part[0][:, 0], 2.0 * part[1]) for part in parts)
    mean = sum(float(part[0].mean()) * part[2] for part in parts) / 4
    assert mean == pytest.approx(float(x.mean()))
    small = Group(rank=1, size=4).part(x[:7], y[:7])
    assert torch.equal(small[0], x[:7])
    assert small[2] == 1.0


def test_alone_nothing_changes():
    x, y = torch.ones(3, 2), torch.arange(3)
    network = torch.nn.Linear(2, 2)
    assert ALONE.part(x, y) == (x, y, 1.0)
    assert ALONE.forward(network) is ALONE.prepared(network, torch.device("cuda")) is network
    assert ALONE.from_first(lambda: 7) == 7


def test_two_ranks_train_as_one_does(tmp_path):
    jobs = [
        Job(id=str(len(t)), payload={"techniques": t, "checkpoint": str(tmp_path / f"{len(t)}.pt")})
        for t in ([], list(ranks_jobs.TECHNIQUES))
    ]
    with Ranks(target="ranks_jobs:train", shared={}, sent={}, count=2) as ranks:
        found = dict(ranks.run(jobs))
    assert not torch.distributed.is_initialized()
    for job in jobs:
        result = found[job.id]
        assert "error" not in result, result
        alone = fit(ranks_jobs.plan(job.payload["techniques"]), seed=1, shadows=[Averaging(decay=0.9)])
        assert np.allclose(result["outputs"], alone.epoch_outputs, **CLOSE)
        losses = [[line["train_loss"] for line in curves] for curves in (result["curves"], alone.curves)]
        assert np.allclose(*losses, **CLOSE)
        for part, model in (("weights", alone.model), ("shadow", alone.shadows["ema"])):
            for name, value in model.state_dict().items():
                assert np.allclose(result[part][name], value.numpy(), **CLOSE), name
        assert (tmp_path / f"{job.id}.pt").exists(), "the first rank writes checkpoints"


@pytest.mark.slow
def test_a_rank_that_dies_is_replaced_and_a_job_that_raises_is_a_result(tmp_path):
    mark = str(tmp_path / "mark")
    jobs = [Job(id=do, payload={"do": do, "mark": mark}) for do in ("die", "raise", "work")]
    with Ranks(target="ranks_jobs:misbehave", shared={"a": 1}, sent={"a": 2}, count=2) as ranks:
        found = dict(ranks.run(jobs))
    assert (tmp_path / "mark").exists()
    assert found["die"] == found["work"] == {"rank": 0, "size": 2, "shared": {"a": 1}}
    assert found["raise"]["error"] == "ValueError: bad luck"


@pytest.mark.slow
def test_torchrun_and_ranks_give_the_same_runs_and_go_on(tmp_path):
    (tmp_path / "net.py").write_text(
        "from torch import nn\n\n\ndef net():\n    return nn.Sequential(nn.Flatten(), nn.Linear(64, 10))\n"
    )
    words = ["train", "net.py:net", "--data", "digits", "--epochs", "2", "--lr", "0.01", "--max-rows", "300", "--quiet"]
    module, torchrun = [sys.executable, "-m"], ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    for start, more in (([], ["--ranks", "2", "--out", "ranks"]), (torchrun, ["--out", "torchrun"])):
        for seeds in ("1", "2"):  # the second time goes on
            command = [*module, *start, "burnish", *words, *more, "--seeds", seeds]
            done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
            assert done.returncode == 0, done.stderr
    found = [
        {run.id: (run.scores, [line["train_loss"] for line in run.curves]) for run in Ledger(tmp_path / name).runs()}
        for name in ("ranks", "torchrun")
    ]
    assert len(found[0]) == 2
    assert json.dumps(found[0], sort_keys=True) == json.dumps(found[1], sort_keys=True)

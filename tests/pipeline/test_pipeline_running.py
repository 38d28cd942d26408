"""What becomes of runs that fail: their own fault is recorded, a full disk is not."""

import errno
import os

import pytest

from burnish.errors import BurnishError, ExecutionError, LedgerError
from burnish.execution import InProcess
from burnish.ledger import Ledger
from burnish.pipeline import worker
from burnish.pipeline.running import Runner, spec

BASE = {"epochs": 1}


def runner(root, carry_out, events=None):
    pool = InProcess(target=carry_out, context={})
    return Runner(Ledger(root), pool, (events if events is not None else []).append)


def specs(count):
    return [spec("screen", i, base=BASE, seed=i) for i in range(count)]


def test_a_failed_run_is_recorded_and_not_tried_again(tmp_path):
    tried = []

    def fail(context, payload):
        tried.append(payload["id"])
        raise ValueError("too wide")

    events = []
    runs = runner(tmp_path, fail, events).run(specs(2), may_fail=True)
    assert [(run.status, run.error) for run in runs] == [("failed", "ValueError: too wide")] * 2
    assert len([e for e in events if e["event"] == "note"]) == 2
    with pytest.raises(BurnishError, match=r"every run of stage screen failed.*too wide"):
        runner(tmp_path, fail).run(specs(2))
    assert len(tried) == 2


def test_a_full_disk_stops_the_job_and_is_no_result_of_the_run(tmp_path, monkeypatch):
    def full(*args, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(worker, "_base", lambda context: None)
    monkeypatch.setattr(worker, "train_run", full)

    def carry_out(context, payload):
        return worker.work({"root": str(tmp_path), "device": "cpu"}, payload)

    with pytest.raises(LedgerError, match=r"^could not keep run screen-00-.*No space left on device; free or choose"):
        runner(tmp_path, carry_out).run(specs(2))
    assert list(Ledger(tmp_path).runs()) == []


def test_a_file_that_the_network_misses_is_the_runs_own_fault(tmp_path, monkeypatch):
    def missing(*args, **options):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "vocabulary.txt")

    monkeypatch.setattr(worker, "_base", lambda context: None)
    monkeypatch.setattr(worker, "train_run", missing)

    def carry_out(context, payload):
        return worker.work({"root": str(tmp_path), "device": "cpu"}, payload)

    (run,) = runner(tmp_path, carry_out).run(specs(1), may_fail=True)
    assert run.status == "failed"
    assert "vocabulary.txt" in run.error


def test_a_worker_out_of_memory_says_so(tmp_path, monkeypatch):
    import torch

    monkeypatch.setattr(worker, "_base", lambda context: None)
    monkeypatch.setattr(worker, "train_run", lambda *args, **options: torch.empty(2**60))

    def carry_out(context, payload):
        return worker.work({"root": str(tmp_path), "device": "cpu"}, payload)

    (run,) = runner(tmp_path, carry_out).run(specs(1), may_fail=True)
    assert run.status == "failed"
    assert run.error.startswith("BurnishError: out of memory: ")
    assert run.error.endswith("use a smaller --batch-size, fewer --workers, or a smaller network")


def test_what_is_wrong_with_a_cluster_is_no_result_of_a_run(tmp_path):
    def carry_out(context, payload):
        raise ExecutionError("a node has other versions")

    with pytest.raises(ExecutionError, match="^a node has other versions"):
        runner(tmp_path, carry_out).run(specs(2))
    assert list(Ledger(tmp_path).runs()) == []

"""A worker that is killed, and a user who presses Ctrl-C: nothing lost, nothing left, the same numbers."""

import os
import signal

import pytest
from survival_jobs import Job, leftovers, outcome, wait_until

pytestmark = pytest.mark.slow
EPOCHS = 30  # long enough to be met in the middle of a run


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The outcome of a job that nobody disturbed."""
    job = Job(tmp_path_factory.mktemp("undisturbed") / "job", epochs=EPOCHS)
    assert job.finished() == 0, job.said()
    return outcome(job.root)


def names(job, pattern):
    return {path.name for path in (job.root / "ledger" / "runs").glob(pattern)}


def test_runs_of_killed_workers_are_tried_again(start, undisturbed):
    job, kills = start("job", "--workers", "1", epochs=EPOCHS), 0
    while kills < 6:
        abandoned, done = names(job, ".tmp-*"), len(names(job, "[a-z]*"))
        wait_until(lambda before=abandoned: names(job, ".tmp-*") - before, job.said)  # the next run begins
        for worker in job.workers():
            os.kill(worker, signal.SIGKILL)
            kills += 1
        # A run that is hit twice counts as failed.
        wait_until(lambda before=done: len(names(job, "[a-z]*")) >= before + 3, job.said)
    assert job.finished() == 0, job.said()
    assert outcome(job.root) == undisturbed
    assert leftovers(job.root) == []


@pytest.mark.parametrize("whole_group", [True, False])
def test_an_interrupted_job_goes_on(start, undisturbed, whole_group):
    for moment in ("prepare", "pilot 1/4", "screen 3/12", "compress", "export"):
        job = start("job", epochs=EPOCHS)
        job.wait_for(rf"\b{moment}\b")
        if whole_group:  # as a terminal does
            os.killpg(job.process.pid, signal.SIGINT)
        else:
            job.process.send_signal(signal.SIGINT)
        assert job.killed() == 130, job.said()
        assert "state kept in run; run the same command to go on" in job.said()
        assert "Traceback" not in job.said()
        assert leftovers(job.root) == []
    job = start("job", epochs=EPOCHS)
    assert job.finished() == 0, job.said()
    assert outcome(job.root) == undisturbed

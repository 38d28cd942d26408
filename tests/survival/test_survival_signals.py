"""A worker that is killed, and a user who presses Ctrl-C: nothing lost, nothing left, the same numbers."""

import os
import signal

import pytest
from survival_jobs import leftovers, outcome, wait_until

pytestmark = pytest.mark.slow
EPOCHS = 30  # long enough to be met in the middle of a run


@pytest.fixture
def undisturbed(start):
    job = start("undisturbed", epochs=EPOCHS)
    assert job.finished() == 0, job.said()
    return outcome(job.root)


def training(job):
    """The run that is under way, by its temporary directory; "" when there is none."""
    found = sorted(path.name for path in (job.root / "ledger" / "runs").glob(".tmp-*"))
    return found[0].removeprefix(".tmp-").rsplit("-", 2)[0] if found else ""


def test_runs_of_killed_workers_are_tried_again(start, undisturbed):
    job, hit = start("job", "--workers", "1", epochs=EPOCHS), []
    for _ in range(6):
        wait_until(lambda: training(job) not in ("", *hit) or job.process.poll() is not None, job.said)
        hit.append(training(job))
        for worker in job.workers():
            os.kill(worker, signal.SIGKILL)
    assert job.finished() == 0, job.said()
    assert outcome(job.root) == undisturbed
    assert {run for run in hit if (job.root / "ledger" / "runs" / run / "result.json").exists()} == set(hit)
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

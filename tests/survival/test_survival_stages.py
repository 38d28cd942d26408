"""kill -9 in every stage and at every kind of moment; in the end the numbers of an undisturbed job."""

import json
import random
import signal
import subprocess
from pathlib import Path

import pytest
from survival_jobs import Job, leftovers, outcome

from burnish.pipeline.main_job import STAGES

pytestmark = pytest.mark.slow
DRIVER = str(Path(__file__).with_name("survival_driver.py"))


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """Root and outcome of a job that nobody disturbed."""
    job = Job(tmp_path_factory.mktemp("undisturbed") / "job")
    assert job.finished() == 0, job.said()
    return job.root, outcome(job.root)


def check_end(start, expected):
    """Run the command once more, to the end."""
    job = start("job")
    assert job.finished() == 0, job.said()
    assert outcome(job.root) == expected
    assert leftovers(job.root) == []


@pytest.mark.parametrize("moment", ["start", "somewhere", "end"])
def test_killed_once_in_each_stage(start, undisturbed, moment):
    root, expected = undisturbed
    seconds = json.loads((root / "ledger" / "seconds.json").read_text())
    chance = random.Random(moment)
    for stage in STAGES:
        share = {"start": 0.0, "end": 1e3}.get(moment, chance.random())
        job = start("job", script=(DRIVER, stage, str(share * seconds[stage])))
        assert job.killed() == -signal.SIGKILL, job.said()
        done = [name for name in STAGES if (job.root / "ledger" / "stages" / f"{name}.json").exists()]
        assert done == list(STAGES)[: list(STAGES).index(stage)]  # and not this one
    check_end(start, expected)


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_after_some_renames_again_and_again(start, undisturbed, seed):
    chance, kills = random.Random(seed), 0
    while True:
        job = start("job", script=(DRIVER, "renamed", str(chance.randint(2, 9))))
        if job.killed() != -signal.SIGKILL:
            break
        kills += 1
    assert job.process.returncode == 0, job.said()
    assert kills > 3
    check_end(start, undisturbed[1])


@pytest.mark.parametrize("seed", [0, 1])
def test_killed_at_random_times(start, undisturbed, seed):
    chance, kills = random.Random(seed), 0
    while True:
        job = start("job")
        try:
            job.process.wait(timeout=chance.uniform(0, 4 * (kills + 2)))
            break
        except subprocess.TimeoutExpired:
            job.kill()
            kills += 1
    assert job.process.returncode == 0, job.said()
    assert kills
    check_end(start, undisturbed[1])

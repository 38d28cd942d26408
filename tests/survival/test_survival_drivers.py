"""Two commands on one directory, one after the other's death or beside it; and how much the workers' number matters."""

import signal

import pytest
from survival_jobs import leftovers, made, outcome

pytestmark = pytest.mark.slow


def test_the_second_of_two_drivers_is_refused_and_harms_nothing(start):
    first = start("job")
    first.wait_for(r"pilot 1/4")
    second = start("job")
    assert second.finished() == 1
    assert f"run is being worked on by process {first.process.pid} on " in second.said()
    assert second.said().count("\n") == 1, "one clear line"
    third = start("job")
    assert first.kill() == -signal.SIGKILL  # while the third one waits or starts
    assert third.finished() == 0, third.said()
    undisturbed = start("undisturbed")
    assert undisturbed.finished() == 0, undisturbed.said()
    assert outcome(third.root) == outcome(undisturbed.root)
    assert leftovers(third.root) == []


def test_of_two_drivers_started_at_once_one_works(start):
    both = [start("job"), start("job")]
    codes = sorted(job.finished() for job in both)
    assert codes == [0, 1], [job.said() for job in both]
    again = start("job")
    assert again.finished() == 0
    assert "run is done" in again.said()
    undisturbed = start("undisturbed")
    assert undisturbed.finished() == 0, undisturbed.said()
    assert outcome(again.root) == outcome(undisturbed.root)


def test_all_techniques_give_the_same_numbers_with_one_worker_and_with_three(start):
    only = "BatchNorm,GroupNorm,Augment,Mixup,Dropout,WeightDecay,Schedule,Activation,GradientClip,SAM,LabelSmoothing"
    jobs = [start(f"with {n}", "--workers", n, network="cnn", only=only, epochs=2) for n in "13"]
    assert [job.finished() for job in jobs] == [0, 0], [job.said() for job in jobs]
    # What ships is left out: it may hang on a latency that is close to its limit.
    assert made(jobs[0].root) == made(jobs[1].root)

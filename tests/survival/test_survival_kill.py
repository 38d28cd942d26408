"""kill -9 in the middle of a whole job, then the same command: the numbers of an undisturbed one."""

import pytest
from survival_jobs import leftovers, outcome

pytestmark = pytest.mark.slow  # by default a job that lost half of its runs is resumed, in tests/pipeline


def test_a_killed_job_ends_with_the_numbers_of_an_undisturbed_one(start):
    undisturbed = start("undisturbed", "--workers", "2")
    # Killed while a worker trains, and while models are exported, quantized and timed.
    for moment in (r"pilot 2/4", r"compress 2/2"):
        victim = start("victim", "--workers", "1")
        victim.wait_for(moment)
        victim.kill()
        assert not (victim.root / "report.json").exists()
    victim = start("victim", "--workers", "1")
    assert victim.finished() == 0, victim.said()
    assert undisturbed.finished() == 0, undisturbed.said()
    assert "already done" in victim.said()
    assert outcome(victim.root) == outcome(undisturbed.root)
    assert leftovers(victim.root) == leftovers(undisturbed.root) == []

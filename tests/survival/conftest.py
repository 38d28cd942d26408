import pytest
from survival_jobs import Job


@pytest.fixture
def start(tmp_path):
    """Start a job in folder `name` of the test's own; none of its processes outlives the test."""
    jobs = []

    def starter(name, *flags, **options):
        jobs.append(Job(tmp_path / name, *flags, **options))
        return jobs[-1]

    yield starter
    for job in jobs:
        job.process.kill()
        job.process.wait()

"""Jobs on a Ray cluster: the interface of the pool, arrays in and bytes back, nodes that go away."""

import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import execution_jobs
import numpy as np
import pytest

from burnish.errors import UsageError
from burnish.execution import Job
from burnish.execution.cluster import Cluster

ARRAY = np.arange(200_000, dtype=np.float32)


@pytest.fixture
def two_nodes(monkeypatch):
    """A cluster of two nodes on this machine; jobs of two CPUs run on the second one only."""
    utils = pytest.importorskip("ray.cluster_utils")
    monkeypatch.setenv("PYTHONPATH", f"{execution_jobs.__file__.rpartition('/')[0]}:{':'.join(filter(None, sys.path))}")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    yield cluster, cluster.add_node(num_cpus=2)
    cluster.shutdown()


def test_without_ray_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"--on ray` needs Ray, which is not installed: pip install 'burnish\[ray\]'"):
        Cluster(target="a:b", shared={})


def test_where_no_cluster_answers_that_is_said_at_once():
    pytest.importorskip("ray")
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    with pytest.raises(
        UsageError, match=rf"no Ray cluster can be used at '127.0.0.1:{free}': .*refused; start one with"
    ):
        Cluster(target="a:b", shared={}, address=f"127.0.0.1:{free}")


@pytest.mark.slow
def test_arrays_go_out_once_and_bytes_come_back_from_both_nodes(two_nodes):
    kept = {}

    def received(job_id, answer):
        kept[job_id] = answer.pop("file")
        return answer

    jobs = [Job(id=str(i), payload={"x": i}) for i in range(6)]
    target = "execution_jobs:weigh"
    with Cluster(target=target, shared={"array": ARRAY}, address=two_nodes[0].address, received=received) as cluster:
        assert cluster.workers == 3
        events = []
        found = dict(cluster.run(jobs, on_event=events.append))
    assert {key: value["sum"] for key, value in found.items()} == {str(i): float(ARRAY.sum()) + i for i in range(6)}
    assert all(value["read_only"] for value in found.values()), "the array was copied"
    assert kept == {str(i): bytes([i]) for i in range(6)}
    assert {event["event"] for event in events} == {"started", "finished"}


@pytest.mark.slow
def test_a_job_that_fails_or_dies_is_a_result_and_a_lost_node_is_none(two_nodes, tmp_path):
    cluster, node = two_nodes
    marks = tmp_path / "marks"
    marks.mkdir()
    jobs = [Job(id="bad", payload={"do": "fail"}), Job(id="dies", payload={"do": "die"})]
    with Cluster(target="execution_jobs:misbehave", shared={}, address=cluster.address, retries=1) as pool:
        found = dict(pool.run(jobs))
        assert found["bad"]["error"] == "ValueError: bad luck"
        assert "lost again and again" in found["dies"]["error"]
    waits = Job(id="waits", payload={"do": "wait", "marks": str(marks)})
    with (
        Cluster(target="execution_jobs:misbehave", shared={}, address=cluster.address, threads=2) as pool,
        ThreadPoolExecutor(1) as beside,
    ):
        results = beside.submit(lambda: dict(pool.run([waits])))
        while not list(marks.iterdir()):
            time.sleep(0.05)
        cluster.remove_node(node, allow_graceful=False)
        cluster.add_node(num_cpus=2)
        assert results.result() == {"waits": {"attempts": 2}}

"""The same job on a Ray cluster of two nodes, one of which is lost: the numbers of local workers."""

import pytest
from survival_jobs import leftovers, made

pytestmark = pytest.mark.slow
EPOCHS = 8


def names(job):
    return len(list((job.root / "ledger" / "runs").glob("[a-z]*/result.json")))


def test_a_job_on_a_cluster_that_loses_a_node(start):
    utils = pytest.importorskip("ray.cluster_utils")
    cluster = utils.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        node = cluster.add_node(num_cpus=1)
        job = start("cluster", "--on", cluster.address, epochs=EPOCHS)
        job.wait_for(r"screen 3/12")
        cluster.remove_node(node, allow_graceful=False)
        assert job.finished() == 0, job.said()
    finally:
        cluster.shutdown()
    alone = start("alone", "--workers", "2", epochs=EPOCHS)
    assert alone.finished() == 0, alone.said()
    assert made(job.root) == made(alone.root)
    assert leftovers(job.root) == []

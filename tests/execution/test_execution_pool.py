"""Workers: order of completion, staying alive, dying, retrying, and what comes back."""

import os
import signal
import sys
from pathlib import Path

import pytest

from burnish.execution import InProcess, Job, Pool, execute

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def _jobs_importable(monkeypatch):
    monkeypatch.syspath_prepend(str(HERE))


def pool(function, **options):
    return Pool(target=f"execution_jobs:{function}", **{"context": {}, **options})


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_results_of_all_jobs_by_id():
    jobs = [Job(id=str(i), payload={"x": i}) for i in range(20)]
    with pool("add", context={"base": 100}, workers=2) as workers:
        results = dict(workers.run(jobs))
    assert {name: result["sum"] for name, result in results.items()} == {str(i): 100 + i for i in range(20)}
    assert len({result["pid"] for result in results.values()} - {os.getpid()}) in (1, 2)


def test_workers_stay_alive_between_runs_and_end_with_the_pool():
    with pool("add", workers=1) as workers:
        first = dict(workers.run([Job(id="a", payload={"x": 1})]))["a"]["pid"]
        second = dict(workers.run([Job(id="b", payload={"x": 1})]))["b"]["pid"]
        assert first == second
        assert alive(first)
    assert not alive(first)


def test_order_is_that_of_completion(tmp_path):
    release = tmp_path / "release"
    slow = Job(id="slow", payload={"started": str(tmp_path / "s"), "release": str(release)})
    release_now = Job(id="quick", payload={"started": str(tmp_path / "q"), "release": str(HERE)})
    with pool("wait_for", workers=2) as workers:
        order = []
        for name, _ in workers.run([slow, release_now]):
            order.append(name)
            release.touch()
    assert order == ["quick", "slow"]


def test_threads_are_set_before_anything_is_imported():
    names = ["OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "VECLIB_MAXIMUM_THREADS"]
    with pool("environment", threads=3) as workers:
        ((_, result),) = workers.run([Job(id="a", payload={"names": names})])
    assert result == dict.fromkeys(names, "3")


def test_a_worker_sees_the_drivers_path_and_no_torch_of_ours(monkeypatch, tmp_path):
    (tmp_path / "json.py").write_text("raise RuntimeError('shadowed')")
    monkeypatch.chdir(tmp_path)
    with pool("where") as workers:
        ((_, result),) = workers.run([Job(id="a")])
    assert result["path"] == sys.path
    assert Path(result["cwd"]) == tmp_path.resolve()
    assert result["stdin"] == ""
    assert result["modules"] is False


def test_an_exception_is_a_result():
    with pool("fail") as workers:
        ((_, result),) = workers.run([Job(id="a")])
    assert result["error"] == "ValueError: bad luck"
    assert "execution_jobs.py" in result["traceback"]


@pytest.mark.parametrize("name", ["leave", "odd"])
def test_an_exit_or_an_unwritable_result_is_an_error_and_the_worker_goes_on(name):
    with pool(name) as workers:
        results = dict(workers.run([Job(id="a"), Job(id="b")]))
    assert all(("SystemExit" if name == "leave" else "TypeError") in r["error"] for r in results.values())


def test_a_target_that_does_not_exist_is_an_error_of_every_job():
    results = execute([Job(id="a"), Job(id="b")], "no_such_module:f", {}, workers=1)
    assert [r["error"] for r in results.values()] == ["ModuleNotFoundError: No module named 'no_such_module'"] * 2


def test_prints_do_not_break_the_protocol(capfd):
    with pool("chatter") as workers:
        results = dict(workers.run([Job(id=str(i)) for i in range(3)]))
    assert list(results.values()) == [{"said": True}] * 3
    assert capfd.readouterr() == ("", "")


def test_large_payloads_travel_both_ways():
    text = "ü" * 2_000_000
    with Pool(target="operator:or_", context={"context": text}) as workers:
        ((_, result),) = workers.run([Job(id="a", payload={"payload": text})])
    assert result == {"context": text, "payload": text}


def test_a_killed_worker_is_replaced_and_its_job_tried_again(tmp_path):
    events = []
    with pool("die") as workers:
        jobs = [Job(id="a", payload={"marks": str(tmp_path), "lives": 1})]
        ((_, result),) = workers.run(jobs, on_event=events.append)
    assert result == {"attempts": 2}
    assert [e["event"] for e in events] == ["started", "retried", "started", "finished"]


def test_a_job_that_always_kills_its_worker_is_an_error_and_the_others_are_done(tmp_path):
    deadly = Job(id="deadly", payload={"marks": str(tmp_path), "lives": 99})
    with pool("die") as workers:
        ((_, result),) = workers.run([deadly])
        assert "SIGKILL" in result["error"]
        assert "tried 2 times" in result["error"]
        assert "fewer workers" in result["error"]
        assert "about to go" in result["error"]
        ((_, result),) = workers.run([Job(id="fine", payload={"marks": str(tmp_path), "lives": 0})])
    assert result == {"attempts": 3}


def test_an_exit_code_is_named():
    results = execute([Job(id="a")], "execution_jobs:quit_quietly", {}, retries=0)
    assert results["a"]["error"] == "the worker process ended with code 7 (tried 1 times)"


def test_a_child_holding_the_pipe_does_not_hang_the_pool():
    results = execute([Job(id="a", payload={"seconds": 8})], "execution_jobs:fork_and_die", {}, retries=0)
    assert "SIGKILL" in results["a"]["error"]


def test_a_worker_that_dies_idle_costs_no_attempt():
    with pool("add", retries=0) as workers:
        ((_, result),) = workers.run([Job(id="a", payload={"x": 1})])
        os.kill(result["pid"], signal.SIGKILL)
        while workers._team[0].alive:
            pass
        ((_, again),) = workers.run([Job(id="b", payload={"x": 2})])
    assert again["sum"] == 2
    assert again["pid"] != result["pid"]


def test_leaving_the_loop_ends_the_jobs_under_way(tmp_path):
    started = tmp_path / "started"
    stuck = Job(id="stuck", payload={"started": str(started), "release": str(tmp_path / "never")})
    quick = Job(id="quick", payload={"started": str(tmp_path / "q"), "release": str(HERE)})
    with pool("wait_for", workers=2) as workers:
        for name, _ in workers.run([stuck, quick]):
            assert name == "quick"
            while not (started.exists() and started.read_text()):
                pass
            break
        assert not alive(int(started.read_text()))
        ((name, _),) = workers.run([quick])
    assert name == "quick"


def test_one_run_at_a_time():
    with pool("add", workers=1) as workers:
        jobs = [Job(id=str(i), payload={"x": i}) for i in range(3)]
        loop = workers.run(jobs)
        next(loop)
        with pytest.raises(RuntimeError, match="middle of another run"):
            workers.run(jobs)
        assert len(list(loop)) == 2
        assert len(list(workers.run(jobs))) == 3


def test_the_same_id_twice_is_refused():
    with pool("add") as workers, pytest.raises(ValueError, match="same id"):
        workers.run([Job(id="a"), Job(id="a")])


@pytest.mark.parametrize("option", ["workers", "threads"])
def test_counts_below_one_are_refused(option):
    with pytest.raises(ValueError, match=f"{option} must be at least 1, got 0"):
        pool("add", **{option: 0})


def test_in_process_gives_what_workers_give():
    jobs = [Job(id="a", payload={"x": 1, "t": (1, 2)}), Job(id="b", payload={}), Job(id="c", payload={"x": 3})]

    def without_pid(results):
        return {k: {key: v for key, v in r.items() if key not in ("pid", "traceback")} for k, r in results.items()}

    here = execute(jobs, "execution_jobs:add", {"base": 1}, workers=0)
    there = execute(jobs, "execution_jobs:add", {"base": 1}, workers=1)
    assert without_pid(here) == without_pid(there)
    assert here["b"]["error"] == "KeyError: 'x'"
    assert here["a"]["pid"] == os.getpid()


def test_in_process_lets_an_interruption_through():
    def interrupted(context, payload):
        raise KeyboardInterrupt

    with InProcess(target=interrupted, context={}) as here, pytest.raises(KeyboardInterrupt):
        list(here.run([Job(id="a")]))


def test_in_process_holds_torch_to_its_threads_and_gives_them_back():
    torch = pytest.importorskip("torch")
    before = torch.get_num_threads()
    with InProcess(target="execution_jobs:torch_threads", context={}, threads=before + 1) as here:
        ((_, result),) = here.run([Job(id="a")])
    assert result["threads"] == before + 1
    assert torch.get_num_threads() == before

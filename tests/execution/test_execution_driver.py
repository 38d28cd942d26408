"""What becomes of workers when the driver is killed or interrupted."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

HERE = Path(__file__).parent
DRIVER = """
import sys
sys.path.insert(0, {here!r})
from burnish.execution import Job, Pool
with Pool(target="execution_jobs:wait_for", context={{}}, workers=2) as pool:
    jobs = [Job(id=n, payload={{"started": {folder!r} + "/" + n, "release": {folder!r} + "/never"}}) for n in "ab"]
    for _ in pool.run(jobs):
        pass
"""


def wait_until(condition, seconds=30):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.02)


def running(pid):
    """Whether the process exists and is no zombie waiting for somebody to collect it."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


@pytest.fixture
def driver(tmp_path):
    """A driver in its own process group whose two workers are in the middle of a job; their pids."""
    code = DRIVER.format(here=str(HERE), folder=str(tmp_path))
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, start_new_session=True)
    marks = [tmp_path / "a", tmp_path / "b"]
    wait_until(lambda: all(m.exists() and m.read_text() for m in marks))
    yield process, [int(m.read_text()) for m in marks]
    process.kill()
    process.communicate()


def test_workers_end_when_the_driver_is_killed(driver):
    process, pids = driver
    process.kill()
    process.wait()
    wait_until(lambda: not any(running(pid) for pid in pids))
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("whole_group", [True, False])
def test_an_interruption_ends_driver_and_workers(driver, whole_group):
    process, pids = driver
    if whole_group:  # as the terminal does on Ctrl-C
        os.killpg(process.pid, signal.SIGINT)
    else:
        process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=30)
    assert not any(running(pid) for pid in pids)
    assert "KeyboardInterrupt" in said
    assert said.count("Traceback") == 1  # the driver's alone


def test_a_script_without_a_main_guard_runs_once(tmp_path):
    script = tmp_path / "script.py"
    script.write_text(
        "from burnish.execution import Job, Pool\n"
        "print('top')\n"
        "with Pool(target='operator:or_', context={'a': 1}, workers=2) as pool:\n"
        "    print(sorted(name for name, _ in pool.run([Job(id='x'), Job(id='y')])))\n"
    )
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, check=True)
    assert done.stdout == "top\n['x', 'y']\n"

"""A study survives: kill -9 at random moments, a lost Ray node, a full disk, two drivers at once.

Every study must end with the result of an undisturbed one, bit for bit: every run's numbers, arrays and the report but
for times. `python benchmarks/experiments/survival.py [--kills 100]` writes survival.json beside this file as it goes.
The full disk needs root (a small tmpfs is mounted), the lost node needs the extra `ray`.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve()
ROOT = HERE.parents[2]
sys.path.insert(0, str(ROOT / "tests" / "survival"))

from survival_jobs import BURNISH, NETWORK, leftovers, runs, timeless  # noqa: E402

RESULT = HERE.with_suffix(".json")
DATA = ("--data", "digits", "--max-rows", "240", "--epochs", "2", "--lr", "0.01")
STUDY = ("study", "net.py:make_net", *DATA, "--only", "LabelSmoothing,Dropout", "--budget", "quick", "--workers", "1")
FURTHER = 12  # a kill falls up to so many finished runs after the one before, so that all of a study is hit
DELAY = 0.5  # and up to so many seconds later: within a run, a rename, a stage's end
FULL = 140  # kB of the disk that is too small
REPLACED = ("recipe", "command")  # parts of the report that name the executor


class Study:
    """`burnish study` in `folder`, in a process group of its own."""

    def __init__(self, folder: Path, *flags: str, out: Path | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "net.py").write_text(NETWORK.format(width=16))
        self.root = out or folder / "run"
        with open(folder / "log.txt", "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-c", BURNISH, *STUDY, "--out", str(self.root), *flags],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self.log = folder / "log.txt"

    def kill(self) -> None:
        """End the driver and its workers at once."""
        os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, or None after `seconds`."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def runs_done(self) -> int:
        """Finished runs so far."""
        return len([p for p in (self.root / "ledger" / "runs").glob("[a-z]*") if (p / "result.json").exists()])


class Forked(Study):
    """The same command in a copy of this process, which has imported everything: most kills hit the study itself."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "net.py").write_text(NETWORK.format(width=16))
        self.root, self.log = folder / "run", folder / "log.txt"
        self.code: int | None = None
        self.pid = os.fork()
        if not self.pid:
            os.setsid()
            os.chdir(folder)
            with open(self.log, "ab") as log:
                os.dup2(log.fileno(), 1)
                os.dup2(log.fileno(), 2)
            from burnish.cli.main import main

            os._exit(main([*STUDY, "--out", str(self.root)]))

    def kill(self) -> None:
        """End the driver and its workers at once."""
        os.killpg(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)

    def wait(self, seconds: float | None = None) -> int | None:
        """The exit code, or None after `seconds`."""
        end = time.monotonic() + (1e9 if seconds is None else seconds)
        while self.code is None and time.monotonic() < end:
            found, status = os.waitpid(self.pid, os.WNOHANG)
            self.code = os.waitstatus_to_exitcode(status) if found else None
            time.sleep(0 if found else 0.02)
        return self.code


def outcome(root: Path) -> dict:
    report = timeless(json.loads((root / "report.json").read_text()))
    assert leftovers(root) == [], "half-written files are left"
    return {"report": {k: v for k, v in report.items() if k not in REPLACED}, "runs": runs(root)}


def check(study: Study, expected: dict) -> None:
    code = study.wait()
    assert code == 0, f"exit code {code}: {study.log.read_text(errors='replace')[-2000:]}"
    found = list(differences(expected, outcome(study.root)))
    assert not found, f"{study.root} differs from the undisturbed study: {found[:5]}"


def differences(one: Any, other: Any, place: str = "") -> Iterator[str]:
    """Where two results differ, and how."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in one | other:
            yield from differences(one.get(key), other.get(key), f"{place}/{key}")
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        for index, pair in enumerate(zip(one, other, strict=True)):
            yield from differences(*pair, f"{place}/{index}")
    elif one != other:
        yield f"{place}: {str(one)[:200]} against {str(other)[:200]}"


def undisturbed(work: Path) -> tuple[dict, float]:
    start = time.monotonic()
    study = Study(work / "undisturbed")
    assert study.wait() == 0, study.log.read_text()
    return outcome(study.root), time.monotonic() - start


def kills(work: Path, expected: dict, count: int) -> dict:
    """kill -9 of driver and workers, `count` times at random moments over as many studies as it takes."""
    import burnish.pipeline.main_job  # noqa: F401 - before forking

    chance, done, studies, moments = random.Random(0), 0, 0, []
    found: dict = {}
    while done < count:
        folder, here = work / f"killed-{studies:03d}", 0
        while True:
            study = Forked(folder)
            if done >= count or here > 40:
                break
            goal = study.runs_done() + chance.randint(0, FURTHER)
            while study.wait(0.02) is None and study.runs_done() < goal:
                pass
            if study.wait(chance.uniform(0, DELAY)) is not None:
                break
            before = study.runs_done()
            study.kill()
            done, here = done + 1, here + 1
            moments.append(before)
        check(study, expected)
        studies += 1
        found = {"kills": done, "studies": studies, "equal": studies, "runs_done_when_killed": moments}
        note("kill -9 at random moments", found)
    return found


def two_drivers(work: Path, expected: dict) -> dict:
    """Two commands on one directory at once: one works, the other is refused; then the first is killed."""
    both = [Study(work / "two") for _ in range(2)]
    codes = [study.wait() for study in both]
    assert sorted(codes, key=str) == [0, 1], codes
    check(both[codes.index(0)], expected)
    return {"exit_codes": sorted(codes), "equal": 1}


def full_disk(work: Path, expected: dict) -> dict:
    """The disk is full in the middle; then it gets room and the same command goes on."""
    disk = work / "disk"
    disk.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={FULL}k", "tmpfs", str(disk)]).returncode:
        return {"skipped": "only root can mount a small tmpfs"}
    try:
        refused, sizes, size = 0, [], FULL
        while True:
            study = Study(work / "full", out=disk / "run")
            if study.wait() == 0:
                break
            said = study.log.read_text(errors="replace").splitlines()[-1]
            assert "No space left on device" in said, said
            refused, size = refused + 1, size + 60
            sizes.append({"kB": size - 60, "runs_done": study.runs_done()})
            subprocess.run(["mount", "-o", f"remount,size={size}k", str(disk)], check=True)
        check(study, expected)
        return {"times_full": refused, "sizes": sizes, "equal": 1}
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)


def lost_node(work: Path, expected: dict) -> dict:
    """A Ray cluster of two nodes; the one at work is killed, another comes, the driver is killed too."""
    try:
        from ray.cluster_utils import Cluster
    except ImportError:
        return {"skipped": "the extra ray is not installed"}
    cluster = started(lambda: Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False}))
    try:
        node, nodes, drivers = started(lambda: cluster.add_node(num_cpus=2)), 0, 0
        flags = ("--on", cluster.address)
        study = Study(work / "ray", *flags)
        for target in (3, 8):
            while study.runs_done() < target and study.wait(0.1) is None:
                pass
            cluster.remove_node(node, allow_graceful=False)
            nodes += 1
            node = started(lambda: cluster.add_node(num_cpus=2))
        while study.runs_done() < 12 and study.wait(0.1) is None:
            pass
        if study.wait(0) is None:
            study.kill()
            drivers += 1
            study = Study(work / "ray", *flags)
        check(study, expected)
        return {"nodes_killed": nodes, "drivers_killed": drivers, "equal": 1}
    finally:
        cluster.shutdown()


def started(start: Callable[[], Any]) -> Any:
    """What `start` gives; Ray gives up after half a minute, which a busy machine may need longer."""
    for _ in range(4):
        try:
            return start()
        except Exception as error:
            said = error
    raise said


def note(name: str, result: dict) -> None:
    found = json.loads(RESULT.read_text()) if RESULT.exists() else {}
    RESULT.write_text(json.dumps(found | {name: result}, indent=1) + "\n")
    print(name, {key: value for key, value in result.items() if key != "runs_done_when_killed"}, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--only", default="two,disk,ray,kills")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="burnish-survival-") as folder:
        work = Path(folder)
        expected, seconds = undisturbed(work)
        note("undisturbed", {"runs": len(expected["runs"]), "seconds": round(seconds, 1)})
        if "two" in asked.only:
            note("two drivers at once", two_drivers(work, expected))
        if "disk" in asked.only:
            note("full disk", full_disk(work, expected))
        if "ray" in asked.only:
            note("a Ray node killed in mid-study", lost_node(work, expected))
        if "kills" in asked.only:
            note("kill -9 at random moments", kills(work, expected, asked.kills))


if __name__ == "__main__":
    main()

"""Whole jobs in processes of their own, to be killed; and what of their results must be equal."""

import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import uuid
from pathlib import Path

import numpy as np

NETWORK = """
from torch import nn


def make_net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, {width}), nn.ReLU(), nn.Linear({width}, 10))
"""
BURNISH = "import sys; from burnish.cli.main import main; sys.exit(main())"
FLAGS = ("--budget", "quick", "--lr", "0.01", "--out", "run")
MARK = "BURNISH_SURVIVAL_TEST"  # in the environment of a job's driver, and so of every process it starts
FILES = ("model.onnx", "baseline.onnx", "model.safetensors", "model.json", "predictions.parquet")
# Parts of names of what may differ between two sittings.
TIMED = (
    *("seconds", "latency", "examples_per_second", "time_ratio", "p99", "on_frontier", "environment", "workers"),
    *("price_runs", "minutes", "throughput", "peak_memory"),
)


class Job:
    """`burnish run` with a user's network file in `folder`, and everything it printed in `log`.

    `script` replaces it: a Python file and its arguments, before the flags of the job. The network is so small that
    int8 saves nothing (after one epoch, 16 units are pruned to 8): what ships must not hang on a latency that is close
    to its limit.
    """

    def __init__(self, folder, *flags, network="net.py:make_net", only="LabelSmoothing", epochs=1, script=()):
        folder.mkdir(exist_ok=True)
        (folder / "net.py").write_text(NETWORK.format(width=16 if epochs == 1 else 8))
        self.root, self.mark = folder / "run", uuid.uuid4().hex
        self.log = folder / f"log-{self.mark}.txt"
        what = ("run", network, "--only", only, "--epochs", str(epochs))
        with open(self.log, "wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, *(script or ("-c", BURNISH)), *what, *FLAGS, *flags],
                cwd=folder,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=os.environ | {MARK: self.mark, "OMP_NUM_THREADS": "1"},
                start_new_session=True,
            )

    def said(self):
        return self.log.read_text(errors="replace")

    def wait_for(self, text):
        wait_until(lambda: re.search(text, self.said()) or self.process.poll() is not None, self.said)
        assert re.search(text, self.said()), f"it ended before it said {text!r}:\n{self.said()}"

    def finished(self):
        """Wait for the end; the exit code."""
        wait_until(lambda: self.process.poll() is not None, self.said)
        assert self.processes() == [], "processes are left"
        return self.process.returncode

    def kill(self, number=signal.SIGKILL):
        """End the driver, and it alone; the exit code."""
        self.process.send_signal(number)
        return self.killed()

    def killed(self):
        """Wait until the driver has ended and nothing that it started is left; the exit code."""
        code = self.process.wait(timeout=600)
        wait_until(lambda: not self.processes(), lambda: f"still there: {self.processes()}", seconds=60)
        return code

    def processes(self):
        """Ids of all processes of this job that run, the driver's too."""
        mark = f"{MARK}={self.mark}".encode()
        return [int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit() and mark in environment(p)]

    def workers(self):
        """Ids of its workers."""
        return [pid for pid in self.processes() if b"execution.worker" in read(Path(f"/proc/{pid}/cmdline"))]


def environment(process):
    """The environment of a running process; nothing for one that is a zombie or not ours."""
    return read(process / "environ").split(b"\0")


def read(file):
    try:
        return file.read_bytes()
    except OSError:
        return b""


def wait_until(condition, words, seconds=600):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"waited in vain: {words()}"
        time.sleep(0.02)


def outcome(root):
    """Everything of a finished job that must not depend on interruptions, workers or the time of day."""
    report = json.loads((root / "report.json").read_text())
    return {"report": timeless(report), "files": {name: content(root / name) for name in FILES}, **made(root)}


def made(root):
    """Runs and models of a job, whichever of them ships."""
    models = {file.name: content(file) for file in (root / "ledger" / "models").iterdir()}
    return {"models": models, "runs": runs(root)}


def content(file):
    """A digest of a file, apart from what zip archives note of the time and what names the folder of the job."""
    if file.suffix == ".npz":
        with np.load(file) as arrays:
            parts = [part for name in arrays for part in (name.encode(), arrays[name].tobytes())]
    else:
        parts = [file.read_bytes().replace(str(file.parents[1]).encode(), b"")]
    return hashlib.sha256(b"".join(parts)).hexdigest()


def timeless(value):
    if isinstance(value, dict):
        if "minutes" in value:  # what an action is worth depends on what it takes
            value = {key: item for key, item in value.items() if key != "value"}
        return {key: timeless(item) for key, item in value.items() if not any(word in key for word in TIMED)}
    if isinstance(value, list):
        return [timeless(item) for item in value]
    return re.sub(r" ?--workers \d+|it takes about .* are left", "", value) if isinstance(value, str) else value


def runs(root):
    """Every recorded run: its numbers, and the content of the arrays and weights that it left."""
    found = {}
    for folder in sorted((root / "ledger" / "runs").iterdir()):
        files = {file.name: content(file) for file in folder.iterdir() if file.suffix != ".json"}
        found[folder.name] = [timeless(json.loads((folder / "result.json").read_text())), files]
    return found


def leftovers(root):
    """Files under temporary names."""
    return list(root.rglob(".tmp-*"))

"""One run on another machine: the parcel comes in, the run's files go back as bytes, nothing stays."""

import os
import tempfile
from pathlib import Path
from typing import Any

from burnish.ledger import Ledger
from burnish.pipeline import parcel as parcels
from burnish.pipeline import worker

__all__ = ["needs", "received", "sent", "work"]

Json = dict[str, Any]
KEPT = "checkpoints"
_opened: set[str] = set()


def work(shared: Json, payload: Json) -> Json:
    """Carry out the run `payload`; the summary of `pipeline.worker.work`, with the run's `files`."""
    name = shared["name"]
    if name not in _opened:
        worker.keep(name, parcels.unpacked(shared["parcel"]))
        _opened.add(name)
    context = {"held": name, "threads": shared["threads"], "device": shared["device"]}
    if payload["kind"] == "time":
        return worker.work(context | {"root": ""}, payload)
    with tempfile.TemporaryDirectory(prefix="burnish-run-") as folder:
        ledger = Ledger(folder)
        _unpack(ledger, payload.pop("runs", {}))
        _use_shared_checkpoints(ledger, shared)
        summary = worker.work(context | {"root": folder}, payload)
        return summary | {"files": _bytes_of(ledger.run_directory(payload["id"]))}


def needs(payload: Json) -> list[str]:
    """Ids of the finished runs that a run starts from."""
    return [*([payload["parent"]] if payload.get("parent") else []), *payload.get("parents", [])]


def sent(ledger: Ledger, payload: Json) -> Json:
    """`payload` with the files of the runs that it starts from."""
    return payload | {"runs": {name: _bytes_of(ledger.run_directory(name)) for name in needs(payload)}}


def received(ledger: Ledger, run_id: str, answer: Json) -> Json:
    """Keep the files of a run in the driver's ledger, whole or not at all; the summary without them."""
    files = answer.pop("files", {})
    if files:
        with ledger.filling(run_id) as directory:
            for name, content in files.items():
                (directory / name).write_bytes(content)
            ledger.keep_run(directory, run_id)
    return answer


def _unpack(ledger: Ledger, runs: dict[str, dict[str, bytes]]) -> None:
    for name, files in runs.items():
        directory = ledger.run_directory(name)
        directory.mkdir(parents=True)
        for file, content in files.items():
            (directory / file).write_bytes(bytes(content))


def _bytes_of(directory: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(directory.iterdir())}


def _use_shared_checkpoints(ledger: Ledger, shared: Json) -> None:
    """Where this machine sees the driver's run directory, a long run leaves its checkpoints there, else here."""
    there = Path(shared["root"]) / "ledger"
    if (there / shared["sign"]).is_dir():
        (there / KEPT).mkdir(exist_ok=True)
        ledger.path.mkdir(parents=True, exist_ok=True)
        os.symlink(there / KEPT, ledger.path / KEPT)

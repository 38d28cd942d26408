"""The baseline plan as a value that can go to machines with which no files are shared.

Arrays stay arrays, so that an object store can map them; the user's Python files travel as bytes and are
unpacked once in each process. Packages must be installed where the parcel goes.
"""

import atexit
import functools
import importlib.metadata
import platform
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

from burnish.data import Data
from burnish.errors import ExecutionError
from burnish.losses import Loss
from burnish.model.locate import find, refer
from burnish.model.sources import ModelSource
from burnish.plan import Plan

__all__ = ["packed", "unpacked", "versions"]

Parcel = dict[str, Any]
LARGEST = 2**20  # bytes of a Python file beside the user's that goes along


def packed(plan: Plan, *, scratch: Path) -> Parcel:
    """All that another machine needs to build `plan`; the source and an own loss must be portable."""
    source = plan.source.save(scratch / "network")
    loss = {"name": plan.loss.name, "factory": refer(plan.loss.function) if plan.loss.function else None}
    files = {str(path): path.read_bytes() for path in dict.fromkeys([*_files(source), *_files(loss)])}
    return {
        "data": {"arrays": plan.data.arrays(), "meta": plan.data.meta()},
        "source": source,
        "files": files,
        "path": [str(Path(entry).resolve()) for entry in sys.path if entry],
        "loss": loss,
        "precision": plan.precision,
        "versions": versions(),
    }


def unpacked(parcel: Parcel) -> Plan:
    """The plan that was packed, in this process.

    Raises:
        ExecutionError: other versions are installed here than where it was packed.
    """
    here = versions()
    if here != parcel["versions"]:
        given = ", ".join(f"{name} {value} (driver: {parcel['versions'].get(name)})" for name, value in here.items())
        raise ExecutionError(f"{platform.node()} has other versions than the driver: {given}; install the same ones")
    sys.path.extend(entry for entry in parcel["path"] if entry not in sys.path and Path(entry).is_dir())
    source = _at_home(parcel["source"], parcel["files"])
    own = _at_home(parcel["loss"], parcel["files"])
    loss = Loss(name=own["name"], function=find(own["factory"]) if own["factory"] else None)
    data = Data.assembled(parcel["data"]["arrays"], parcel["data"]["meta"])
    return Plan(model=ModelSource.from_json(source), data=data, loss=loss, precision=parcel["precision"])


def versions() -> dict[str, str]:
    """What must be equal for results to be."""
    found = {name: importlib.metadata.version(name) for name in ("burnish", "torch", "numpy")}
    return found | {"python": ".".join(platform.python_version_tuple()[:2])}


def _files(source: dict[str, Any]) -> list[Path]:
    """The user's files that `source` needs; a Python file brings its neighbours, which it may import."""
    found = [Path(file) for file in (source.get("saved"), source.get("checkpoint")) if file]
    own = [Path(file) for file in source.get("files", [])]
    reference = source.get("factory") or {}
    if reference.get("file") and not reference.get("module"):
        own.append(Path(reference["file"]))
    for file in own:
        near = [path for path in sorted(file.parent.glob("*.py")) if path.stat().st_size <= LARGEST]
        found += [file, *near]
    return list(dict.fromkeys(found))


def _at_home(source: dict[str, Any], files: dict[str, bytes]) -> dict[str, Any]:
    """`source` with every path at home in this process."""
    if not files:
        return source
    places = {name: str(_home() / str(index) / Path(name).name) for index, name in _numbered(files)}
    for name, place in places.items():
        Path(place).parent.mkdir(exist_ok=True)
        Path(place).write_bytes(bytes(files[name]))
    moved: dict[str, Any] = {
        key: places.get(str(source[key]), source[key]) for key in ("saved", "checkpoint") if key in source
    }
    if "files" in source:
        moved["files"] = [places[name] for name in source["files"]]
    reference = source.get("factory")
    if reference and reference.get("file") in places:
        moved["factory"] = {**reference, "file": places[reference["file"]]}
    return {**source, **moved}


def _numbered(files: dict[str, bytes]) -> list[tuple[int, str]]:
    """Each name with the number of its folder: files that were together stay together."""
    folders = {folder: index for index, folder in enumerate(dict.fromkeys(Path(name).parent for name in files))}
    return [(folders[Path(name).parent], name) for name in files]


@functools.cache
def _home() -> Path:
    path = Path(tempfile.mkdtemp(prefix="burnish-node-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path

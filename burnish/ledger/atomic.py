"""Files that are either whole or absent, whatever kills the process.

A file is written under another name in the same directory, synced to disk and
then renamed, and the directory is synced too: the order POSIX needs.
"""

import contextlib
import os
import re
import secrets
from pathlib import Path

from burnish.errors import LedgerError

__all__ = ["is_temporary", "replace_directory", "temporary_beside", "write_bytes", "write_text"]

TEMPORARY = re.compile(r"\.tmp-.+-[0-9]+-[0-9a-f]{8}")


def temporary_beside(path: Path) -> Path:
    """A name in the directory of `path` that nobody else uses; leftovers are recognized by it."""
    return path.with_name(f".tmp-{path.name}-{os.getpid()}-{secrets.token_hex(4)}")


def is_temporary(name: str) -> bool:
    """Whether `name` is one that `temporary_beside` gives.

    Example:
        >>> is_temporary(temporary_beside(Path("runs/a.json")).name), is_temporary(".tmp-mine")
        (True, False)
    """
    return TEMPORARY.fullmatch(name) is not None


def write_bytes(path: Path, content: bytes) -> None:
    """Write `content` to `path` so that a reader sees the old file or the new one, never half of it.

    Raises:
        LedgerError: the disk is full or cannot be written.
    """
    temporary = temporary_beside(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(temporary, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
        _sync_directory(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise LedgerError(
            f"could not write {path}: {error.strerror}; free or choose another disk and run the same command "
            "again, finished runs are kept"
        ) from error


def write_text(path: Path, content: str) -> None:
    """`write_bytes` for text in UTF-8."""
    write_bytes(path, content.encode("utf-8"))


def replace_directory(source: Path, target: Path) -> None:
    """Give the finished directory `source` its name `target`; an existing `target` wins and `source` goes."""
    import shutil

    for file in source.iterdir():
        with open(file, "rb") as handle:
            os.fsync(handle.fileno())
    _sync_directory(source)
    try:
        os.rename(source, target)
    except OSError:
        if not target.exists():
            raise
        shutil.rmtree(source, ignore_errors=True)
    _sync_directory(target.parent)


def _sync_directory(path: Path) -> None:
    with contextlib.suppress(OSError):  # some file systems cannot sync a directory
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

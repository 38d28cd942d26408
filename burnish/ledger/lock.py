"""One driver at a time on a run directory.

The lock belongs to the process, not to the file: the kernel gives it back when the process ends, however it ends.
A file left behind by a killed driver therefore stands in nobody's way, and is never removed.
"""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

from burnish.errors import LedgerError

try:
    import fcntl
except ImportError:  # not a POSIX system: atomic renames alone have to do
    fcntl = None  # type: ignore[assignment]

__all__ = ["holder", "locked"]

PATIENCE = 3.0  # seconds a killed predecessor gets to be gone
PAUSE = 0.05


@contextlib.contextmanager
def locked(file: Path) -> Iterator[bool]:
    """Hold the lock on `file` for the block.

    Yields:
        Whether the lock is held: false where the file system or the platform knows no locks.

    Raises:
        LedgerError: another process holds it, or the file cannot be made.
    """
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
    except OSError as error:
        raise LedgerError(f"could not create {file}: {error.strerror}; check disk and permissions") from error
    try:
        held = _acquired(handle, file, time.monotonic() + PATIENCE)
        if held:
            _sign(handle)
        yield held
    finally:
        os.close(handle)  # gives the lock back


def holder(file: Path) -> str | None:
    """Who holds the lock on `file` now; None when nobody does, or where locks are not known.

    Looking takes a shared lock for a moment; a driver that starts meanwhile waits that long.
    """
    if fcntl is None:
        return None
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _holder(handle)
    except OSError:
        return None
    finally:
        os.close(handle)
    return None


def _acquired(handle: int, file: Path, end: float) -> bool:
    if fcntl is None:
        return False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > end:
                raise LedgerError(
                    f"{file.parent.parent} is being worked on by {_holder(handle)}; wait until it is done and run the "
                    "same command for the result, or give another --out"
                ) from None
            time.sleep(PAUSE)
        except OSError:
            return False
        else:
            return True


def _sign(handle: int) -> None:
    """Say who holds the lock; only for the message."""
    with contextlib.suppress(OSError):  # a full disk
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()} on {socket.gethostname()}".encode(), 0)


def _holder(handle: int) -> str:
    with contextlib.suppress(OSError):
        return os.pread(handle, 200, 0).decode("utf-8", "replace") or "another process"
    return "another process"

"""Where a command works, and whom it tells."""

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

__all__ = ["Observer", "folder", "silent"]

Observer = Callable[[dict[str, Any]], None]


@contextlib.contextmanager
def folder(out: Path | None) -> Iterator[Path]:
    """A directory that stays when it was named, and goes when it is ours."""
    path = out if out is not None else Path(tempfile.mkdtemp(prefix="burnish-"))
    try:
        yield path
    finally:
        if out is None:
            shutil.rmtree(path, ignore_errors=True)


def silent(event: dict[str, Any]) -> None:
    """Observer of those who want none."""

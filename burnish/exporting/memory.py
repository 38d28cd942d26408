"""How much memory a model takes where it is served, each measured in a fresh process. Never imports torch.

Run as `python -m burnish.exporting.memory FILE BATCH THREADS` it is that process and prints the bytes.
"""

import contextlib
import sys
from pathlib import Path

from burnish.errors import UsageError
from burnish.exporting.fresh_process import run_fresh
from burnish.exporting.runtime import example_inputs, session

__all__ = ["forget_peak", "peak_memory", "resident_peak"]

CALLS = 5


def peak_memory(path: Path | str, *, batch: int = 1, threads: int = 1) -> int | None:
    """Peak resident memory in bytes of a process that loads the model and answers calls; None where it is not told.

    It holds Python, NumPy and ONNX Runtime as well, which are the same for every model.

    Raises:
        UsageError: the model cannot be loaded.
        BurnishError: the measuring process failed.
    """
    arguments = (str(path), str(batch), str(threads))
    printed = run_fresh("burnish.exporting.memory", *arguments, threads=threads, measuring="memory")
    return int(printed) or None


def resident_peak() -> int:
    """Peak resident memory of this process so far, in bytes; 0 where the system does not tell.

    On Linux from /proc: what `getrusage` says also covers the process this one was started from.
    """
    try:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        line = next(line for line in status.splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) * 1024
    except (OSError, StopIteration):
        pass
    try:
        import resource
    except ImportError:
        return 0
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


def forget_peak() -> None:
    """Let `resident_peak` start anew, where the system can: Linux. Elsewhere it stays that of the whole process."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def main(path: str, batch: int, threads: int) -> None:
    """Serve `path` for a few calls and print the peak."""
    opened = session(path, threads=threads)
    feed = {opened.get_inputs()[0].name: example_inputs(opened, batch)}
    for _ in range(CALLS):
        opened.run(None, feed)
    print(resident_peak())


if __name__ == "__main__":
    try:
        main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
    except UsageError as error:
        print(error, file=sys.stderr)
        sys.exit(UsageError.exit_code)

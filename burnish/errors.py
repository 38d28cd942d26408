"""The exceptions a caller of Burnish may want to catch.

Every message says what was given, what was expected and what to do next.
"""

__all__ = [
    "BurnishError",
    "Conflict",
    "DataError",
    "ExecutionError",
    "ExportMismatch",
    "LedgerError",
    "NoRunError",
    "NotApplicable",
    "RequirementNotMet",
    "UnreadableError",
    "UsageError",
]


class BurnishError(Exception):
    """Base of all errors Burnish raises on purpose. Exit code 1 on the command line."""

    exit_code = 1


class UsageError(BurnishError, ValueError):
    """Something handed in is wrong: a name, an option, a network or a file. Exit code 2."""

    exit_code = 2


class DataError(UsageError):
    """The data cannot be used as they are: unreadable, empty, one class, not finite."""


class UnreadableError(DataError):
    """Files that cannot be read; `files` are their paths."""

    files: tuple[str, ...] = ()


class NotApplicable(BurnishError):
    """A technique has nothing to do on this network or this task; the message says why."""


class Conflict(BurnishError):
    """Two techniques claim the same slot of a plan, or exclude one another."""


class ExportMismatch(BurnishError):
    """An exported model does not compute what the network computes."""


class LedgerError(BurnishError):
    """The run directory belongs to another recipe, is damaged, or cannot be written."""


class ExecutionError(BurnishError):
    """What carries out the runs (a cluster, a group of ranks) is not as it has to be; no fault of a run."""


class NoRunError(LedgerError, UsageError):
    """What was named as a run directory is none. Exit code 2."""


class RequirementNotMet(BurnishError):
    """No candidate meets the size, latency or accuracy that was asked for. Exit code 3.

    Attributes:
        result: What was found all the same, with the frontier; None where the search had not begun.
    """

    exit_code = 3

    def __init__(self, message: str, result: dict[str, object] | None = None) -> None:
        super().__init__(message)
        self.result = result

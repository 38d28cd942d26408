"""Results on standard output: JSON, text or a table."""

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from burnish.cli.asked import Asked
from burnish.records import dumps

__all__ = ["percent", "show", "table", "warn"]

WIDE = 200  # columns of a table that goes to a file or a pipe


def show(asked: Asked, value: Any, text: Any) -> None:
    """Print `value` as JSON if asked to, else `text`: a string, its lines, anything rich can draw, or nothing."""
    if asked.json:
        sys.stdout.write(dumps(value))
    elif text is None:
        return
    elif isinstance(text, str):
        print(text)
    elif isinstance(text, list):
        print("\n".join(text))
    else:
        from rich.console import Console

        Console(width=None if sys.stdout.isatty() else WIDE).print(text)
    sys.stdout.flush()


def table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> Any:
    """A table for the terminal; cells are text, never markup. None is an empty cell."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    drawn = Table(*head, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        drawn.add_row(*[Text("" if cell is None else str(cell)) for cell in row])
    return drawn


def percent(value: float | None) -> str:
    """A score as the tables show it.

    Example:
        >>> percent(0.98765), percent(None)
        ('0.9877', '')
    """
    return "" if value is None or value != value else f"{value:.4f}"


def warn(text: str) -> None:
    """One line to the user that is no result."""
    print(f"burnish: {text}", file=sys.stderr, flush=True)

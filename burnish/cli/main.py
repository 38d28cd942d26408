"""The entry point `burnish`: the commands, one clear line for every error, and the exit code.

Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a requirement not met, 130 interrupted.
`BURNISH_DEBUG=1` shows tracebacks.
"""

import os
import sys
import traceback
from collections.abc import Sequence
from typing import Annotated

import typer

from burnish.cli.commands.combine import ensemble
from burnish.cli.commands.directory import evaluate, report, status
from burnish.cli.commands.job import init, run, study
from burnish.cli.commands.look import diagnose, inspect, techniques
from burnish.cli.commands.runs import compare, train
from burnish.cli.commands.ship import bench, compress, export, predict
from burnish.cli.commands.teach import distill
from burnish.cli.output import warn
from burnish.errors import BurnishError

__all__ = ["app", "main"]

INTERRUPTED = 130

EPILOG = (
    "Start with `burnish run` (handwritten digits), or `burnish init` where your network and data are. "
    "Exit codes: 0 done, 1 failed, 2 wrong usage, 3 a requirement not met, 130 interrupted."
)

app = typer.Typer(
    name="burnish",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog=EPILOG,
)
for command in (run, init, inspect, diagnose, train, compare, study, compress, distill, ensemble):
    app.command()(command)
for command in (export, predict, evaluate, bench, report, status, techniques):
    app.command()(command)


@app.callback(invoke_without_command=True)
def _start(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", metavar="", help="Print the version.")] = False,
) -> None:
    """Make an existing neural network more accurate, smaller and faster, with evidence for every step."""
    if version:
        from burnish import __version__

        print(f"burnish {__version__}")
    elif context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> int:
    """Carry out one command line and return its exit code; under torchrun rank 0 does, the others follow."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")  # remarks of torch's own on how it could be used better
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return _carried_out(arguments)
    from burnish.execution.ranks import dismiss, follow

    if os.environ["RANK"] != "0":
        return follow()
    try:
        return _carried_out(arguments)
    finally:
        dismiss()


def _carried_out(arguments: Sequence[str] | None) -> int:
    try:
        code = app(args=list(arguments) if arguments is not None else None, prog_name="burnish", standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except BrokenPipeError:  # the reader of our output left, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        return _failed(error)
    if code == INTERRUPTED:  # newer versions of typer return it, older ones raise
        warn("interrupted")
    return code or 0


def _failed(error: Exception) -> int:
    """Say what went wrong in one line and return the exit code."""
    if os.environ.get("BURNISH_DEBUG", "0") not in ("", "0"):
        traceback.print_exception(error)
    if isinstance(error, BurnishError):
        warn(" ".join(str(error).split()))
        return error.exit_code
    if isinstance(error, OSError) and error.strerror and error.filename:
        warn(f"{error.filename}: {error.strerror}; check the path, its permissions and the disk")
        return 1
    if hasattr(error, "format_message"):  # an error of the command line parser, whichever package holds its class
        context = getattr(error, "ctx", None)
        path = context.command_path if context else "burnish"
        warn(f"{' '.join(error.format_message().split())} See `{path} --help`.")
        return 2
    warn(f"{type(error).__name__}: {' '.join(str(error).split())}; BURNISH_DEBUG=1 shows where")
    return 1

"""A job, and how one is carried out: JSON in, JSON out, wherever it runs."""

import importlib
import json
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from burnish.errors import UsageError
from burnish.records import to_json

__all__ = ["Function", "Job", "carry_out", "failure", "find"]

Json = dict[str, Any]
Function = Callable[[Json, Json], Json]


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A piece of work: `payload` (plain JSON types) is handed to the target function; `id` names its result."""

    id: str
    payload: Json = field(default_factory=dict)


def find(target: str) -> Function:
    """The function named by `package.module:function`.

    Raises:
        UsageError: `target` is not of that form, or the module has no such function.

    Example:
        >>> find("burnish.records:dumps").__name__
        'dumps'
    """
    module, _, name = target.partition(":")
    if not module or not name:
        raise UsageError(f"a target is written package.module:function, got {target!r}")
    function = getattr(importlib.import_module(module), name, None)
    if not callable(function):
        raise UsageError(f"module {module} has no function {name}")
    return function


def carry_out(function: Function, context: Json, payload: Json) -> str:
    """Call `function(context, payload)`; its result, or `failure` of what it raised, as one line of JSON.

    Everything but an interruption by the user is caught: a job never takes the others with it.

    Example:
        >>> carry_out(lambda context, payload: {"sum": context["a"] + payload["b"]}, {"a": 1}, {"b": 2})
        '{"sum": 3}'
    """
    try:
        return json.dumps(function(context, payload), default=to_json)
    except (Exception, SystemExit) as error:
        return json.dumps(failure(error))


def failure(error: BaseException) -> Json:
    """The result of a job that raised `error`: `{"error": message, "traceback": text}`."""
    message = str(error) or "no message"
    return {"error": f"{type(error).__name__}: {message}", "traceback": "".join(traceback.format_exception(error))}

"""Calling a user's factory with what it asks for."""

import inspect
import re
from collections.abc import Callable
from typing import Any

from torch import nn

from burnish.errors import UsageError

__all__ = ["bound_text", "call_factory", "offered"]


def offered(inputs: tuple[int, ...], outputs: int, vocabulary: int) -> dict[str, Any]:
    """Every name under which a factory may ask for a fact of the data."""
    return {
        **dict.fromkeys(("inputs", "input_shape"), tuple(inputs)),
        **dict.fromkeys(("outputs", "num_classes", "n_classes", "num_outputs"), outputs),
        **dict.fromkeys(("in_channels", "in_chans", "in_features"), inputs[0]),
        **dict.fromkeys(("vocabulary", "vocab_size", "vocabulary_size"), vocabulary),
    }


def call_factory(factory: Callable[..., Any], arguments: dict[str, Any], facts: dict[str, Any], name: str) -> nn.Module:
    """The network `factory` returns for its own `arguments` and those of `facts` whose names it has.

    Raises:
        UsageError: it wants something unknown, fails, or returns no network.
    """
    wanted = _wanted(factory)
    given = {key: facts[key] for key in wanted if key in facts} | arguments
    lacking = [key for key, needed in wanted.items() if needed and key not in given]
    if lacking:
        raise UsageError(
            f"the factory {name} wants {', '.join(lacking)}; Burnish can give {', '.join(sorted(facts))}: "
            "give the others a default, or wrap the factory in a function without them"
        )
    try:
        network = factory(**given)
    except UsageError:
        raise
    except (Exception, SystemExit) as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in given.items())
        raise UsageError(f"{name}({shown}) failed: {type(error).__name__}: {error}") from error
    if not isinstance(network, nn.Module):
        raise UsageError(f"the factory {name} returned a {type(network).__name__}, not a torch.nn.Module")
    return network


def bound_text(factory: Callable[..., Any]) -> str:
    """What a factory carries beside its code (defaults, values of an enclosing function, attributes), as text.

    Addresses are left out: they change from one process to the next.
    """
    cells = [cell.cell_contents for cell in getattr(factory, "__closure__", None) or () if _filled(cell)]
    attributes = {} if inspect.isroutine(factory) or inspect.isclass(factory) else vars(factory)
    parts = [part for part in (getattr(factory, "__defaults__", None), cells, attributes) if part]
    return re.sub(r" at 0x[0-9a-fA-F]+", "", repr(parts)) if parts else ""


def _wanted(factory: Callable[..., Any]) -> dict[str, bool]:
    """Names of the factory's parameters, and whether each must be given."""
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):
        return {}
    wanted = {p.name: p.default is p.empty for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    if open_ended and str(getattr(factory, "__module__", "")).startswith("torchvision."):
        wanted.setdefault("num_classes", False)
    return wanted


def _filled(cell: Any) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:  # a name that is not bound yet
        return False

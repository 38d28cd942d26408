"""Where a value can be reached: after the module that gives it, or before the one module that takes it."""

from dataclasses import dataclass

from burnish.model.tracing import Call, Trace

__all__ = ["Place", "giving", "place_of", "takes_alone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something can be put on a value.

    Attributes:
        path: A module.
        after: After the module, on its output; otherwise before it, on its input.
    """

    path: str
    after: bool


def place_of(seen: Trace, index: int) -> Place | None:
    """Where all that takes the result of call `index` can be given something else; None where no module marks it."""
    after = giving(seen, index)
    if after is not None:
        return Place(path=after, after=True)
    consumers = seen.consumers(index)
    if len(consumers) == 1 and index not in seen.outputs and takes_alone(seen, consumers[0], index):
        return Place(path=consumers[0].path, after=False)
    return None


def giving(seen: Trace, index: int) -> str | None:
    """The innermost module, called once, whose output is the result of call `index`."""
    paths = [path for path, exits in seen.exits.items() if path and exits == [index]]
    return max(paths, key=len, default=None)


def takes_alone(seen: Trace, call: Call, index: int) -> bool:
    """Whether `call` is a module's only one, and the result of call `index` all it takes."""
    return call.module is not None and seen.entries.get(call.path) == [(index,)]

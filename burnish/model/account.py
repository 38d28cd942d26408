"""What surgery did to a network: what it changed, seen by comparing, and what it left and why, as it says itself."""

import contextvars
from collections import Counter, defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from torch import nn

from burnish.model.surgery import Wrapped
from burnish.model.tracing import Call

__all__ = ["Account", "changed", "differences", "left", "left_call", "listening", "plain_paths"]

SHOWN = 12  # lines of each kind in print
USUAL = {"eps=1e-05", "momentum=0.1", "affine=True", "bias=True", "track_running_stats=True", "inplace=False"}
_heard: contextvars.ContextVar["list[tuple[str, str, str]] | None"] = contextvars.ContextVar("_heard", default=None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What one technique did to a network.

    Attributes:
        technique: Its notation.
        changed: Paths and what is different there.
        left: Paths of layers it looked at and left as they were, and why.
    """

    technique: str
    changed: tuple[tuple[str, str], ...]
    left: tuple[tuple[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain types."""
        return {
            "technique": self.technique,
            "changed": [{"path": path, "what": what} for path, what in self.changed],
            "left": [{"path": path, "why": why} for path, why in self.left],
        }

    def __str__(self) -> str:
        by_reason: dict[str, list[str]] = defaultdict(list)
        for path, why in self.left:
            by_reason[why].append(path or "the network")
        lines = [f"{self.technique} changed:", *_some([f"  {path}: {what}" for path, what in self.changed])]
        if by_reason:
            lines += ["left as they are:", *_some([f"  {why}: {_named(paths)}" for why, paths in by_reason.items()])]
        return "\n".join(lines)


def _some(lines: list[str]) -> list[str]:
    return lines if len(lines) <= SHOWN else [*lines[:SHOWN], f"  ... and {len(lines) - SHOWN} more"]


def _named(paths: list[str]) -> str:
    return ", ".join(paths[:4]) + (f" and {len(paths) - 4} more" if len(paths) > 4 else "")


def left(path: str, why: str) -> None:
    """Say that surgery leaves the module at `path` as it is; heard only by who is listening."""
    heard = _heard.get()
    if heard is not None:
        heard.append(("left", path, why))


def left_call(call: Call, why: str) -> None:
    """The same of a traced call: a layer by its path, a function by its name in the `forward` it is in."""
    left(call.path, f"{call.name} in its forward: {why}" if call.module is None else why)


def changed(path: str, what: str) -> None:
    """Say what surgery changed at `path` where comparing the modules would not show it."""
    heard = _heard.get()
    if heard is not None:
        heard.append(("changed", path, what))


@contextmanager
def listening() -> Iterator[list[tuple[str, str, str]]]:
    """Collects what surgery says, as `(kind, path, words)`."""
    heard: list[tuple[str, str, str]] = []
    token = _heard.set(heard)
    try:
        yield heard
    finally:
        _heard.reset(token)


def plain_paths(model: nn.Module) -> list[tuple[str, nn.Module]]:
    """All modules with their paths as they were before layers were wrapped; the wrapping itself is left out."""
    modules = dict(model.named_modules(remove_duplicate=False))

    def plain(path: str) -> str:
        parts = path.split(".") if path else []
        inner = [p == "layer" and isinstance(modules[".".join(parts[:i])], Wrapped) for i, p in enumerate(parts)]
        return ".".join(part for part, layer in zip(parts, inner, strict=True) if not layer)

    return [(plain(path), module) for path, module in modules.items() if not isinstance(module, Wrapped)]


def differences(before: nn.Module, after: nn.Module) -> list[tuple[str, str]]:
    """Paths at which the modules of two networks differ, in the order of `after`, and in what."""
    old, new = _described(before), _described(after)
    found: list[tuple[str, str]] = []
    inside: tuple[str, ...] = ()
    for path in dict.fromkeys([*new, *old]):
        if inside and path.startswith(inside):
            continue
        gone, come = old[path] - new[path], new[path] - old[path]
        if not gone and not come:
            continue
        inside = (*inside, f"{path}.") if path else inside
        found.append(_told(path, list(gone.elements()), list(come.elements())))
    return found


def _described(model: nn.Module) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = defaultdict(Counter)
    for path, module in plain_paths(model):
        found[path][type(module).__name__ + (f"({_said(module)})" if _plain(module) else "")] += 1
    return found


def _said(module: nn.Module) -> str:
    """A layer's arguments but for the usual ones."""
    return ", ".join(part for part in module.extra_repr().split(", ") if part not in USUAL)


def _plain(module: nn.Module) -> bool:
    return next(module.children(), None) is None


def _told(path: str, gone: list[str], come: list[str]) -> tuple[str, str]:
    owner, _, name = path.rpartition(".")
    if come and not gone and name in ("after", "before"):
        return owner, f"{', '.join(come)} {name} it"
    return path, " → ".join(filter(None, (", ".join(gone) or "nothing", ", ".join(come) or "nothing")))

"""What a technique's docstrings and fields say about it, as plain types."""

import importlib
import inspect
import re
from dataclasses import fields
from typing import Any

from burnish.techniques._measured import measured

__all__ = ["cited", "described"]


def described(technique: type[Any]) -> dict[str, Any]:
    """`technique` as plain types.

    Keys: `name, class` (how its effect is measured: `factor`, `readout`, `gate`, `post` or
    `nuisance`), `source, summary, why,
    changes` (slots of the plan), `default` (its notation), `arguments` (name, default and meaning), `functions` (for
    one's own training loop), `levels, conflicts, modalities, tasks`, `helps, hurts, costs` (when it does, when not, at
    what price) and `effects` (what was measured on which data; see `_measured`).
    """
    module = importlib.import_module(technique.__module__)
    summary, _, changes = _paragraphs(technique)[0].partition(" Changes: ")
    return {
        "name": technique.__name__,
        "class": technique.kind,
        "source": cited(technique),
        "summary": summary,
        "why": _paragraphs(module)[1],
        "changes": changes.replace("`", "").rstrip("."),
        "default": repr(technique()),
        "arguments": _arguments(technique),
        "functions": _functions(module),
        "levels": [repr(technique(**level)) for level in technique.levels],
        "conflicts": list(technique.conflicts),
        "modalities": list(technique.modalities),
        "tasks": list(technique.tasks),
        **_judgement(module),
        "effects": measured(technique.__name__),
    }


def cited(technique: type[Any]) -> str:
    """The literature a technique rests on: `source`, or `citation` where `source` is one of its arguments."""
    return getattr(technique, "citation", None) or technique.source


def _judgement(module: Any) -> dict[str, str]:
    """The lines of the file's docstring that say when it helps, when not, and what it costs."""
    text = " ".join((inspect.getdoc(module) or "").split())
    found = re.search(r"Helps: (.*?) Does not: (.*?) Costs: (.*?) Sources?:", text)
    return dict(zip(("helps", "hurts", "costs"), found.groups() if found else ("", "", ""), strict=True))


def _paragraphs(thing: Any) -> list[str]:
    return [" ".join(part.split()) for part in (inspect.getdoc(thing) or "").split("\n\n")]


def _arguments(technique: type[Any]) -> list[dict[str, Any]]:
    text = " ".join((inspect.getdoc(technique) or "").partition("Attributes:")[2].split())
    names = [field.name for field in fields(technique)]
    meanings = re.split(rf"(?:^|(?<=\. ))({'|'.join(names)}): ", text) if names else []
    found = dict(zip(meanings[1::2], meanings[2::2], strict=True))
    return [{"name": f.name, "default": f.default, "meaning": found.get(f.name, "").strip()} for f in fields(technique)]


def _functions(module: Any) -> list[str]:
    """Signatures of the public functions: what works in anybody's own training loop."""
    public = [getattr(module, name) for name in module.__all__]
    return [f"{f.__module__}.{_call(f)}" for f in public if inspect.isfunction(f)]


def _call(function: Any) -> str:
    parameters = inspect.signature(function).parameters.values()
    bare = [p.replace(annotation=p.empty) for p in parameters]
    return f"{function.__name__}{inspect.Signature(bare)}"

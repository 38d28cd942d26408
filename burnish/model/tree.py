"""An inspection as a tree in at most 100 columns."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from burnish.model.inspect import Inspection, Layer

__all__ = ["drawn"]

WIDE = 100
LEAST = {1: 12, 0: 24, 2: 11}  # what these columns keep where the tree is too wide; long names are cut in the middle
NUMBERS = ("params", "MACs", "time", "mean±std", "dead", "satur.", "grad", "field")


def drawn(found: "Inspection") -> str:
    """The tree: one line for each layer and for what holds it, which sums up its parameters, operations and time."""
    own = {layer.path: layer for layer in found.layers}
    rows: list[tuple[str, ...]] = [("layer", "type", "output", *NUMBERS)]
    rows += [_row(found, own, path, prefix) for path, prefix in _walk(found, own)]
    shown = [i for i in range(len(rows[0])) if i < 5 or any(row[i] for row in rows[1:])]
    widths = {i: max(len(row[i]) for row in rows) for i in shown}
    for i, least in LEAST.items():  # the widest that fits, never under what can still be read
        over = sum(widths.values()) + len(widths) - 1 - WIDE
        widths[i] = max(min(widths[i], least), widths[i] - max(over, 0))
    lines = [" ".join(_fitted(row[i], widths[i], i) for i in shown).rstrip() for row in rows]
    return "\n".join([*lines, *_notes(found)])


def _walk(found: "Inspection", own: dict[str, "Layer"]) -> list[tuple[str, str]]:
    """Paths in the order of their first call, each with the branches drawn before its name."""
    children: dict[str, list[str]] = {}
    for layer in found.layers:
        parts = layer.path.split(".") if layer.path else []
        for depth in range(len(parts)):
            parent, path = ".".join(parts[:depth]), ".".join(parts[: depth + 1])
            if path not in children.setdefault(parent, []):
                children[parent].append(path)
    walked: list[tuple[str, str]] = []

    def visit(path: str, branch: str, stem: str) -> None:
        walked.append((path, branch))
        below = children.get(path, [])
        for child in below:
            last = child == below[-1]
            visit(child, stem + ("└ " if last else "├ "), stem + ("  " if last else "│ "))

    visit("", "", "")
    return walked


def _row(found: "Inspection", own: dict[str, "Layer"], path: str, branch: str) -> tuple[str, ...]:
    layer, whole = own.get(path), f"{path}." if path else ""
    inside = [part for part in found.layers if part.path == path or part.path.startswith(whole)]
    name = path.rpartition(".")[2] or found.modules.get("", "")
    times = [share for at, share in found.times.items() if at == path or at.startswith(whole)]
    cells: list[str] = [
        branch + name + (f" ×{layer.calls}" if layer is not None and layer.calls > 1 and layer.output_shape else ""),
        found.modules.get(path, "") if path else "",
        "×".join(map(str, layer.output_shape[1:])) if layer is not None else "",
        _short(sum(part.parameters for part in inside)),
        _short(sum(part.operations for part in inside)),
        f"{100 * sum(times):.0f}%" if times else "",
    ]
    return (*cells, *(_measured(layer) if layer is not None else ("",) * 5))


def _measured(layer: "Layer") -> tuple[str, ...]:
    field = layer.receptive_field
    spread = "" if layer.mean is None or layer.std is None else f"{_number(layer.mean)}±{_number(layer.std)}"
    return (
        spread,
        "" if layer.dead is None else f"{layer.dead}/{layer.units}",
        "" if layer.saturated is None else f"{layer.saturated}/{layer.units}",
        "" if layer.gradient is None else f"{layer.gradient:.1e}".replace("e-0", "e-").replace("e+0", "e+"),
        "" if field is None else field if isinstance(field, str) else "×".join(map(str, field)),
    )


def _notes(found: "Inspection") -> list[str]:
    batch = found.examples
    total = f"{found.parameters:,} parameters, {found.bytes:,} bytes, {found.operations:,} operations per example"
    lines = [total, "MACs: multiply-accumulates for one example; field: inputs that one output can see"]
    if batch:
        lines.append(f"time, mean±std and dead units (one value for all) of {batch} examples, in eval mode")
    if any(layer.saturated is not None for layer in found.layers):
        lines.append("satur.: units of a sigmoid or tanh within 5 % of its limits for nine values in ten")
    if found.loss is not None:
        lines.append(f"grad: norm of the gradient of the loss, {found.loss:.4g}, in train mode")
    return [*lines, *map(str, found.edits)]


def _fitted(text: str, width: int, column: int) -> str:
    if len(text) > width:
        text = text[: width // 2] + "…" + text[len(text) - (width - width // 2 - 1) :]
    return text.ljust(width) if column < 3 else text.rjust(width)


def _number(value: float) -> str:
    """Three characters where that is possible: `.12`, `-1.2`, `35`."""
    size = abs(value)
    if 0 < size < 0.005 or size >= 1e5:
        return f"{value:.0e}".replace("e-0", "e-").replace("e+0", "e+")
    text = f"{value:.2f}" if size < 1 else f"{value:.1f}" if size < 10 else f"{value:.0f}"
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _short(value: int) -> str:
    """A count in three digits: `982`, `12.3k`, `1.24M`."""
    for step, sign in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= step * 0.9995:
            x = value / step
            return (f"{x:.2f}" if x < 9.995 else f"{x:.1f}" if x < 99.95 else f"{x:.0f}") + sign
    return str(value) if value else ""

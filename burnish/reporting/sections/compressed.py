"""What a compression on request came to: its verdict, and what the chosen file costs and brings."""

from typing import Any

from burnish.reporting.document import Card, Cell, Hero
from burnish.reporting.format import bytes_text, estimate, milliseconds, number, opened, ratio, sentence
from burnish.reporting.view import View

__all__ = ["compressed_cards", "compressed_hero"]

Json = dict[str, Any]


def compressed_hero(view: View) -> Hero:
    """The verdict of a directory in which trained runs were only compressed."""
    scale, test = view.scale, _test(view)
    word, tone, meaning = _word(view)
    gain = estimate(test.get("difference"))
    if gain is None:
        return Hero(word=word, tone=tone, meaning=meaning, metric=scale.label)
    before, after = (estimate(test.get(side)) for side in ("before", "after"))
    return Hero(
        word=word,
        tone=tone,
        meaning=meaning,
        metric=scale.label,
        names=("float", str(view.inner("compressed", "step"))),
        before=Cell(text=scale.score(before), detail=scale.interval(before)),
        after=Cell(text=scale.score(after), detail=scale.interval(after)),
        gain=Cell(text=scale.gain(gain), detail=scale.interval(gain)),
        basis=f"Sealed test set, {opened(test.get('openings'))}; n = {gain.n:,}, the same examples for both files.",
    )


def compressed_cards(view: View) -> tuple[Card, ...]:
    """The chosen file, how much smaller and faster it is, and whether the promise held on the test set."""
    path = view.inner("compressed", "path")
    if not path:
        return ()
    before, after = _rows(view)
    size, latency = (f" ({text})" if (text := _change(before, after, key)) else "" for key in ("bytes", "latency_ms"))
    lines = (
        f"size: {bytes_text(after.get('bytes'))}{size}",
        f"p50 latency, batch 1: {milliseconds(after.get('latency_ms'))}{latency}",
        "× is relative to the float file",
    )
    cards = [Card(title="Compressed on request", text=f"{path}: {view.inner('compressed', 'step')}", lines=lines)]
    test = _test(view)
    if test:
        scale, gain = view.scale, estimate(test.get("difference"))
        told = (str(test.get("promise") or ""), f"n = {gain.n:,}, {opened(test.get('openings'))}" if gain else "")
        title, text = f"Its {scale.label} on the sealed test set", f"{scale.gain(gain)} {scale.interval(gain)}"
        cards.append(Card(title=title, text=text, lines=tuple(line for line in told if line)))
    return tuple(cards)


def _word(view: View) -> tuple[str, str, str]:
    """Verdict word, its tone, and what it means."""
    if view.inner("requirement", "met") is False:
        return ("Requirement not met", "warn", sentence(view.inner("requirement", "message")))
    step = view.inner("compressed", "step")
    if step == "float":
        return ("Nothing smaller costs little enough", "calm", "The float file stays; the ladder below says why.")
    before, after = _rows(view)
    changes = {"latency": _change(before, after, "latency_ms"), "size": _change(before, after, "bytes")}
    parts = ", ".join(f"{name} {text}" for name, text in changes.items() if text)
    asked = f", as asked: {view.inner('requirement', 'text')}" if view.inner("requirement", "met") else ""
    gain, allowed = estimate(_test(view).get("difference")), number(_test(view).get("allowed_drop"))
    tone = "warn" if gain and allowed is not None and gain.value < -allowed else "good"
    promise = str(_test(view).get("promise") or "")
    told = f" {sentence(f'on the test set {promise}')}" if promise else ""
    return ("Compressed", tone, f"{step}: {parts}{asked}.{told}")


def _test(view: View) -> Json:
    found = view.inner("compressed", "test")
    return found if isinstance(found, dict) and "skipped" not in found else {}


def _rows(view: View) -> tuple[Json, Json]:
    """Steps of the ladder: the float file, and the chosen one."""
    steps = {str(row.get("step")): row for row in view.rows("compression")}
    return steps.get("float", {}), steps.get(str(view.inner("compressed", "step")), {})


def _change(before: Json, after: Json, key: str) -> str:
    """What a cost became, as a factor; empty where it was not measured."""
    first, last = (estimate(row.get(key)) for row in (before, after))
    return ratio(last.value / first.value) if first and last and first.value and last.value else ""

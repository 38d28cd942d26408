"""What came out, first: the verdict, before and after, the test set, what ships, and what to do next."""

from typing import Any

from burnish.reporting.document import (
    Block,
    Bullets,
    Card,
    Cards,
    Cell,
    Column,
    Commands,
    Facts,
    Hero,
    Section,
    Table,
    Text,
    gain_cell,
    score_cell,
)
from burnish.reporting.figures import Mark, track, track_axis, track_head
from burnish.reporting.format import (
    DASH,
    bytes_text,
    count,
    duration,
    estimate,
    milliseconds,
    number,
    opened,
    p_text,
    probability,
    ratio,
    short_count,
    significant,
)
from burnish.reporting.sections.compressed import compressed_cards, compressed_hero
from burnish.reporting.sections.network import network_cell
from burnish.reporting.shipping import baseline_bytes, latency, shipped
from burnish.reporting.view import View

__all__ = ["verdict"]

WORDS = {
    "CONFIRMED": ("Confirmed", "good", "On fresh splits the recipe beats the baseline by more than the noise."),
    "EQUIVALENT": (
        "Equivalent",
        "calm",
        "Baseline and recipe differ by less than what matters; the cheaper one ships.",
    ),
    "UNRESOLVED": ("Unresolved", "warn", "These runs do not tell recipe and baseline apart; the baseline ships."),
    "NOTHING_TO_GAIN": ("Nothing to gain", "calm", "No recipe was found that beats the baseline; the baseline ships."),
}
CASES = {
    "no_gain": ("No gain", "calm"),
    "still_poor": ("Still poor", "warn"),
    "good": ("Good", "good"),
}


def verdict(view: View) -> Section:
    """The head of the report."""
    blocks: list[Block] = [hero(view)]
    text = view.inner("verdict", "text")
    if text:
        blocks.append(Text(text=str(text)))
    alone = view.diagnosis or view.combination or view.only_compressed
    if not view.finished and not alone:
        blocks.append(Text(text=_progress(view), tone="note"))
    cards = () if view.diagnosis else (*_cards(view), *compressed_cards(view))
    if cards:
        blocks.append(Cards(items=cards))
    evidence = tuple(str(line) for line in view.inner("verdict", "evidence") or ())
    if evidence:
        blocks.append(Bullets(items=evidence, title="Evidence"))
    blocks += [*_simple(view), *_next(view)]
    blocks.append(Facts(items=_facts(view)))
    return Section(id="verdict", title="Verdict", blocks=tuple(blocks))


def _cards(view: View) -> tuple[Card, ...]:
    """What the job measured on the test set, ships and costs; nothing where it was none."""
    if view.only_compressed:
        return ()
    return tuple(card for card in (_test(view), _ships(view), _costs(view)) if card)


def _simple(view: View) -> list[Block]:
    """What ships beside the models that any network has to beat."""
    rows = view.inner_rows("verdict", "simple")
    if not rows:
        return []
    scale, rows_seen = view.scale, max((int(number(row.get("rows")) or 0) for row in rows), default=0)
    columns = (
        Column(name="Simple model"),
        Column(name=scale.label, kind="num"),
        Column(name="What ships against it", kind="num", title="on the same examples"),
        Column(),
    )
    tones = {"better": "good", "no better": "bad"}
    table = Table(
        columns=columns,
        rows=tuple(
            (
                Cell(text=str(row.get("name") or "")),
                score_cell(row.get("score"), scale),
                gain_cell(row.get("gain"), scale, unit=True),
                Cell(text=str(row.get("word") or ""), tone=tones.get(str(row.get("word")), "muted")),
            )
            for row in rows
        ),
        caption=f"Simple models after at most {count(rows_seen)} training rows.",
    )
    return [table]


def _next(view: View) -> list[Block]:
    """The commands, and why in this order."""
    lines = tuple(str(line) for line in view.inner("verdict", "next") or ())
    if not lines:
        return []
    columns = (
        Column(name="Why"),
        Column(name="May bring", kind="num", title="share of the remaining error"),
        Column(name="Chance", kind="num"),
        Column(name="Takes", kind="num"),
    )
    actions = view.inner_rows("verdict", "actions")
    rows = tuple(
        (
            Cell(text=f"{place}. {action.get('why') or ''}"),
            Cell(text=f"{significant(100 * (number(action.get('gain')) or 0), 2)} %"),
            Cell(text=probability(action.get("chance"))),
            Cell(text=duration(60 * (number(action.get("minutes")) or 0))),
        )
        for place, action in enumerate(actions, 1)
    )
    caption = "Ranked by gain × chance / (trainings + 50). Gains not measured here are priors."
    return [
        Commands(lines=lines, title="Next"),
        *([Table(columns=columns, rows=rows, caption=caption)] if rows else []),
    ]


def hero(view: View) -> Hero:
    """Verdict word with the scores before and after."""
    if view.only_compressed:
        return compressed_hero(view)
    word, tone, meaning = _word(view)
    told = view.inner("verdict", "headline")
    headline = told if isinstance(told, str) else ""
    arms = view.inner_rows("confirmation", "arms")
    scale = view.scale
    if len(arms) < 2:
        score = view.inner("baseline", "score")
        before = _score(view, score) if estimate(score) else None
        return Hero(
            word=word,
            tone=tone,
            meaning=meaning,
            headline=headline,
            metric=scale.label,
            names=("baseline", ""),
            before=before,
            basis="From the pilot runs." if before else "",
        )
    gain = estimate(view.inner("confirmation", "difference"))
    detail = scale.interval(gain)
    return Hero(
        word=word,
        tone=tone,
        meaning=meaning,
        headline=headline,
        metric=scale.label,
        names=(str(arms[0].get("name") or "baseline"), str(arms[-1].get("name") or "recipe")),
        before=_arm(view, arms[0]),
        after=_arm(view, arms[-1]),
        gain=Cell(text=scale.gain(gain), detail=detail) if gain else None,
        basis=_basis(view, len(arms[0].get("scores") or ())),
        figure=gain_figure(view),
        figure_note="dotted: the smallest gain that matters" if view.min_gain else "",
    )


def gain_figure(view: View) -> str:
    """The confirmed gain and its interval against zero and the smallest gain that matters."""
    gain, scale = estimate(view.inner("confirmation", "difference")), view.scale
    if gain is None or gain.low is None or gain.high is None:
        return ""
    least = view.min_gain or 0.0
    axis = track_axis((gain.low, gain.high), include=(0.0, least, -least), width=300)
    mark = Mark(value=gain.value, low=gain.low, high=gain.high, style="m-after", title=f"gain {scale.gain(gain)}")
    references = ((0.0, "zero"), *(((least, "least"),) if least else ()))
    return track_head(axis, factor=scale.factor, signed=True) + track(axis, (mark,), references=references)


def _word(view: View) -> tuple[str, str, str]:
    if not view.finished and str(view.inner("confirmation", "verdict")) in WORDS:
        word, tone, meaning = WORDS[str(view.inner("confirmation", "verdict"))]
        return (word, tone, f"{meaning} The experiment is done; `burnish run` with the same flags ships what it found.")
    if not view.finished and view.diagnosis:
        return _diagnosed(view)
    if view.combination:
        return _combined(view)
    if not view.finished:
        return ("No verdict yet", "warn", "The job has not reached its verdict; this is what there is so far.")
    decided = str(view.inner("confirmation", "verdict") or "")
    if decided in WORDS:
        return WORDS[decided]
    case = str(view.inner("verdict", "case") or "")
    name, tone = CASES.get(case, (case.replace("_", " ").capitalize() or "Done", "calm"))
    return (name, tone, f"No confirmation: {view.skipped('confirmation')}." if view.skipped("confirmation") else "")


def _combined(view: View) -> tuple[str, str, str]:
    """Whether the members together ship, or the best of them alone."""
    found = view.mapping("ensemble")
    members = len(found.get("members") or ())
    meaning = f"{found.get('method')} of {members}: {str(found.get('reason') or '').rstrip('.')}."
    if found.get("ships"):
        return ("The ensemble ships", "good", meaning)
    return ("The best member ships", "calm", f"It is {found.get('best_member')}. {meaning}")


def _diagnosed(view: View) -> tuple[str, str, str]:
    """What a diagnosis found: how much, and what comes first."""
    rows = [row for row in view.rows("diagnosis") if isinstance(row, dict)]
    fires = [row for row in rows if row.get("state") == "fires"]
    looked = sum(row.get("state") == "clear" for row in rows) + len(fires)
    more = f"{looked} checks; `burnish run` with the same flags measures what helps."
    if view.diagnosis == "quick":
        more = f"{looked} checks without any training; `burnish diagnose` without --quick trains and asks the rest."
    if not fires:
        return ("Nothing found", "good", more)
    first = fires[0]
    word = f"{len(fires)} finding{'s' if len(fires) > 1 else ''}"
    return (word, "warn", f"First {first.get('rule')} {first.get('title')}: {first.get('evidence')} {more}")


def _arm(view: View, arm: dict[str, Any]) -> Cell:
    scores = [s for s in map(number, arm.get("scores") or ()) if s is not None]
    scale = view.scale
    if not scores:
        return Cell(text=DASH)
    spread = f"{scale.bare(min(scores))} to {scale.bare(max(scores))} over {len(scores)} splits"
    return Cell(text=scale.score(sum(scores) / len(scores)), detail=spread, title=str(arm.get("name", "")))


def _score(view: View, value: Any) -> Cell:
    found = estimate(value)
    text = f"{view.scale.interval(found)}"
    behind = f"n = {found.n} {found.of}" if found and found.n else ""
    return Cell(text=view.scale.score(value), detail=" ".join(part for part in (text, behind) if part))


def _basis(view: View, pairs: int) -> str:
    gain = estimate(view.inner("confirmation", "difference"))
    parts = [f"Mean of n = {gain.n if gain and gain.n else pairs} fresh splits, both arms on the same splits and seeds"]
    if gain and gain.low is not None:
        parts.append(f"{significant(100 * gain.level)} % interval of the paired difference")
    p = p_text(view.inner("confirmation", "p_value"))
    return "; ".join([*parts, p] if p else parts) + "."


def _progress(view: View) -> str:
    stages = view.mapping("stages")
    done, left = stages.get("done") or [], stages.get("left") or []
    found = f"Finished stages: {', '.join(done) or 'none'}. Not run: {', '.join(left) or 'none'}."
    return f"{found} If it was interrupted, the same command with the same --out goes on where it stopped."


def _test(view: View) -> Card | None:
    test, scale = view.mapping("test"), view.scale
    if not test:
        return Card(title="Sealed test set", text="Not opened", lines=(view.skipped("test"),))
    after, before, gain = (estimate(test.get(key)) for key in ("after", "before", "difference"))
    shipped = estimate(test.get("shipped"))
    lines = []
    if before:
        lines.append(f"baseline: {scale.score(before)} {scale.interval(before)}")
    if gain:
        lines.append(f"difference: {scale.gain(gain)} {scale.interval(gain)}, the same examples")
    if shipped:
        lines.append(f"exported file: {scale.score(shipped)} {scale.interval(shipped)}")
    times = opened(test.get("openings"))
    lines.append(", ".join(part for part in (f"n = {count(test.get('n'))} examples", times) if part))
    main = after or before
    text = f"{scale.score(main)} {scale.interval(main)}" if main else DASH
    return Card(title=f"Sealed test set, {scale.label} of what ships", text=text.strip(), lines=tuple(lines))


def _ships(view: View) -> Card | None:
    export = view.mapping("export")
    if not export:
        return Card(title="What ships", text="Nothing exported", lines=(view.skipped("export"),))
    lines = [f"{name}: {', '.join(parts)}" for name, parts in shipped(view) if parts]
    parity = number(export.get("max_abs_difference"))
    if parity is not None:
        lines.append(f"largest difference to PyTorch {significant(parity, 2)}{_agreement(export)}")
    path, kind = str(export.get("path") or "a model"), str(export.get("format") or "")
    text = path if not kind or path.endswith(f".{kind}") else f"{path}, {kind}"
    return Card(title="What ships", text=text, lines=tuple(lines))


def _agreement(export: dict[str, Any]) -> str:
    share = number(export.get("agreement"))
    return "" if share is None else f", answers agree on {significant(100 * share, 4)} %"


def _costs(view: View) -> Card | None:
    export = view.mapping("export")
    if not export:
        return None
    size, before = number(export.get("bytes")), baseline_bytes(view)
    text = bytes_text(size)
    if size and before:
        text += f" ({ratio(size / before)})"
    lines = []
    for batch, now in latency(export, "latency_ms").items():
        then = latency(export, "baseline_latency_ms").get(batch)
        change = f" ({ratio(now / then)})" if then else ""
        lines.append(f"p50 latency, batch {batch}: {milliseconds(now)}{change}")
    time = number(view.inner("confirmation", "time_ratio"))
    if time is not None:
        lines.append(f"training time of the recipe: {ratio(time)}")
    if before:
        lines.append("× is relative to the baseline")
    return Card(title="Size and speed", text=text, lines=tuple(lines))


def _facts(view: View) -> tuple[tuple[str, Cell], ...]:
    data, baseline, task = view.mapping("data"), view.mapping("baseline"), view.mapping("task")
    scale = view.scale
    rows = " / ".join(count(data.get(key)) for key in ("train", "validation", "test"))
    classes = task.get("classes") or task.get("columns") or ()
    what = f"{task.get('kind', DASH)}, {len(classes)} {'classes' if task.get('classes') else 'columns'}"
    better = "larger is better" if view.greater_is_better else "smaller is better"
    parameters, operations = short_count(baseline.get("parameters")), short_count(baseline.get("operations"))
    facts = [
        ("Data", Cell(text=str(data.get("name") or DASH), detail=str(data.get("modality") or ""))),
        ("Train / validation / test", Cell(text=rows, detail=f"splits: {data.get('scheme', DASH)}")),
        ("Task", Cell(text=what if classes else str(task.get("kind") or DASH))),
        ("Metric", Cell(text=scale.label, detail=better)),
        ("Network", network_cell(view)),
        ("Size of the baseline", _size(parameters, operations)),
        ("Smallest gain these data resolve", Cell(text=_points(view, baseline.get("smallest_detectable_gain")))),
        ("Smallest gain that matters", Cell(text=DASH if view.only_compressed else _points(view, view.min_gain))),
        ("The search" if view.only_compressed else "Whole job", _took(view)),
    ]
    return tuple((name, cell) for name, cell in facts if cell.text != DASH)


def _size(parameters: str, operations: str) -> Cell:
    return (
        Cell(text=DASH)
        if parameters == DASH
        else Cell(text=f"{parameters} parameters", detail=f"{operations} operations")
    )


def _took(view: View) -> Cell:
    runs = len(view.rows("runs"))
    return Cell(text=duration(sum(_seconds(view))), detail=f"{runs} runs") if runs else Cell(text=DASH)


def _points(view: View, value: Any) -> str:
    return view.scale.gain(value).lstrip("+")


def _seconds(view: View) -> list[float]:
    return [s for s in (number(v) for v in view.mapping("seconds").values()) if s is not None]

"""The same runs looked at otherwise: other metrics and costs, ordinary averages, and what the design promised."""

from typing import Any

from burnish.reporting.document import Block, Cell, Column, Fold, Table, Text, code, coverage, gain_cell
from burnish.reporting.format import DASH, Scale, estimate, label, number, probability, ratio, scale_for, significant
from burnish.reporting.view import View

__all__ = ["COSTS", "cross_check", "other_metrics", "promised", "scale_of"]

COSTS = {"train_seconds": "training time", "bytes": "size"}
TONES = {"helps": "good", "hurts": "bad"}


def other_metrics(view: View) -> list[Block]:
    """Effects on every metric that was not decided on, at the recipe and at the baseline."""
    found: dict[str, Any] = view.inner("screening", "metrics") or {}
    sections = [part for part in found.values() if isinstance(part, dict) and part.get("effects")]
    if not sections:
        return []
    places = (("at_recipe", "at the recipe"), ("at_baseline", "at the baseline"))
    tables = tuple(_metric_table(view, sections, key, words) for key, words in places)
    names = ", ".join(_name(str(part.get("metric"))) for part in sections)
    return [Fold(summary=f"Effects on {names}", blocks=tables)]


def _metric_table(view: View, sections: list[dict[str, Any]], key: str, words: str) -> Table:
    columns = [Column(name="Technique")]
    columns += [Column(name=_name(str(part.get("metric"))), kind="num") for part in sections]
    techniques = [str(row.get("technique")) for row in sections[0]["effects"]]
    rows = tuple((code(text), *(_metric_cell(view, part, text, key) for part in sections)) for text in techniques)
    named = [f"{_name(str(part.get('metric')))} n = {part.get('n')}" for part in sections]
    same = len({part.get("n") for part in sections}) == 1
    counts = f"n = {sections[0].get('n')} for each" if same else "; ".join(named)
    chance = "; P is the probability that the effect is good" if key == "at_recipe" else ""
    caption = f"Effects {words} with 90 % intervals; positive is better, costs are factors{chance}. Runs: {counts}."
    return Table(columns=tuple(columns), rows=rows, caption=caption)


def _metric_cell(view: View, part: dict[str, Any], technique: str, key: str) -> Cell:
    row: dict[str, Any] = next((r for r in part["effects"] if r.get("technique") == technique), {})
    found = estimate(row.get(key))
    if found is None:
        return Cell(text=DASH, tone="muted")
    chance = f" P {probability(row.get('p_helps'))}" if key == "at_recipe" else ""
    tone = TONES.get(str(row.get("word")), "") if key == "at_recipe" else ""
    if part.get("metric") in COSTS:
        detail = f"[{ratio(found.low).lstrip('×')}, {ratio(found.high).lstrip('×')}]"
        return Cell(text=ratio(found.value), detail=detail + chance, title=coverage(found), tone=tone)
    scale = scale_of(view, part)
    return Cell(text=scale.gain(found.value), detail=scale.interval(found) + chance, title=coverage(found), tone=tone)


def scale_of(view: View, part: dict[str, Any]) -> Scale:
    """How the metric of section `part` is written."""
    examples = int(number(view.inner("data", "validation")) or 0)
    return scale_for(str(part.get("metric")), reference=part.get("level"), examples=examples, unit=view.scale.unit)


def _name(metric: str) -> str:
    return COSTS.get(metric) or label(metric)


def cross_check(view: View) -> list[Block]:
    """Ordinary contrasts with their standard errors and false-discovery control beside the model."""
    rows = [row for row in view.inner_rows("screening", "effects") if estimate(row.get("contrast"))]
    if not rows:
        return []
    columns = (
        Column(name="Technique"),
        Column(name="Average on − off", kind="num"),
        Column(name="Standard error", kind="num"),
        Column(name="q", kind="num", title="Benjamini-Hochberg false-discovery rate over all techniques"),
        Column(name="The model says"),
    )
    cells = tuple(
        (
            code(str(row.get("technique"))),
            gain_cell(row.get("contrast"), view.scale),
            Cell(text=view.scale.bare(row.get("contrast_se"))),
            Cell(text=significant(row.get("q_value"), 2)),
            Cell(text=str(row.get("word") or "")),
        )
        for row in rows
    )
    found = estimate(rows[0].get("contrast"))
    caption = (
        f"Least squares on the main effects with 90 % intervals, n = {found.n if found else 0} runs. An average over "
        "the design holds at no recipe in particular; it is here as a check of the model."
    )
    return [
        Fold(summary="Cross-check: ordinary averages", blocks=(Table(columns=columns, rows=cells, caption=caption),))
    ]


def promised(view: View) -> list[Block]:
    """What the design could show, as it was printed before the runs: smallest effects and aliases."""
    rows = [row for row in view.inner_rows("screening", "forecast", "factors") if not row.get("nuisance")]
    if not rows:
        return []
    sigma = number(view.inner("baseline", "sigma"))
    columns = (
        Column(name="Technique"),
        Column(name="Smallest effect found", kind="num"),
        Column(name="Largest leak", kind="num"),
        Column(name="From"),
    )
    cells = tuple(
        (
            code(str(row.get("technique"))),
            Cell(text=_least(view, number(row.get("smallest_effect")), sigma)),
            Cell(text=significant(row.get("leak"), 2)),
            Cell(text=" × ".join(map(str, row.get("leaks_from") or ()))),
        )
        for row in rows
    )
    caption = (
        "Smallest average effect that is found with 80 % power at 10 % error, by the pilot's noise; and the share of "
        "an interaction of two techniques that an ordinary average counts as the technique's own."
    )
    return [Table(columns=columns, rows=cells, caption=caption), *_nuisance(view)]


def _least(view: View, value: float | None, sigma: float | None) -> str:
    if value is None:
        return DASH
    return f"{significant(value, 2)} × noise" if sigma is None else view.scale.gain(value * sigma).lstrip("+")


def _nuisance(view: View) -> list[Block]:
    varied = [str(text) for text in view.inner("screening", "nuisance") or ()]
    if not varied:
        return []
    return [
        Text(
            text=f"Varied beside the techniques so that no effect depends on it: {', '.join(varied)}. Effects at the "
            "baseline are averaged over it; at the recipe it is where the recipe has it.",
            tone="note",
        )
    ]

"""The last word, in plain words, with what decided it and what to do next."""

import math
from typing import Any

import numpy as np

from burnish.evaluation.simple import LINEAR
from burnish.ledger import write_text
from burnish.pipeline.actions import Situation, next_actions
from burnish.pipeline.stages.diagnose import after_confirmation
from burnish.pipeline.work import HANDED, Work
from burnish.records import Verdict, dumps, to_json
from burnish.studies.confirmation import CONFIRMED
from burnish.studies.outcomes import outcomes

__all__ = ["conclude"]

Json = dict[str, Any]
# Which rule names which culprit when nothing was gained, and what to change.
CULPRITS: dict[str, tuple[str, str]] = {
    "R3": ("the data", "the same rows are on both sides of the split: remove them and measure again"),
    "R11": ("the data", "labels are wrong: go through the review list, the most doubtful first"),
    "R23": ("the data", "training and validation differ: collect training rows like those it will meet"),
    "R9": ("the data", "a class is rare: collect it, weigh it, or decide by another metric"),
    "R8": ("too little data", "collect more rows like these"),
    "R6": ("overfitting", "more data, stronger augmentation, or a smaller network"),
    "R5": ("the structure", "it cannot fit even its training rows: a deeper or wider network"),
    "R1": ("the structure", "it cannot learn even a few rows by heart: look for a bug, or normalize it"),
    "R14": ("the structure", "gradients do not reach its first layers: normalize, or add skips"),
    "R15": ("the structure", "units are dead: another activation, or a lower rate"),
    "R2": ("the structure", "a simple model does as well: better inputs, or a network made for them"),
    "R12": ("its settings", "a lower learning rate"),
    "R13": ("its settings", "a higher learning rate"),
    "R7": ("its settings", "another length of training"),
    "R16": ("its settings", "larger batches, or group norm"),
    "R4": ("too little data", "the validation set is too small to see a gain of the size asked for"),
}
LAST = ("R4", "R2")  # they say that something is wrong, not what: named when nothing else is


def conclude(work: Work) -> Json:
    """Name the case: `good`, `still_poor` or `no_gain`, with its evidence, and the commands worth running now."""
    confirm, test = work.stage("confirm"), work.stage("test")
    outcome, findings = confirm["verdict"], after_confirmation(work, work.stage("diagnose")["report"]["diagnosis"])
    fires = [f for f in findings if f["state"] == "fires"]
    case, decided = _case(work, outcome, test, findings)
    simple = _simple(work, test)
    actions = next_actions(_situation(work, case, outcome, test, findings))
    verdict = Verdict(
        case=case,
        text=" ".join(filter(None, (_beside_linear(work, simple), *_said(work, case, outcome, findings)))),
        next=tuple(action.command for action in actions),
        evidence=(decided, *(f"{f['rule']} {f['title']}: {f['evidence']}" for f in fires[:3])),
        actions=tuple(action.to_json() for action in actions),
        simple=tuple(simple),
    )
    learned = _outcomes(work, findings)
    write_text(work.ledger.path / "outcomes.json", dumps(learned))
    report = {"diagnosis": findings, "verdict": to_json(verdict), "outcomes": learned, "reproduce": _reproduce(work)}
    return {"report": report}


# -- the case ---------------------------------------------------------------------------------------


def _case(work: Work, outcome: str, test: Json, findings: list[Json]) -> tuple[str, str]:
    """The case, and the evidence that decided it."""
    primary, target = work.data.task.primary, work.recipe.target_score
    after, n = test["after"], test["n"]
    if target is not None:
        reached = after["value"] >= target if primary.greater_is_better else after["value"] <= target
        word = "reached" if reached else "not reached"
        said = f"--target-score {target:g} is {word}: {primary.name} {_measured(after)} on {n} {_rows(work)}"
        return ("good" if reached else "still_poor" if outcome == CONFIRMED else "no_gain"), f"{said}."
    error, before = (_error(work, test[key]) for key in ("after", "before"))
    floor, why = _floor(findings) if primary.bounded else (0.0, "")
    noise = 2 * math.sqrt(max(error * (1 - error), 1 / n) / n) if primary.bounded else 0.0
    if primary.bounded and error - floor <= noise:
        said = f"the error that is left, {error:.1%}, is within the noise of {n} {_rows(work)} of {why or 'none'}"
        return "good", f"{said} ({noise:.1%})."
    if outcome != CONFIRMED:
        return "no_gain", f"the confirmation ended {outcome}: {_confirmed(work)}."
    if error <= before / 2:
        return (
            "good",
            f"at least half of the baseline's error is gone on {n} {_rows(work)}: {before:.3g} to {error:.3g}.",
        )
    return "still_poor", f"confirmed, but {error / max(before, 1e-12):.0%} of the baseline's error is left."


def _rows(work: Work) -> str:
    return "test rows" if work.data.test is not None else "validation rows"


def _error(work: Work, estimate: Json) -> float:
    """In the unit of the metric: one minus a score, or the error itself."""
    return 1 - estimate["value"] if work.data.task.primary.greater_is_better else estimate["value"]


def _floor(findings: list[Json]) -> tuple[float, str]:
    """The error that no network can avoid, as far as it was measured: the share of labels that look wrong."""
    noise = next((f for f in findings if f["rule"] == "R11" and f["state"] == "fires" and f["measured"]), None)
    return (0.0, "") if noise is None else (float(noise["measured"]), "the label errors that R11 estimates")


def _confirmed(work: Work) -> str:
    difference = work.stage("confirm")["difference"]
    return "no candidate beat the baseline" if difference is None else f"gain {_shown(work, difference)}"


# -- the words --------------------------------------------------------------------------------------


def _said(work: Work, case: str, outcome: str, findings: list[Json]) -> list[str]:
    fires = [f for f in findings if f["state"] == "fires"]
    if outcome == CONFIRMED:
        return [_gained(work), _rest(case), _blame(fires) if case != "good" else "", _forecast(case, findings)]
    reasons = {
        "EQUIVALENT": "Best recipe and baseline are equal within the smallest gain that matters; the cheaper ships.",
        "UNRESOLVED": "The best recipe looked better, but these data cannot prove it; the baseline ships.",
        "NOTHING_TO_GAIN": "No recipe beat the baseline on fresh splits; the baseline ships.",
    }
    good = "What is left is small or within the noise: go deeper, or compress." if case == "good" else ""
    return [reasons.get(outcome, ""), good or _blame(fires), _forecast(case, findings)]


def _gained(work: Work) -> str:
    confirm = work.stage("confirm")
    recipe, difference = ", ".join(confirm["ships"]), confirm["difference"]
    return (
        f"The recipe [{recipe}] is better than the baseline on fresh splits and seeds: gain in "
        f"{work.data.task.primary.name} {_shown(work, difference)}, {difference['n']} pairs."
    )


def _rest(case: str) -> str:
    if case == "good":
        return "What is left is small or within the noise of the test set: go deeper, or compress further."
    return "A good part of the error is left: change data, structure or settings next." if case == "still_poor" else ""


def _blame(fires: list[Json]) -> str:
    """Structure, settings, data or overfitting: which, and what to change; the larger expected gain first."""
    known = [f for f in fires if f["rule"] in CULPRITS]
    named = [f for f in known if f["rule"] not in LAST] or known
    if not named:
        return "The measurements name no culprit: the techniques at hand are not what this network lacks."
    told: dict[str, str] = {}
    for finding in named:
        culprit, change = CULPRITS[finding["rule"]]
        told.setdefault(culprit, f"{change} ({finding['rule']})")
    parts = [f"{culprit}: {change}" for culprit, change in list(told.items())[:2]]
    return f"Most to blame is {'; then '.join(parts)}."


def _forecast(case: str, findings: list[Json]) -> str:
    """What twice the data would bring, where the learning curve was measured."""
    found = _learning_curve(findings) if case != "good" else None
    if found is None:
        return ""
    gain, here = found["gain"], found["here"]["value"]
    share = gain["value"] / here if here > 0 else 0.0
    doubt = "" if found.get("monotone", True) else "; the curve is not monotone, so this is doubtful"
    return (
        f"Twice the data would take {share:.0%} of the error away by the learning curve: {here:.3g} to "
        f"{found['forecast']['value']:.3g} [{found['forecast']['low']:.3g}, {found['forecast']['high']:.3g}]{doubt}."
    )


def _learning_curve(findings: list[Json]) -> Json | None:
    """The curve in the detail of R8, fired or clear."""
    for finding in findings:
        curve = finding["detail"].get("curve") if finding["rule"] == "R8" else None
        if isinstance(curve, dict) and all(curve.get(key) for key in ("gain", "here", "forecast")):
            return curve
    return None


def _measured(estimate: Json) -> str:
    if estimate.get("low") is None:
        return f"{estimate['value']:.4g}"
    return f"{estimate['value']:.4g} [{estimate['low']:.4g}, {estimate['high']:.4g}]"


def _shown(work: Work, difference: Json) -> str:
    """A gain with its interval: points for scores, the metric's own unit for errors."""
    value, low, high = (difference[key] for key in ("value", "low", "high"))
    if work.data.task.primary.bounded:
        return f"{100 * value:+.1f} points" + ("" if low is None else f" [{100 * low:.1f}, {100 * high:.1f}]")
    return f"{value:+.4g}" + ("" if low is None else f" [{low:.4g}, {high:.4g}]")


# -- simple models ----------------------------------------------------------------------------------


def _simple(work: Work, test: Json) -> list[Json]:
    """The simple models beside what ships, each with the word that its interval allows."""
    least = work.stage("pilot")["min_gain"]
    return [row | {"word": _better(row["gain"], least)} for row in test.get("simple") or []]


def _better(gain: Json, least: float) -> str:
    """Of the network against a simple model: `better`, `no better`, or `cannot tell`."""
    if gain["low"] is not None and gain["low"] > 0 and gain["value"] > least:
        return "better"
    return "no better" if gain["value"] <= least else "cannot tell"


def _beside_linear(work: Work, simple: list[Json]) -> str:
    """What has to be said first: that a network was not needed, or not shown to be."""
    linear = next((row for row in simple if row["name"] == LINEAR), None)
    if linear is None or linear["word"] == "better":
        return ""
    name, n = work.data.task.primary.name, linear["gain"]["n"]
    numbers = (
        f"{name} {linear['score']['value']:.4g} after {linear['rows']} training rows; what ships is "
        f"{_shown(work, linear['gain'])} better on the same {n} {_rows(work)}"
    )
    if linear["word"] == "no better":
        return f"A linear model does as well: {numbers}."
    return f"A linear model may do as well: {numbers}, which does not settle it."


# -- next, and afterwards ---------------------------------------------------------------------------


def _situation(work: Work, case: str, outcome: str, test: Json, findings: list[Json]) -> Situation:
    primary, data = work.data.task.primary, work.data
    error = _error(work, test["after"])
    spread = 1.0 if primary.bounded else float(np.std(np.asarray(data.train.targets), axis=0).mean()) or 1.0
    export, baseline = work.stage("export")["report"]["export"], work.stage("pilot")["report"]["baseline"]
    p50 = export["latency_ms"].get("1", {}).get("p50", {}).get("value")
    curve = _learning_curve(findings)
    share = curve["gain"]["value"] / curve["here"]["value"] if curve and curve["here"]["value"] > 0 else None
    return Situation(
        recipe=work.recipe,
        out=str(work.root),
        case=case,
        outcome=outcome,
        error=error,
        left=error / spread,
        min_gain=work.stage("pilot")["min_gain"],
        findings=tuple(findings),
        effects=tuple(work.stage("analyse")["report"]["screening"].get("effects") or ()),
        difference=work.stage("confirm")["difference"],
        base=work.base | {"metric": primary.name},
        network=baseline["network"],
        modality=data.modality,
        notes=data.notes,
        run_seconds=work.stage("pilot")["seconds_per_run"] or 1.0,
        workers=work.workers,
        bytes=export["bytes"],
        latency_ms=p50,
        forecast=share,
        rebuilt=tuple(row["technique"] for row in work.stage("gate")["report"]["gate"]["rebuilt"]),
        answered=_answered(work),
        plan=HANDED in work.ledger.recipe(),
    )


def _answered(work: Work) -> tuple[str, ...]:
    """Rules too dear for the job whose question its own stages answer: corrupted inputs, int8, and pruning."""
    rows = work.stage("compress")["report"]["compression"]
    steps = " ".join(str(row.get("step")) for row in rows) if isinstance(rows, list) else ""
    return ("R18", *(rule for rule, word in (("R21", "int8"), ("R20", "pruned")) if word in steps))


def _outcomes(work: Work, findings: list[Json]) -> Json:
    """What was predicted and what was found, as the record from which P(helps | finding) is learned."""
    screening = work.stage("analyse")["report"]["screening"]
    return outcomes(
        findings,
        screening.get("effects") or [],
        not_tried=screening.get("not_tried") or [],
        ships=work.stage("confirm")["ships"],
        job={
            "fingerprint": work.data.fingerprint,
            "data": work.data.name,
            "modality": work.data.modality,
            "kind": work.data.task.kind,
            "metric": work.data.task.primary.name,
            "network": work.plan.source.name,
            "verdict": work.stage("confirm")["verdict"],
            "seed": work.recipe.seed,
        },
    )


def _reproduce(work: Work) -> Json:
    return {
        "command": work.recipe.command(out=str(work.root)),
        "seed": work.recipe.seed,
        "fingerprint": work.data.fingerprint,
        "plan_key": work.ledger.run(work.stage("finish")["winner"]).plan_key,
        "techniques": work.stage("finish")["techniques"],
        "base": work.base,
    }

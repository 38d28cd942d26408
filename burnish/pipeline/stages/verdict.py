"""The last word, in plain words, with what decided it and what to do next."""

import math
from typing import Any

from burnish.pipeline.work import Work
from burnish.records import Verdict, to_json

__all__ = ["conclude"]

# Which rule names which culprit when nothing was gained.
CULPRITS = {
    "R5": "the structure (it cannot even fit its training data)",
    "R6": "overfitting, against which none of the techniques tried was enough",
    "R7": "the length of training",
    "R12": "the learning rate, which is too high",
    "R13": "the learning rate, which is too low",
    "R2": "the inputs or the network, which do no better than a simple baseline",
    "R3": "leakage between the splits, which makes the baseline look better than it is",
    "R9": "class imbalance",
    "R4": "the size of the validation set, too small to see a gain of the size asked for",
}


def conclude(work: Work) -> dict[str, Any]:
    """Name the case: `good`, `still_poor` or `no_gain`, and the commands worth running now."""
    confirm, test = work.stage("confirm"), work.stage("test")
    outcome = confirm["verdict"]
    fires = [f for f in work.stage("diagnose")["report"]["diagnosis"] if f["state"] == "fires"]
    case = _case(work, outcome, test)
    verdict = Verdict(
        case=case,
        text=_text(work, case, outcome, test, fires),
        next=tuple(_next(work, case, outcome, fires)),
        evidence=tuple(f"{f['rule']} {f['title']}: {f['evidence']}" for f in fires[:3]),
    )
    return {"report": {"verdict": to_json(verdict), "reproduce": _reproduce(work)}}


def _case(work: Work, outcome: str, test: dict[str, Any]) -> str:
    primary = work.data.task.primary
    after, before = test["after"], test["before"]
    target = work.recipe.target_score
    if target is not None:
        reached = after["value"] >= target if primary.greater_is_better else after["value"] <= target
        return "good" if reached else "no_gain" if outcome != "CONFIRMED" else "still_poor"
    if outcome != "CONFIRMED":
        return "no_gain"
    error_after, error_before = (1 - t["value"] if primary.greater_is_better else t["value"] for t in (after, before))
    near_floor = primary.bounded and error_after <= 2 * math.sqrt(max(error_after, 1 / test["n"]) / test["n"])
    return "good" if near_floor or error_after <= error_before / 2 else "still_poor"


def _text(work: Work, case: str, outcome: str, test: dict[str, Any], fires: list[dict[str, Any]]) -> str:
    primary, difference = work.data.task.primary.name, work.stage("confirm")["difference"]
    if outcome == "CONFIRMED":
        recipe = ", ".join(work.stage("confirm")["ships"])
        gained = (
            f"The recipe [{recipe}] is better than the baseline on fresh splits and seeds: gain in {primary} "
            f"{_shown(work, difference)}, {difference['n']} pairs. "
        )
        more = {
            "good": "What is left is small or within the noise of the test set: go deeper, or compress further.",
            "still_poor": "A good part of the error is left: change data, parameters or structure next.",
            "no_gain": "",
        }
        return gained + more[case]
    reasons = {
        "EQUIVALENT": "Best recipe and baseline are equal within the smallest gain that matters; the cheaper ships.",
        "UNRESOLVED": "The best recipe looked better, but these data cannot prove it; the baseline ships.",
        "NOTHING_TO_GAIN": "No recipe beat the baseline on fresh splits; the baseline ships.",
    }
    culprits = [CULPRITS[f["rule"]] for f in fires if f["rule"] in CULPRITS]
    blame = (
        f" What limits it most by the measurements: {'; '.join(culprits[:2])}."
        if culprits
        else (" The measurements name no single culprit: the techniques at hand are not what this network lacks.")
    )
    return reasons.get(outcome, "") + blame


def _shown(work: Work, difference: dict[str, Any]) -> str:
    """A gain with its interval: points for scores, the metric's own unit for errors."""
    value, low, high = (difference[key] for key in ("value", "low", "high"))
    if work.data.task.primary.bounded:
        return f"{100 * value:+.1f} points [{100 * low:.1f}, {100 * high:.1f}]"
    return f"{value:+.4g} [{low:.4g}, {high:.4g}]"


def _next(work: Work, case: str, outcome: str, fires: list[dict[str, Any]]) -> list[str]:
    """At most five commands that can be pasted, most valuable first."""
    recipe, out = work.recipe, work.root
    lines = []
    if outcome == "UNRESOLVED" and recipe.budget != "thorough":
        lines.append(_again(work, budget="thorough"))
    if case == "no_gain" and not recipe.only:
        lines.append(_again(work, only=("SAM", "GradientClip", "WeightDecay(value=0.2)", "Dropout(rate=0.4)")))
    if case == "still_poor" and recipe.network is None:
        lines.append(_again(work, network="resnet" if work.data.modality == "image" else "mlp"))
    lines.append(f'burnish compress {out} --require "latency_ms<=1" --max-drop {recipe.max_drop}')
    lines.append(f"burnish predict {out} FILE")
    if fires:
        lines.append(f"burnish diagnose {recipe.network or ''} --data {recipe.data}".replace("  ", " "))
    return lines[:5]


def _again(work: Work, **changes: Any) -> str:
    from dataclasses import replace

    return replace(work.recipe, **changes).command(out=f"{work.root}-next")


def _reproduce(work: Work) -> dict[str, Any]:
    return {
        "command": work.recipe.command(out=str(work.root)),
        "seed": work.recipe.seed,
        "fingerprint": work.data.fingerprint,
        "plan_key": work.ledger.run(work.stage("finish")["winner"]).plan_key,
        "techniques": work.stage("finish")["techniques"],
        "base": work.base,
    }

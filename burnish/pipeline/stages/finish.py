"""Decide the readouts on paired runs, then train baseline and winner once on the split as loaded."""

import math
from typing import Any

import numpy as np

from burnish.evaluation.paired import paired_splits
from burnish.pipeline.running import check_finished, spec
from burnish.pipeline.work import Work
from burnish.records import Run, to_json

__all__ = ["arm_runs", "finish"]

IN_TRAINING = ("EMA", "SWA", "EarlyStopping")
AFTERWARDS = {
    "TemperatureScaling": "fitted on what ships, see Quality",
    "Threshold": "fitted on what ships, see Quality",
    "TestTimeAugmentation": "it costs five computations instead of one, so it ships only when asked for",
}
NOTATIONS = {
    "EMA": "EMA(decay=0.99)",
    "SWA": "SWA(start=0.75)",
    "EarlyStopping": "EarlyStopping(patience={epochs})",
    "TemperatureScaling": "TemperatureScaling()",
    "Threshold": "Threshold()",
    "TestTimeAugmentation": "TestTimeAugmentation(shift=1)",
}


def finish(work: Work) -> dict[str, Any]:
    """Train what ships. A readout is added when the lower bound of its paired gain is above zero."""
    shipped = work.stage("confirm")["ships"]
    arm = [r for r in arm_runs(work, shipped) if r.status == "done"]
    verdicts = [_judge(work, name, arm) for name in IN_TRAINING]
    accepted = [v for v in verdicts if v["accepted"]]
    best = max(accepted, key=lambda v: v["gain"].value, default=None)
    for verdict in accepted:
        if verdict is not best:
            verdict["accepted"] = False
            verdict["reason"] = f"helps, but less than {best['technique']}" if best else ""
    techniques = [*shipped, *([best["technique"]] if best else [])]
    seed, base = work.recipe.seed, {**work.base, "rows": 1.0}  # what ships learns from every training row
    specs = [spec("finish", 0, base=base, seed=seed, keep=True, name="baseline")]
    if techniques:
        specs.append(spec("finish", 1, base=base, techniques=techniques, seed=seed, keep=True, name="winner"))
    runs = work.runner.run(specs)
    baseline, winner = runs[0], runs[-1]
    for run in (baseline, winner):
        check_finished([run], given_rate=work.recipe.lr is not None)
    return {
        "runs": [r.id for r in runs],
        "baseline": baseline.id,
        "winner": winner.id,
        "techniques": techniques,
        "report": {
            "readouts": to_json([*verdicts, *_afterwards(work, arm)]),
            "curves": {"baseline": list(baseline.curves), "winner": list(winner.curves)},
            "shipped": techniques,
        },
    }


def _afterwards(work: Work, arm: list[Run]) -> list[dict[str, Any]]:
    """Readouts of finished networks: fitted on what ships when it is exported, or too dear to ship unasked."""
    found = []
    for name, why in AFTERWARDS.items():
        if not any(name in run.readouts for run in arm):
            continue
        verdict = _judge(work, name, arm)
        verdict |= {"accepted": False, "reason": f"{verdict['reason']}; {why}"}
        found.append(verdict)
        if name == "TemperatureScaling":
            losses = [(r.scores["log_loss"], r.readouts[name]["log_loss"]) for r in arm if name in r.readouts]
            before, after = np.mean(losses, axis=0)
            verdict["reason"] = f"log loss {before:.3f} to {after:.3f}, same answers; {why}"
    return found


def arm_runs(work: Work, techniques: list[str]) -> list[Run]:
    """Runs of the shipped plan on fresh splits."""
    runs = work.runs("candidates") + work.runs("confirm") + work.runs("pilot")
    return [r for r in runs if list(r.techniques) == techniques]


def _judge(work: Work, name: str, runs: list[Run]) -> dict[str, Any]:
    primary, data = work.data.task.primary, work.data
    technique = NOTATIONS[name].format(epochs=work.base["epochs"])
    pairs = [(r.score, r.readouts[name][primary.name]) for r in runs if name in r.readouts]
    pairs = [p for p in pairs if all(map(math.isfinite, p))]
    if len(pairs) < 3:
        gain = None
        reason = f"only {len(pairs)} paired runs; at least 3 are needed"
        return {"technique": technique, "gain": gain, "accepted": False, "reason": reason}
    estimate, _ = paired_splits(
        [b for b, _ in pairs],
        [a for _, a in pairs],
        primary,
        n_train=len(data.train_rows),
        n_validation=len(data.validation_rows),
        level=0.9,
    )
    accepted = (estimate.low or 0.0) > 0
    reason = "lower 95 % bound above zero" if accepted else "lower 95 % bound not above zero"
    return {"technique": technique, "gain": estimate, "accepted": accepted, "reason": reason}

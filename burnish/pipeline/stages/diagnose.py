"""What limits the baseline: the rules, on the pilot's runs. Findings nominate; the experiment decides."""

import math
from typing import Any

from burnish.diagnosis import RULES, Subject, Thresholds, by_gain, diagnose
from burnish.evaluation.learning_curve import LearningCurve
from burnish.pipeline.looking import rules_budget, subject_of
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import Work
from burnish.records import Finding, from_json, to_json

__all__ = ["after_confirmation", "run_rules"]

IN_THE_JOB = 0.2  # trainings of the baseline: the job's own stages answer what dearer rules ask


def run_rules(work: Work) -> dict[str, Any]:
    """Apply every rule to the baseline as the pilot trained it.

    In the whole job only rules that cost next to nothing are asked; alone, what the budget allows.
    """
    plan = plan_from_base(work.plan, work.base, [])
    subject = subject_of(
        plan,
        tuple(work.runs("pilot")),
        work.ledger,
        tuned=tuple(work.stage("tune")["tuned"]),
        min_gain=work.stage("pilot")["min_gain"],
        thresholds=Thresholds.parse(work.recipe.threshold),
        device=work.device,
    )
    alone = work.ahead is not None and "gate" not in work.ahead
    limits: dict[str, Any] = {"runs": IN_THE_JOB}
    if alone:
        limits = rules_budget(work.recipe.budget, sum(work.ledger.seconds().values()))
    findings = diagnose(subject, **limits)
    known = [from_json(Finding, f) for f in work.stage("preflight")["findings"]]
    seen = {f.rule for f in findings}
    findings = by_gain([*findings, *(f for f in known if f.rule not in seen)])
    for finding in findings:
        if finding.state == "fires":
            work.note(f"{finding.rule} {finding.title}: {finding.evidence}")
    return {"report": {"diagnosis": to_json(findings)}}


def after_confirmation(work: Work, findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """`findings` with what later runs show: whether a gain is still there when it is measured again, whether the
    screening's runs come in the same order by another metric, and what more rows bring to what ships.
    """
    rows = {row["name"]: row for row in work.stage("candidates")["report"]["candidates"]}
    chosen, difference = work.stage("candidates")["winner"], work.stage("confirm")["difference"]
    best = next((row for row in rows.values() if row["techniques"] == chosen), None)
    screened = None
    if best is not None and difference is not None and "baseline" in rows:
        promised = work.data.task.primary.gain(rows["baseline"]["mean"] or math.nan, best["mean"] or math.nan)
        screened = (promised, difference["value"]) if math.isfinite(promised) else None
    screening = tuple(run for run in work.runs("screen") if run.status == "done")
    curve = work.stage("traits")["report"]["learning_curve"]
    known = {} if "skipped" in curve else {"learning_curve": from_json(LearningCurve, curve)}
    subject = Subject(
        work.data,
        plan=plan_from_base(work.plan, work.base, []),
        runs=tuple(work.runs("pilot")),
        others=screening,
        screened=screened,
        thresholds=Thresholds.parse(work.recipe.threshold),
        cache=dict(known),
    )
    asked = {"R10": True, "R24": screened is not None, "R8": bool(known)}
    last = diagnose(subject, rules={name: RULES[name] for name, wanted in asked.items() if wanted})
    seen = {finding.rule for finding in last}
    return to_json(by_gain([*(from_json(Finding, f) for f in findings if f["rule"] not in seen), *last]))

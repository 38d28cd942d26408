"""What limits the baseline: the rules, on the pilot's runs. Findings nominate; the experiment decides."""

from typing import Any

from burnish.diagnosis import Subject, diagnose
from burnish.exporting.safetensors import load_weights
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import Work
from burnish.records import Finding, from_json, to_json

__all__ = ["run_rules"]


def run_rules(work: Work) -> dict[str, Any]:
    """Apply every rule to the baseline as the pilot trained it."""
    runs = work.runs("pilot")
    first = next((r for r in runs if r.status == "done"), None)
    plan = plan_from_base(work.plan, work.base, [])
    model, predictions, data = None, None, plan.data
    if first is not None:
        directory = work.ledger.run_directory(first.id)
        data = plan.data.replicate(first.split)
        if (directory / "weights.safetensors").exists():
            model = load_weights(plan.build(first.seed), directory / "weights.safetensors")
        predictions = work.ledger.arrays(first.id)["outputs"]
    subject = Subject(
        data=data,
        plan=plan,
        model=model,
        runs=tuple(runs),
        predictions=predictions,
        tuned=tuple(work.stage("tune")["tuned"]),
        min_gain=work.stage("pilot")["min_gain"],
    )
    findings = diagnose(subject)
    known = [from_json(Finding, f) for f in work.stage("preflight")["findings"]]
    seen = {f.rule for f in findings}
    findings += [f for f in known if f.rule not in seen]
    for finding in findings:
        if finding.state == "fires":
            work.note(f"{finding.rule} {finding.title}: {finding.evidence}")
    return {"report": {"diagnosis": to_json(findings)}}

"""Bug checks that stop the job, and the untouched network's own score where one was handed in."""

from typing import Any

from burnish.data.tensors import network_tensor
from burnish.evaluation.predict import predict
from burnish.pipeline.checking import bug_checks
from burnish.pipeline.work import Work
from burnish.records import to_json

__all__ = ["preflight"]


def preflight(work: Work) -> dict[str, Any]:
    """What the bug checks found; bugs have stopped the job before. A trained network is measured as it came."""
    data, plan = work.data, work.plan
    findings = work.findings if work.findings is not None else bug_checks(plan)
    untouched = None
    if plan.source.trained:
        outputs = predict(plan.build(0), data.validation, data.preparation)
        untouched = data.task.primary(data.task.decode(outputs), data.validation.targets)
        work.note(f"the network as it came: {data.task.primary.name} {untouched:.4g} on validation")
    for finding in findings:
        if finding.state == "fires":
            work.note(str(finding))
    return {"findings": to_json(findings), "untouched": untouched, "report": {}}


def network_example(work: Work, rows: int = 64) -> Any:
    """Up to `rows` training examples as the network sees them."""
    data = work.data
    return network_tensor(data.preparation, data.inputs[data.train_rows[:rows]])

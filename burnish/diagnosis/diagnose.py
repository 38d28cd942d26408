"""All rules over one subject. Rules nominate techniques; experiments decide."""

import dataclasses
import time
from collections.abc import Callable, Mapping

from burnish.diagnosis import (
    rule_01_start,
    rule_02_baseline,
    rule_03_duplicates,
    rule_04_resolution,
    rule_05_underfit,
    rule_06_overfit,
    rule_07_budget,
    rule_09_imbalance,
    rule_10_metric,
    rule_12_rate_too_high,
    rule_13_rate_too_low,
    rule_14_gradients,
    rule_15_dead_units,
    rule_16_batch_norm,
    rule_17_calibration,
    rule_19_instability,
)
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["QUICK", "RULES", "diagnose"]

Check = Callable[[Subject], Finding]
STATES = ("fires", "clear", "cannot tell")

RULES: dict[str, Check] = {
    "R1": rule_01_start.check,
    "R2": rule_02_baseline.check,
    "R3": rule_03_duplicates.check,
    "R4": rule_04_resolution.check,
    "R5": rule_05_underfit.check,
    "R6": rule_06_overfit.check,
    "R7": rule_07_budget.check,
    "R9": rule_09_imbalance.check,
    "R10": rule_10_metric.check,
    "R12": rule_12_rate_too_high.check,
    "R13": rule_13_rate_too_low.check,
    "R14": rule_14_gradients.check,
    "R15": rule_15_dead_units.check,
    "R16": rule_16_batch_norm.check,
    "R17": rule_17_calibration.check,
    "R19": rule_19_instability.check,
}
# What a quick diagnosis does instead: no training, no model fitting.
QUICK: dict[str, Check] = {name: check for name, check in RULES.items() if name != "R2"} | {
    "R1": rule_01_start.check_quick
}


def diagnose(subject: Subject, *, quick: bool = False, rules: Mapping[str, Check] | None = None) -> list[Finding]:
    """What limits this network on these data, worst first.

    A rule that fails does not end the diagnosis: it cannot tell, and its finding names the error.

    Args:
        subject: Network, data and what is known of them.
        quick: Leave out what trains or fits models.
        rules: The checks by name, instead of the catalogue.

    Returns:
        One finding for each rule: those that fire, then those that are clear, then those that cannot tell, each in
        the order of the catalogue; `cost_seconds` is what the rule took.
    """
    chosen = rules if rules is not None else QUICK if quick else RULES
    findings = [_timed(name, check, subject) for name, check in chosen.items()]
    return sorted(findings, key=lambda finding: STATES.index(finding.state))


def _timed(name: str, check: Check, subject: Subject) -> Finding:
    start = time.perf_counter()
    try:
        finding = check(subject)
    except Exception as error:  # one broken rule must not cost the user the others, nor the run
        said = f"the check failed: {type(error).__name__}: {error}"
        finding = Finding(
            rule=name, title="check failed", state="cannot tell", measured=None, threshold=None, evidence=said
        )
    return dataclasses.replace(finding, cost_seconds=time.perf_counter() - start)

"""All rules over one subject. Rules nominate techniques; experiments decide."""

import dataclasses
import math
import time
from collections.abc import Callable, Mapping
from types import ModuleType

from burnish.diagnosis import (
    data_columns,
    data_conflicts,
    data_files,
    data_leak,
    data_order,
    rule_01_start,
    rule_02_baseline,
    rule_03_duplicates,
    rule_04_resolution,
    rule_05_underfit,
    rule_06_overfit,
    rule_07_budget,
    rule_08_more_data,
    rule_09_imbalance,
    rule_10_metric,
    rule_11_label_errors,
    rule_12_rate_too_high,
    rule_13_rate_too_low,
    rule_14_gradients,
    rule_15_dead_units,
    rule_16_batch_norm,
    rule_17_calibration,
    rule_18_corruptions,
    rule_19_instability,
    rule_20_pruning,
    rule_21_int8,
    rule_22_feed,
    rule_23_shift,
    rule_24_winners_curse,
    wiring_augment,
    wiring_inputs,
    wiring_loss,
    wiring_metric,
    wiring_outputs,
)
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.records import Finding

__all__ = ["QUICK", "RULES", "by_gain", "diagnose", "prices"]

Check = Callable[[Subject], Finding]
MINOR = 0.1  # of the symptom's expected gain
STATES = ("fires", "clear", "cannot tell")
MODULES: tuple[ModuleType, ...] = (
    rule_01_start,
    rule_02_baseline,
    rule_03_duplicates,
    rule_04_resolution,
    rule_05_underfit,
    rule_06_overfit,
    rule_07_budget,
    rule_08_more_data,
    rule_09_imbalance,
    rule_10_metric,
    rule_11_label_errors,
    rule_12_rate_too_high,
    rule_13_rate_too_low,
    rule_14_gradients,
    rule_15_dead_units,
    rule_16_batch_norm,
    rule_17_calibration,
    rule_18_corruptions,
    rule_19_instability,
    rule_20_pruning,
    rule_21_int8,
    rule_22_feed,
    rule_23_shift,
    rule_24_winners_curse,
    data_leak,
    data_conflicts,
    data_columns,
    data_order,
    data_files,
    wiring_outputs,
    wiring_loss,
    wiring_metric,
    wiring_inputs,
    wiring_augment,
)

RULES: dict[str, Check] = {module.RULE.id: module.check for module in MODULES}
# What a quick diagnosis does: no training, no model fitting.
QUICK: dict[str, Check] = {
    module.RULE.id: getattr(module, "check_quick", module.check) for module in MODULES if module.RULE.quick
}

# A cheaper look at what a rule would measure, with its own price, for when the rule itself is too dear.
FIRST: dict[str, ModuleType] = {module.RULE.id: module for module in MODULES if hasattr(module, "first_look")}


def diagnose(
    subject: Subject,
    *,
    quick: bool = False,
    rules: Mapping[str, Check] | None = None,
    runs: float | None = None,
    seconds: float | None = None,
    at_least: float = 0.0,
) -> list[Finding]:
    """What limits this network on these data: what fires first, by the gain expected of acting on it.

    A rule that fails does not end the diagnosis: it cannot tell, and its finding names the error. Rules that train
    are asked in the order of their price, the cheapest first; one that does not fit into what is left says so.

    Args:
        subject: Network, data and what is known of them.
        quick: Leave out what trains or fits models.
        rules: The checks by name, instead of the catalogue.
        runs: Most trainings of the baseline, or parts of one, that all rules together may take.
        at_least: Seconds that rules may take even where `runs` are used up, by their price.
        seconds: Most seconds they may take, by the price that the subject's runs give; rules that train nothing
            are always asked.

    Returns:
        One finding for each rule: those that fire, the largest expected gain first; then those that are clear, then
        those that cannot tell, in the order of the catalogue. `cost_seconds` is what the rule took.
    """
    chosen = rules if rules is not None else QUICK if quick else RULES
    costs, start, spent = ({} if quick else prices(subject)), time.perf_counter(), 0.0
    findings: dict[str, Finding] = {}
    for name in sorted(chosen, key=lambda name: costs.get(name, 0.0)):
        left = None if seconds is None else seconds - (time.perf_counter() - start)
        most = None if runs is None else max(runs, at_least / (subject.run_seconds or math.inf)) - spent
        looks = [(chosen[name], costs.get(name, 0.0))]
        if name in FIRST and not quick:
            looks.append((FIRST[name].first_look, FIRST[name].first_price(subject)))
        reasons = [_too_dear(subject, price, most, left) for _, price in looks]
        if "" in reasons:
            check, price = looks[reasons.index("")]
            findings[name], spent = _timed(name, check, subject, price), spent + price
        else:
            findings[name] = _cheaply(name, subject, looks[0][1], reasons[0])
    return by_gain([findings[name] for name in chosen])


def _cheaply(name: str, subject: Subject, price: float, reason: str) -> Finding:
    """What a rule that is too dear says without training, where that tells anything; else that it was left out."""
    if name in QUICK:
        found = _timed(name, QUICK[name], subject, 0.0)
        if found.state == "fires":
            return found
        if found.state == "clear":
            more = f"{found.evidence} What needs training was left out: {reason}."
            return dataclasses.replace(found, evidence=more)
    return _skipped(name, price, reason)


def by_gain(findings: list[Finding]) -> list[Finding]:
    """Findings that fire first, by expected gain; then clear ones and those that cannot tell, each in their order.

    A finding that may follow from others that fire stands behind all of them; its `detail` names them in `follows`.
    """
    ordered = sorted(findings, key=lambda finding: (STATES.index(finding.state), -(finding.gain or 0.0)))
    firing = [finding for finding in ordered if finding.state == "fires"]
    return [*_behind_causes(firing), *ordered[len(firing) :]]


def _behind_causes(firing: list[Finding]) -> list[Finding]:
    """The same findings, each as early as its place and its causes allow."""
    left, placed = [_told_causes(finding, firing) for finding in firing], list[Finding]()
    while left:
        names = {finding.rule for finding in placed}
        free = (finding for finding in left if names.issuperset(finding.detail.get("follows", ())))
        following = next(free, left[0])  # rules of one's own may name one another
        left.remove(following)
        placed.append(following)
    return placed


def _told_causes(finding: Finding, firing: list[Finding]) -> Finding:
    """With its causes noted; what promises next to nothing beside the symptom is not the reason for it."""
    least = MINOR * (finding.gain or 0.0)
    known = finding.detail.get("symptom_of", ())
    causes = [other.rule for other in firing if other.rule in known and (other.gain or 0.0) >= least]
    return dataclasses.replace(finding, detail=finding.detail | {"follows": causes}) if causes else finding


def prices(subject: Subject) -> dict[str, float]:
    """What each rule costs for `subject`, in trainings of the baseline."""
    return {m.RULE.id: float(m.price(subject)) if hasattr(m, "price") else m.RULE.runs for m in MODULES}


def _too_dear(subject: Subject, price: float, runs: float | None, seconds: float | None) -> str:
    """Why a rule of this price does not fit any more, or nothing."""
    if not price:
        return ""
    if runs is not None and price > runs:
        return f"it takes about {price:.2g} trainings of the baseline, {max(runs, 0.0):.2g} are left"
    taken = subject.run_seconds
    if seconds is not None and taken is not None and price * taken > seconds:
        return f"it takes about {price:.2g} trainings of the baseline, more than the time that is left"
    return ""


def _skipped(name: str, price: float, reason: str) -> Finding:
    rule = _rule(name)
    found = rule.cannot_tell(f"left out: {reason}; `burnish diagnose` with a larger --budget asks it.")
    return dataclasses.replace(found, cost_runs=0.0, detail={"skipped": True, "price_runs": price})


def _rule(name: str) -> Rule:
    for module in MODULES:
        if module.RULE.id == name:
            return module.RULE
    return Rule(id=name, title=name, source="")


def _timed(name: str, check: Check, subject: Subject, price: float) -> Finding:
    start = time.perf_counter()
    try:
        finding = check(subject)
    except Exception as error:  # one broken rule must not cost the user the others, nor the run
        said = f"the check failed: {type(error).__name__}: {error}"
        finding = Finding(
            rule=name, title="check failed", state="cannot tell", measured=None, threshold=None, evidence=said
        )
    return dataclasses.replace(finding, cost_seconds=time.perf_counter() - start, cost_runs=price)

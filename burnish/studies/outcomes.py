"""After the fact: what the diagnosis predicted against what the experiment found, and what many jobs teach.

One record per job holds which findings fired and what each technique did. Pooled over jobs, they give
P(technique helps | finding): among the jobs in which the finding fired and the technique was tried, the share in which
it helped.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from scipy.stats import beta

__all__ = ["SCHEMA", "outcomes", "pooled"]

Json = dict[str, Any]
SCHEMA = "burnish-outcomes/1"
ANY = "any"  # the base rate: whatever fired


def outcomes(
    findings: Sequence[Json],
    effects: Sequence[Json],
    *,
    not_tried: Sequence[Json] = (),
    ships: Sequence[str] = (),
    job: Json | None = None,
) -> Json:
    """The record of one job.

    Args:
        findings: Of the diagnosis, as JSON.
        effects: Of the screening, as JSON.
        not_tried: Techniques with the reason why they were left out.
        ships: Techniques of what ships.
        job: What the job was: data, network, metric.

    Returns:
        `schema`, `job`, `findings` (state of each rule), `techniques`: for each its `name`, `technique`, the rules
        that `named` it, whether it was `tried`, `in_recipe` and `ships`, its `effect` alone (estimate), `p_helps`,
        `word`, and `outcome`: `as predicted`, `not borne out`, `unclear`, `not predicted`, `rightly not named` or
        `not tried`.
    """
    named = _named(findings)
    tried = {_name(row["technique"]): row for row in sorted(effects, key=lambda row: row.get("p_helps") or 0.0)}
    reasons = {_name(row["technique"]): row.get("reason", "") for row in not_tried}
    left = [name for name in reasons if name in named and name not in tried]
    rows = [_tried(name, row, named.get(name, []), ships) for name, row in tried.items()]
    rows += [_untried(name, named[name], reasons[name]) for name in left]
    return {
        "schema": SCHEMA,
        "job": dict(job or {}),
        "findings": {f["rule"]: f["state"] for f in findings},
        "techniques": rows,
    }


def _named(findings: Sequence[Json]) -> dict[str, list[str]]:
    """Rules that fire, by the technique they name as a remedy."""
    found: dict[str, list[str]] = defaultdict(list)
    for finding in findings:
        if finding["state"] == "fires":
            for remedy in finding["remedies"]:
                found[_name(remedy)].append(finding["rule"])
    return dict(found)


def _tried(name: str, row: Json, named: list[str], ships: Sequence[str]) -> Json:
    effect = row.get("at_baseline")
    helped = _helped(row)
    return {
        "name": name,
        "technique": row["technique"],
        "named": named,
        "tried": True,
        "in_recipe": bool(row.get("in_recipe")),
        "ships": row["technique"] in ships,
        "effect": effect,
        "p_helps": row.get("p_helps"),
        "word": row.get("word", ""),
        "helped": helped,
        "outcome": _outcome(bool(named), helped),
        "reason": "",
    }


def _untried(name: str, named: list[str], reason: str) -> Json:
    empty = dict.fromkeys(("effect", "p_helps", "helped"))
    flags = {"tried": False, "in_recipe": False, "ships": False}
    more = {"word": "", "outcome": "not tried", "reason": reason}
    return {"name": name, "technique": name, "named": named, **flags, **empty, **more}


def _helped(row: Json) -> bool | None:
    """Whether it helped, alone or in the recipe: True and False need an interval without zero; else None."""
    ends = [row[key] for key in ("at_baseline", "at_recipe") if row.get(key) and row[key].get("low") is not None]
    if row.get("word") == "hurts" or any(end["high"] < 0 for end in ends):
        return False
    return True if row.get("word") == "helps" or any(end["low"] > 0 for end in ends) else None


def _outcome(named: bool, helped: bool | None) -> str:
    if helped is None:
        return "unclear"
    if named:
        return "as predicted" if helped else "not borne out"
    return "not predicted" if helped else "rightly not named"


def pooled(records: Iterable[Json], *, level: float = 0.95) -> list[Json]:
    """P(technique helps | finding) over the records of many jobs.

    A technique that is neither shown to help nor to hurt counts as one that did not help: so does a user who gets
    nothing for the price. The interval is Jeffreys'; its mean may serve as a prior.

    Args:
        records: What `outcomes` gave; of several for the same job (data, network and seed), the last one counts.
        level: Coverage of the interval.

    Returns:
        For each technique and finding: `finding` (a rule, or `any`), `technique`, `n` jobs with both, `helped`,
        `hurt`, `value` (helped / n), `low`, `high`, `prior` (mean of the posterior), the most jobs first.

    Example:
        >>> tried = {"name": "Mixup", "tried": True, "helped": True}
        >>> record = {"schema": SCHEMA, "job": {}, "findings": {"R6": "fires"}, "techniques": [tried]}
        >>> [(row["finding"], row["technique"], row["helped"], row["n"]) for row in pooled([record])]
        [('any', 'Mixup', 1, 1), ('R6', 'Mixup', 1, 1)]
    """
    jobs = {_identity(record, place): record for place, record in enumerate(records) if record.get("schema") == SCHEMA}
    counts: dict[tuple[str, str], list[int]] = defaultdict(lambda: [0, 0, 0])
    for record in jobs.values():
        fired = [ANY, *(rule for rule, state in record["findings"].items() if state == "fires")]
        for row in record["techniques"]:
            for rule in fired if row["tried"] else ():
                count = counts[rule, row["name"]]
                count[0] += 1
                count[1] += row["helped"] is True
                count[2] += row["helped"] is False
    rows = [_row(rule, name, n, helped, hurt, level) for (rule, name), (n, helped, hurt) in counts.items()]
    return sorted(rows, key=lambda row: (row["finding"] != ANY, -row["n"], row["finding"], row["technique"]))


def _identity(record: Json, place: int) -> Any:
    job = record.get("job") or {}
    known = tuple(str(job.get(key)) for key in ("fingerprint", "network", "metric", "seed"))
    return known if job.get("fingerprint") else place


def _row(rule: str, name: str, n: int, helped: int, hurt: int, level: float) -> Json:
    a, b = helped + 0.5, n - helped + 0.5
    low = 0.0 if helped == 0 else float(beta.ppf((1 - level) / 2, a, b))
    high = 1.0 if helped == n else float(beta.ppf((1 + level) / 2, a, b))
    counts = {"n": n, "helped": helped, "hurt": hurt, "value": helped / n}
    return {"finding": rule, "technique": name, **counts, "low": low, "high": high, "prior": a / (a + b)}


def _name(text: str) -> str:
    return str(text).split("(", 1)[0]

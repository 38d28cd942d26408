"""What to do next: commands that can be pasted, ranked by the value of what they would bring.

    value = gain x chance / cost

`gain` is the share of the remaining error that goes if it works, `chance` the probability that it does, `cost` the
trainings it takes, and as much attention as fifty of them: counted work, so that the order is the same in two sittings.
What was measured is used where there is a measurement: a finding's expected gain, a technique's effect and P(helps),
the confirmation's difference, the learning curve. The rest are priors of ours, `PRIORS`, open to evidence
(`burnish techniques --learned`).
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Any

from burnish.pipeline.recipe import Recipe
from burnish.studies.budget import Budget
from burnish.techniques import CATALOGUE, parse

__all__ = ["Action", "Situation", "next_actions"]

MOST = 5
ATTENTION = 50.0  # trainings whose price is that of the attention any command costs the person who reads its result
# (gain, chance) of an action about which nothing was measured
PRIORS: dict[str, tuple[float, float]] = {
    "rate": (0.3, 0.6),
    "length": (0.15, 0.5),
    "network": (0.25, 0.3),
    "structure": (0.35, 0.45),  # another network where the network itself is to blame
    "technique": (0.1, 0.3),
    "rows": (0.15, 0.6),
    "metric": (0.1, 0.4),
    "budget": (0.05, 0.3),
    "look": (0.1, 0.3),
    "smaller": (0.02, 0.4),
}
SMALLER_WHEN_GOOD = (0.2, 0.4)
STRUCTURE = ("R1", "R2", "R5", "R14")
WORTH_BYTES, WORTH_LATENCY = 50_000, 1.0  # bytes and milliseconds below which compressing further is for nobody
# The network of the zoo to compare with, by what is used now and by modality.
OTHERS = {"cnn": "resnet", "textcnn": "transformer", "transformer": "textcnn", "resnet": "cnn"}
PLAIN = {"image": "resnet", "text": "textcnn", "table": "mlp", "series": "cnn1d"}

Json = dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Action:
    """One thing to do next.

    Attributes:
        command: A line to paste.
        why: The reason, in a few words.
        gain: Share of the remaining error that goes if it works.
        chance: Probability that it works.
        runs: What it takes, in trainings of the baseline; the order depends on it.
        minutes: What that took where it was timed; shown only.
    """

    command: str
    why: str
    gain: float
    chance: float
    runs: float
    minutes: float

    @property
    def value(self) -> float:
        """Expected gain for the work of a training."""
        return self.gain * self.chance / (ATTENTION + self.runs)

    def to_json(self) -> Json:
        """Plain types."""
        return {
            "command": self.command,
            "why": self.why,
            "gain": self.gain,
            "chance": self.chance,
            "runs": self.runs,
            "minutes": self.minutes,
            "value": self.value,
        }


@dataclass(frozen=True, kw_only=True)
class Situation:
    """What is known at the end of a job, as plain values.

    Attributes:
        recipe: What was asked for.
        out: The run directory.
        case: `good`, `still_poor` or `no_gain`.
        outcome: The confirmation's word.
        error: Error of what ships, in the unit of the primary metric: one minus a score, or the error itself.
        left: The same on the scale of the findings' expected gains, where 1 is what knowing nothing gives.
        min_gain: The smallest gain that matters, in the unit of the metric.
        findings: All findings of the diagnosis.
        effects: The screening's effects.
        difference: The confirmed difference.
        base: The baseline's settled numbers.
        network: Name of the network.
        modality: Kind of the inputs.
        notes: Notes of the data.
        run_seconds: One training of the baseline.
        workers: Trainings at a time.
        bytes, latency_ms: Of what ships.
        forecast: Share of the error that twice the data would take away, where it was measured.
        rebuilt: Techniques that changed the whole network and were tried before the experiment.
        answered: Rules whose question the job's own stages have answered.
        plan: Whether network and data came from Python, so that no flag names them.
    """

    recipe: Recipe
    out: str
    case: str
    outcome: str
    error: float
    left: float
    min_gain: float
    findings: tuple[Json, ...]
    effects: tuple[Json, ...]
    difference: Json | None
    base: Json
    network: str
    modality: str
    notes: tuple[str, ...]
    run_seconds: float
    workers: int
    bytes: int | None
    latency_ms: float | None
    forecast: float | None = None
    rebuilt: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    plan: bool = False

    @property
    def fires(self) -> dict[str, Json]:
        """The findings that fire, by rule."""
        return {f["rule"]: f for f in self.findings if f["state"] == "fires"}

    @property
    def tried(self) -> set[str]:
        """Names of the techniques in the experiment, and of those tried before it."""
        return {_name(text) for text in (*(row["technique"] for row in self.effects), *self.rebuilt)}

    def minutes(self, runs: float) -> float:
        """What `runs` trainings take."""
        return math.ceil(runs / max(self.workers, 1)) * self.run_seconds / 60

    def job(self, recipe: Recipe) -> float:
        """Minutes of the whole job with `recipe`."""
        budget = Budget.parse(recipe.budget)
        return (budget.seconds or budget.time(self.run_seconds, self.workers)) / 60

    def share(self, gain: float) -> float:
        """A gain of the primary metric as a share of the error that is left."""
        return float(min(max(gain / max(self.error, 1e-6), 0.0), 1.0))


def next_actions(now: Situation) -> list[Action]:
    """At most five different actions, the most valuable first."""
    found = [action for offer in OFFERS for action in offer(now)]
    ranked = sorted(found, key=lambda action: -action.value)
    return list({action.command: action for action in reversed(ranked)}.values())[::-1][:MOST]


def _rate(now: Situation) -> Iterator[Action]:
    """A rate of the user's own that is wrong: leave it out, and it is searched."""
    for rule in ("R12", "R13"):
        if rule in now.fires and now.recipe.lr is not None and not now.plan:
            word = "high" if rule == "R12" else "low"
            why = f"--lr {now.recipe.lr:g} is too {word} ({rule}); without it the rate is searched"
            yield _again(now, why, "rate", rule=rule, lr=None)


def _length(now: Situation) -> Iterator[Action]:
    """A training that ends too early, or goes on for nothing."""
    finding = now.fires.get("R7")
    if finding is None or now.plan:
        return
    best, total = finding["detail"].get("best_epoch"), finding["detail"].get("epochs")
    if not best or not total:
        return
    late = best > total / 2
    epochs = 2 * total if late else max(2 * best, 3)
    why = f"the best epoch is {best} of {total} (R7): train {'longer' if late else 'shorter'}"
    yield _again(now, why, "length", rule="R7", epochs=int(epochs))


def _network(now: Situation) -> Iterator[Action]:
    """Another network, where the network is to blame or nothing else is left."""
    blamed = next((rule for rule in now.fires if rule in STRUCTURE), None)
    for name, technique in (("Deepen", "Deepen()"), ("Widen", "Widen()")):
        if name in CATALOGUE and name not in now.tried and (blamed or now.case == "good"):
            yield _compared(now, technique, f"{blamed or now.case}: grow the network from where it is", "structure")
    other = OTHERS.get(now.network) or PLAIN.get(now.modality)
    if now.plan or now.case == "good" or other is None or other == now.network or now.recipe.checkpoint:
        return
    why = f"{blamed}: the network itself may be what limits it" if blamed else "another network on the same data"
    yield _again(now, why, "structure" if blamed else "network", rule=blamed, network=other)


def _remedies(now: Situation) -> Iterator[Action]:
    """Techniques that findings name and the experiment has not tried."""
    wanted: dict[str, str] = {}
    for rule, finding in now.fires.items():
        for remedy in finding["remedies"]:
            kind = getattr(CATALOGUE.get(_name(remedy)), "kind", "")
            if kind == "factor" and _name(remedy) not in now.tried:
                wanted.setdefault(_name(remedy), rule)
    for name, rule in list(wanted.items())[:2]:
        notation = repr(parse(f"{name}()"))
        yield _compared(now, notation, f"{rule} names {name}, which was not tried", "technique", rule=rule)


def _unclear(now: Situation) -> Iterator[Action]:
    """The technique that looked best and was neither confirmed nor refuted."""
    if now.outcome == "CONFIRMED":
        return
    rows = [r for r in now.effects if r.get("at_baseline") and (r.get("p_helps") or 0) > 0.6]
    rows = [r for r in rows if r["at_baseline"]["value"] > 0]
    for row in sorted(rows, key=lambda r: -r["at_baseline"]["value"])[:1]:
        why = f"looked best alone, P(helps) {row['p_helps']:.2f}, and was not settled: in pairs on fresh splits"
        gain = (now.share(row["at_baseline"]["value"]), float(row["p_helps"]) / 2)
        yield _compared(now, row["technique"], why, "technique", prior=gain)


def _budget(now: Situation) -> Iterator[Action]:
    """A difference that was not resolved may be, with more runs."""
    if now.outcome != "UNRESOLVED" or now.recipe.budget == "thorough" or not now.difference:
        return
    value, low, high = (now.difference[key] for key in ("value", "low", "high"))
    if low is None or high is None or value <= 0:
        return
    deviation = max((high - low) / 3.29, 1e-9)  # a 90 % interval
    chance = 1 - NormalDist(value, deviation).cdf(now.min_gain)
    bigger = "standard" if now.recipe.budget == "quick" else "thorough"
    why = f"the best recipe looked better but {now.difference['n']} pairs did not settle it"
    yield _again(now, why, "budget", prior=(now.share(value), chance / 2), budget=bigger)


def _rows(now: Situation) -> Iterator[Action]:
    """Rows that are there and were left out."""
    if now.plan or not any("(max_rows)" in note for note in now.notes):
        return
    gain = PRIORS["rows"] if now.forecast is None else (now.forecast, 0.8)
    why = "rows were left out" + ("" if now.forecast is None else f"; twice as many: error −{now.forecast:.0%} (R8)")
    if now.recipe.max_rows is None:
        yield _again(now, why, "rows", prior=gain, budget="standard")
    else:
        yield _again(now, why, "rows", prior=gain, max_rows=2 * now.recipe.max_rows)


def _metric(now: Situation) -> Iterator[Action]:
    """Deciding by a metric that counts rare classes."""
    rule = next((rule for rule in ("R9", "R10") if rule in now.fires), None)
    if rule is None or now.recipe.metric is not None or "f1" in str(now.base.get("metric", "")):
        return
    yield _again(now, f"rare classes count little in the metric used ({rule})", "metric", rule=rule, metric="f1_macro")


def _deeper_look(now: Situation) -> Iterator[Action]:
    """Rules that the budget left out."""
    skipped = [f["rule"] for f in now.findings if f["state"] == "cannot tell" and f["detail"].get("skipped")]
    left = [rule for rule in skipped if rule not in now.answered]
    if now.case == "good" or not left or now.plan:
        return
    price = sum(float(f["detail"].get("price_runs") or 1.0) for f in now.findings if f["rule"] in left)
    command = replace(now.recipe, budget="standard", only=(), require=None, target_score=None).command("diagnose")
    yield _action(now, command, f"{', '.join(left)} were left out for their price", PRIORS["look"], 8 + price)


def _smaller(now: Situation) -> Iterator[Action]:
    """Compressing what ships, to numbers that fit it."""
    limits = []
    if now.bytes and now.bytes > WORTH_BYTES:
        limits.append(f"bytes<={_round(0.5 * now.bytes)}")
    elif now.latency_ms and now.latency_ms > WORTH_LATENCY:
        limits.append(f"latency_ms<={0.6 * now.latency_ms:.2g}")
    if not limits:
        return
    prior = SMALLER_WHEN_GOOD if now.case == "good" else PRIORS["smaller"]
    size = f"{now.bytes:,} bytes" if now.bytes else ""
    line = f'burnish compress {_place(now.out)} --require "{limits[0]}" --max-drop {now.recipe.max_drop:g}'
    if now.plan:
        line = f'bu.compress("{now.out}", plan=plan, require="{limits[0]}", max_drop={now.recipe.max_drop:g})'
    yield _action(now, line, f"what ships has {size} and {now.latency_ms or 0:.2g} ms a call; ask for less", prior, 6)


OFFERS: tuple[Callable[[Situation], Iterator[Action]], ...] = (
    _rate,
    _length,
    _network,
    _remedies,
    _unclear,
    _budget,
    _rows,
    _metric,
    _deeper_look,
    _smaller,
)


def _again(
    now: Situation,
    why: str,
    kind: str,
    *,
    rule: str | None = None,
    prior: tuple[float, float] | None = None,
    **changes: Any,
) -> Action:
    """The whole job again with `changes`, in a directory of its own."""
    recipe, out = replace(now.recipe, **changes), f"{now.out}-{_suffix(changes)}"
    line = recipe.command(out=out)
    if now.plan:
        given = ", ".join(f"{key}={value!r}" for key, value in changes.items())
        line = f'bu.run(bu.Recipe({given}), plan=plan, out="{out}")'
    runs, minutes = float(Budget.parse(recipe.budget).runs), now.job(recipe)
    return Action(command=line, why=why, **_worth(now, kind, rule, prior), runs=runs, minutes=minutes)


def _compared(
    now: Situation,
    technique: str,
    why: str,
    kind: str,
    *,
    rule: str | None = None,
    prior: tuple[float, float] | None = None,
) -> Action:
    """The baseline with and without one technique, in pairs."""
    runs = 4 + 2 * max(Budget.parse(now.recipe.budget).looks)
    line = replace(now.recipe, techniques=(technique,), only=(), require=None, target_score=None).command("compare")
    if now.plan:
        line = f"print(bu.compare(bu.train(plan, seeds=range(5)), bu.train(plan.then({technique}), seeds=range(5))))"
    return Action(command=line, why=why, **_worth(now, kind, rule, prior), runs=runs, minutes=now.minutes(runs))


def _action(now: Situation, command: str, why: str, worth: tuple[float, float], runs: float) -> Action:
    return Action(command=command, why=why, gain=worth[0], chance=worth[1], runs=runs, minutes=now.minutes(runs))


def _worth(now: Situation, kind: str, rule: str | None, prior: tuple[float, float] | None) -> dict[str, float]:
    """Gain and chance: as given, else with the gain the finding expects, else the prior."""
    gain, chance = prior or PRIORS[kind]
    expected = now.fires[rule].get("gain") if rule in now.fires and prior is None else None
    if expected is not None:
        gain = min(float(expected) / max(now.left, 1e-6), 1.0)  # the finding's gain is expected: chance is in it
        return {"gain": min(gain / chance, 1.0), "chance": chance}
    return {"gain": gain, "chance": chance}


def _name(text: str) -> str:
    return text.split("(", 1)[0]


def _suffix(changes: dict[str, Any]) -> str:
    """A short name for the changed job's directory."""
    key, value = next(iter(changes.items()))
    text = {"lr": "rate", "max_rows": "rows"}.get(key) or f"{value}"
    return "".join(c if c.isalnum() else "-" for c in text) + ("-epochs" if key == "epochs" else "")


def _place(path: str) -> str:
    import shlex

    return shlex.quote(path)


def _round(value: float) -> int:
    """Two significant digits, as people ask for sizes."""
    return int(float(f"{value:.2g}"))

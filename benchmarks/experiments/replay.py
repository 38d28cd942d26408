"""Replay search strategies on recorded full factorials, where the right answer is known.

    python benchmarks/experiments/replay.py [--replays 250] [--only "digits;kin8nm"] [--json FILE]

Every combination of 6 to 8 techniques was trained on several splits, so a strategy can be replayed without training.
Each is replayed in two laboratories (`tables.py`): on the recorded runs themselves, 5 splits for the search and the
others as truth; and in a world resampled from them, with as many splits as asked for and a truth known exactly.

For each table and strategy:
    recorded   gain on the held-out splits, as a share of that of the recipe with the best mean over the search's splits
    share      true gain as a share of the largest there is, in the resampled world, as is everything that follows
    worse      how often the final recipe is truly worse than the baseline
    optimism   gain claimed by the search minus the true one, in standard deviations of the baseline
and for Burnish's own, whose winner is then confirmed on fresh splits in pairs, after 3, 5 and 8:
    worse      after confirmation: how often what was CONFIRMED is truly worse
    bias       confirmed gain minus the true one, in standard deviations: over all confirmations, and of CONFIRMED alone
    coverage   of the 90 % intervals of each technique at the recipe, by the screen alone as reported and with the
               re-runs in the fit, and the median width of the intervals; from every fourth replay
    A/A        in a world where no technique does anything: how often one is said to help, how often a recipe goes to
               confirmation, how often the whole procedure, and a bare confirmation of equal arms, says CONFIRMED
Each is replayed as often as asked for, but for TPE in the world: 100 times, it takes a tenth of a second each.
The splits of the world are independent, so confirmation needs no correction for overlap there: its intervals are
narrower than those shipped, and bias and false confirmations larger if anything. `coverage.py` measures overlap.

Shares of strategies and details of the design were compared on digits and Adult: these are calibration tables. Those
recorded by `record.py` were looked at only afterwards. Results are written as they come and kept: the same command goes
on where it was interrupted.
"""

import argparse
import json
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from strategies import DEFAULT, OURS, STRATEGIES, Outcome
from tables import Lab, Recorded, Table, World, default_folder, load_tables, number

from burnish.studies.analysis import Posterior
from burnish.studies.confirmation import CONFIRMED, CONTINUE, LOOKS, Decision, decide
from burnish.studies.design import Recipe
from burnish.studies.effects import HELPS, word

HERE = Path(__file__).resolve().parent
CALIBRATION = ("digits", "digits, with skip", "digits, without skip", "Adult")
EVERY = 4  # replays of which one has its intervals looked at
SLOW = {"Optuna TPE": 100}  # replays in the world
FRESH = 100  # number of the first split of a confirmation in the world


def confirm(lab: Lab, recipe: Recipe) -> Decision:
    """Baseline against `recipe` in pairs on fresh splits, as shipped; the world's splits are independent."""
    gains: list[float] = []
    nothing = (False,) * len(recipe)
    while True:
        split = FRESH + len(gains)
        before, after = lab.train(nothing, split), lab.train(recipe, split)
        gains.append(lab.table.sign * (after - before))
        decision = decide(gains, n_train=lab.table.n_train, n_validation=0, looks=LOOKS, min_gain=smallest(lab.table))
        if decision.verdict != CONTINUE:
            return decision


def smallest(table: Table) -> float:
    """`--min-gain` as the pipeline has it: half a point, or half a percent of the baseline's error."""
    return 0.005 if table.metric.bounded else 0.005 * float(table.baseline.mean())


def interval_check(lab: Lab, posterior: Posterior, recipe: Recipe) -> list[tuple[bool, float]]:
    """For each technique whether its 90 % interval at `recipe` holds the truth, and its width in the metric's unit."""
    truth = lab.scaled(lab.truth())
    found = []
    for j in range(lab.table.factors):
        off, on = (number((*recipe[:j], state, *recipe[j + 1 :])) for state in (False, True))
        true = 0.0 if lab.nothing else truth[on] - truth[off]
        low, high = posterior.interval(recipe, j, 0.90)
        middle, scale = (truth[on] + truth[off]) / 2, lab.table.metric.from_scale
        width = abs(scale(middle + (high - low) / 2) - scale(middle - (high - low) / 2))
        found.append((low <= true <= high, width))
    return found


def searched(table: Table, strategy: Callable, kind: type[Lab], replays: int, seed: int, **options: Any) -> list:
    """`(lab, outcome, gain, runs)` of each replay."""
    found = []
    for i in range(replays):
        lab = kind(table=table, rng=np.random.default_rng([seed, i]), **options)
        outcome: Outcome = strategy(lab, i)
        found.append((lab, outcome, lab.gain(outcome.recipe), lab.runs))
    return found


def share(found: list) -> dict[str, float]:
    """Mean gain over mean available gain, with its Monte-Carlo error."""
    gain, offered = (np.array(v) for v in ([f[2] for f in found], [f[0].available() for f in found]))
    error = float(gain.std(ddof=1) / math.sqrt(len(gain)) / abs(offered.mean()))
    return {"value": float(gain.mean() / offered.mean()), "error": error}


def replay(table: Table, name: str, replays: int, seed: int) -> dict[str, Any]:
    """One strategy on one table."""
    recorded = searched(table, STRATEGIES[name], Recorded, replays, seed)
    found = searched(table, STRATEGIES[name], World, min(replays, SLOW.get(name, replays)), seed)
    gain = np.array([f[2] for f in found])
    claims = np.array([f[1].claim for f in found])
    result = {
        "runs": max(f[3] for f in found),
        "replays": replays,
        "world_replays": len(found),
        "recorded": share(recorded),
        "recorded_worse": float(np.mean([f[2] < 0 for f in recorded])),
        "share": share(found),
        "worse": float((gain < 0).mean()),
        "optimism": mean_of((claims - gain) / table.sigma),
        "available": float(table.unit * found[0][0].available()),
    }
    return result | (afterwards(table, found) if name in OURS else {})


def afterwards(table: Table, found: list) -> dict[str, Any]:
    """Confirmation of each winner, and whether the intervals hold the truth."""
    decided = [(confirm(lab, o.recipe), gain) for lab, o, gain, _ in found if any(o.recipe)]
    bias = np.array([(d.estimate.value - gain) / table.sigma for d, gain in decided if d.estimate])
    sure = np.array([d.verdict == CONFIRMED for d, _ in decided])
    held = [interval_check(lab, o.posterior, o.target) for lab, o, *_ in found[::EVERY]]
    again = [interval_check(lab, o.updated, o.target) for lab, o, *_ in found[::EVERY] if o.updated]
    return {
        "confirmed": float(sure.sum() / len(found)),
        "worse_confirmed": float(sum(g < 0 for (d, g) in decided if d.verdict == CONFIRMED) / len(found)),
        "bias": mean_of(bias),
        "bias_confirmed": mean_of(bias[sure]),
        "interval_covers": mean_of([d.estimate.low <= g <= d.estimate.high for d, g in decided if d.estimate]),
        "coverage": coverage(held, table),
        "coverage_again": coverage(again, table) if again else None,
    }


def coverage(held: list[list[tuple[bool, float]]], table: Table) -> dict[str, float]:
    """Share of intervals that hold the truth, its error with replays as the unit, and the median width."""
    per_replay = np.array([[hit for hit, _ in one] for one in held]).mean(1)
    widths = [width for one in held for _, width in one]
    return mean_of(per_replay) | {"width": float(table.unit * np.median(widths))}


def nothing_helps(table: Table, replays: int, seed: int) -> dict[str, Any]:
    """The default procedure where no technique does anything."""
    found = searched(table, STRATEGIES[DEFAULT], World, replays, seed + 1, nothing=True)
    words = [
        word(o.posterior.p_helps(o.target, j), in_recipe=o.target[j], confirmed=False)
        for _, o, *_ in found
        for j in range(table.factors)
    ]
    ends = [any(o.recipe) and confirm(lab, o.recipe).verdict == CONFIRMED for lab, o, *_ in found]
    equal = [confirm(lab, (True,) * table.factors).verdict == CONFIRMED for lab, *_ in found for _ in range(4)]
    return {
        "replays": replays,
        "helps": float(np.mean([w == HELPS for w in words])),
        "kept": float(np.mean([any(o.recipe) for _, o, *_ in found])),
        "confirmed": mean_of(ends),
        "confirmed_equal": mean_of(equal),
        "optimism": mean_of([o.claim / table.sigma for _, o, *_ in found]),
        "coverage": coverage([interval_check(lab, o.posterior, o.target) for lab, o, *_ in found[::EVERY]], table),
    }


def mean_of(values: Any) -> dict[str, float]:
    """Mean with its Monte-Carlo error."""
    values = np.asarray(values, float)
    if len(values) < 2:
        return {"value": float(values.mean()) if len(values) else math.nan, "error": math.nan, "n": len(values)}
    return {
        "value": float(values.mean()),
        "error": float(values.std(ddof=1) / math.sqrt(len(values))),
        "n": len(values),
    }


def line(name: str, found: dict[str, Any]) -> str:
    """One row for the terminal."""
    text = f"{name:30}{found['runs']:3}" + "".join(
        f"{100 * found[k]['value']:7.0f} ± {100 * found[k]['error']:.0f}" for k in ("recorded", "share")
    )
    text += f"{found['worse']:7.1%}{found['optimism']['value']:+7.2f}"
    if "bias" in found:
        cover, again = found["coverage"], found["coverage_again"]
        text += f" | worse {found['worse_confirmed']:.1%} bias {found['bias']['value']:+.2f}"
        text += f" ({found['bias_confirmed']['value']:+.2f}) coverage {cover['value']:.0%} width {cover['width']:.2f}"
        text += f", with re-runs {again['value']:.0%} width {again['width']:.2f}" if again else ""
    return text


def markdown(results: dict[str, Any]) -> str:
    """The tables of `benchmarks/README.md`: a row for each strategy, a column for each recorded factorial."""
    names = list(results)
    heads = [name + ("" if results[name]["calibration"] else " (held out)") for name in names]

    def rows(cell: Callable[[dict[str, Any]], str], wanted: Sequence[str]) -> list[str]:
        lines = [f"| strategy | {' | '.join(heads)} |", "|---" * (1 + len(names)) + "|"]
        for strategy in wanted:
            cells = [cell(results[name][strategy]) if strategy in results[name] else "" for name in names]
            lines.append(f"| {strategy} | {' | '.join(cells)} |" if any(cells) else "")
        return [text for text in lines if text]

    return "\n".join(
        [
            *rows(_search_cell, list(STRATEGIES)),
            "",
            *rows(_confirmed_cell, list(OURS)),
            "",
            *rows(_nothing_cell, ["A/A"]),
        ]
    )


def _share(found: dict[str, float]) -> str:
    """Nothing where so little is to gain that its share says nothing."""
    return f"{100 * found['value']:.0f}±{100 * found['error']:.0f}" if found["error"] < 1 else "–"


def _search_cell(found: dict[str, Any]) -> str:
    shares = " / ".join(_share(found[k]) for k in ("recorded", "share"))
    return f"{shares} / {100 * found['worse']:.1f} / {found['optimism']['value']:+.1f}"


def _confirmed_cell(found: dict[str, Any]) -> str:
    cover, again = found["coverage"], found["coverage_again"]
    text = f"{100 * found['worse_confirmed']:.1f} / {found['bias']['value']:+.2f}±{found['bias']['error']:.2f} / "
    text += f"{found['bias_confirmed']['value']:+.2f} / {100 * cover['value']:.0f}±{100 * cover['error']:.0f}, "
    text += f"{cover['width']:.1f}"
    return text + (f" / {100 * again['value']:.0f}±{100 * again['error']:.0f}, {again['width']:.1f}" if again else "")


def _nothing_cell(found: dict[str, Any]) -> str:
    shares = [found["helps"], found["kept"], found["confirmed"]["value"], found["confirmed_equal"]["value"]]
    return " / ".join(f"{100 * value:.1f}" for value in shares)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replays", type=int, default=250)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="tables, separated by semicolons")
    parser.add_argument("--json", type=Path, default=HERE / "replay.json")
    parser.add_argument("--limit", type=float, default=math.inf, help="seconds of processor time, then stop")
    parser.add_argument("--markdown", action="store_true", help="print what there is as tables, and do nothing else")
    options = parser.parse_args()
    if options.markdown:
        print(markdown(json.loads(options.json.read_text())))
        return
    folder = default_folder()
    if not folder.is_dir():
        parser.error(f"no recorded factorials in {folder}: set BURNISH_DATA to the folder that has factorials/")
    results = json.loads(options.json.read_text()) if options.json.exists() else {}
    wanted = [name for name in options.only.split(";") if name]
    for table in load_tables(folder):
        if wanted and table.name not in wanted:
            continue
        print(f"{table.name}: {table.validation.shape[1]} splits, sigma {table.unit * table.sigma:.2f}", flush=True)
        own = results.setdefault(table.name, {"calibration": table.name in CALIBRATION, "sigma": table.sigma})
        for name in (*STRATEGIES, "A/A"):
            started = time.process_time()
            if name not in own or own[name]["replays"] < options.replays:
                if time.process_time() > options.limit:
                    return
                work = nothing_helps if name == "A/A" else replay
                arguments = (options.replays, options.seed)
                own[name] = work(table, *arguments) if name == "A/A" else work(table, name, *arguments)
                options.json.write_text(json.dumps(results, indent=1) + "\n")
            shown = json.dumps(own[name]) if name == "A/A" else line(name, own[name])
            print(f"{shown}  {time.process_time() - started:.0f} s", flush=True)


if __name__ == "__main__":
    main()

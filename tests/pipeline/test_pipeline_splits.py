"""Studies on the user's own splits: fixed validation, whole groups, later in time."""

import json

import numpy as np
import pandas as pd
import pytest
from torch import nn

import burnish as bu
from burnish.ledger import Ledger
from burnish.pipeline.gains import by_examples
from burnish.studies.confirmation import CONFIRMED, EQUIVALENT, NOTHING_TO_GAIN, UNRESOLVED

VERDICTS = {CONFIRMED, EQUIVALENT, UNRESOLVED, NOTHING_TO_GAIN}


def table(folder):
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(240, 4))
    label = np.where(rows[:, 0] + 0.5 * rng.normal(size=240) > 0, "yes", "no")
    frame = pd.DataFrame(rows, columns=list("abcd")).assign(
        label=label, who=rng.integers(0, 24, 240), day=np.arange(240)
    )
    frame.to_csv(folder / "all.csv", index=False)
    (folder / "own").mkdir()
    for name, part in (("train", frame[:120]), ("val", frame[120:180]), ("test", frame[180:])):
        part.drop(columns=["who", "day"]).to_csv(folder / "own" / f"{name}.csv", index=False)
    return {
        "fixed": bu.load(folder / "own"),
        "grouped": bu.load(folder / "all.csv", group="who"),
        "timed": bu.load(folder / "all.csv", time="day"),
    }


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """`studied(kind)` -> data, ledger and report of a quick study; in this process, for the net is a closure."""
    folder, done = tmp_path_factory.mktemp("splits"), {}
    data = table(folder)

    def study(kind):
        if kind not in done:
            plan = bu.Plan(model=lambda inputs, outputs: nn.Linear(inputs[0], outputs), data=data[kind], epochs=2)
            bu.study(plan, budget="quick", only=("LabelSmoothing", "WeightDecay"), out=folder / kind)
            report = json.loads((folder / kind / "report.json").read_text(encoding="utf-8"))
            done[kind] = (plan.data, Ledger(folder / kind), report)
        return done[kind]

    return study


def validated(ledger, run):
    return set(np.load(ledger.run_directory(run.id) / "predictions.npz")["rows"].tolist())


@pytest.mark.parametrize("kind", ["fixed", "grouped", "timed"])
def test_every_run_keeps_to_the_users_split(studied, kind) -> None:
    data, ledger, report = studied(kind)
    assert data.scheme.kind == report["data"]["scheme"] == kind
    runs = [run for stage in ("pilot", "screen", "candidates", "confirm") for run in ledger.runs(stage)]
    assert {run.stage for run in runs} >= {"pilot", "screen", "candidates"}
    for run in runs:
        split = data.replicate(run.split)
        assert validated(ledger, run) == set(split.validation_rows.tolist())
        if kind == "fixed":
            assert set(split.validation_rows) == set(data.validation_rows)
            assert set(split.train_rows) <= set(data.train_rows)
        elif kind == "grouped":
            groups = data.scheme.groups
            assert not set(groups[split.train_rows]) & set(groups[split.validation_rows])
        else:
            times = data.scheme.times
            assert times[split.train_rows].max() < times[split.validation_rows].min()


@pytest.mark.parametrize("kind", ["fixed", "grouped", "timed"])
def test_the_verdict_is_one_of_four_and_carries_its_pairs(studied, kind) -> None:
    data, _, report = studied(kind)
    confirmation = report["confirmation"]
    assert confirmation["verdict"] in VERDICTS
    if confirmation["arms"]:
        assert confirmation["difference"]["n"] == len(confirmation["splits"]) == 3
    assert by_examples(data) == (kind == "fixed")


def test_a_fixed_validation_set_is_a_sample_too(studied) -> None:
    """Two arms that differ by the seed alone: the examples' variance stands in the interval beside the replicates'."""
    data, ledger, _ = studied("fixed")
    from burnish.pipeline.gains import decoded, examples_se
    from burnish.studies.confirmation import corrected_error

    runs = list(ledger.runs("pilot"))
    pairs = list(zip(runs[::2], runs[1::2], strict=True))
    arms = [tuple(decoded(data, ledger.run_directory(run.id)) for run in pair) for pair in pairs]
    error = examples_se(data, arms)
    gains = np.array([after.score - before.score for before, after in pairs])
    total, _ = corrected_error(gains, len(data.train_rows), len(data.validation_rows), example_se=error)
    assert total**2 == pytest.approx(gains.var(ddof=1) / len(gains) + error**2)
    assert error > 0

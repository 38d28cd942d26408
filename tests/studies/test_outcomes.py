import pytest
from scipy import stats

from burnish.studies.outcomes import SCHEMA, outcomes, pooled


def effect(technique, low, high, *, word="unclear", **more):
    middle = (low + high) / 2
    alone = {"value": middle, "low": low, "high": high, "n": 16}
    return {"technique": technique, "at_baseline": alone, "at_recipe": None, "p_helps": 0.5, "word": word, **more}


def finding(rule, state, *remedies):
    return {"rule": rule, "state": state, "remedies": list(remedies)}


FINDINGS = [
    finding("R6", "fires", "Mixup", "Dropout(rate=0.2)", "SAM", "more data"),
    finding("R17", "fires", "Mixup"),
    finding("R14", "clear", "BatchNorm"),
]
EFFECTS = [
    effect("Mixup(alpha=0.2)", 0.01, 0.03, in_recipe=True),
    effect("Dropout(rate=0.2)", -0.03, -0.01, word="hurts"),
    effect("BatchNorm()", 0.0, 0.02),
    effect("Schedule(shape='cosine')", 0.002, 0.02, word="helps"),
    effect("WeightDecay(value=0.05)", -0.02, -0.001),
]


def record(**job):
    not_tried = [{"technique": "SAM", "reason": "two passes a step"}, {"technique": "EMA", "reason": "a readout"}]
    return outcomes(FINDINGS, EFFECTS, not_tried=not_tried, ships=["Mixup(alpha=0.2)"], job=job)


def test_each_technique_gets_the_word_for_prediction_and_result():
    rows = {row["name"]: row for row in record()["techniques"]}
    assert {name: row["outcome"] for name, row in rows.items()} == {
        "Mixup": "as predicted",
        "Dropout": "not borne out",
        "BatchNorm": "unclear",
        "Schedule": "not predicted",
        "WeightDecay": "rightly not named",
        "SAM": "not tried",
    }
    assert rows["Mixup"]["named"] == ["R6", "R17"]
    assert rows["BatchNorm"]["named"] == []  # the rule that names it is clear
    assert [name for name, row in rows.items() if row["ships"]] == ["Mixup"]
    assert rows["SAM"]["reason"] == "two passes a step"


def test_of_two_levels_of_a_technique_the_likelier_counts():
    two = [effect("Dropout(rate=0.5)", -0.2, -0.1, p_helps=0.1), effect("Dropout(rate=0.1)", 0.01, 0.02, p_helps=0.99)]
    (row,) = outcomes([], [{**two[0], "p_helps": 0.01}, two[1]])["techniques"]
    assert row["technique"] == "Dropout(rate=0.1)"
    assert row["helped"] is True


def test_pooled_counts_jobs_with_the_finding_and_the_technique():
    calm = outcomes([finding("R6", "clear", "Mixup")], EFFECTS[:1], job={"fingerprint": "c"})
    rows = {(r["finding"], r["technique"]): r for r in pooled([record(fingerprint="a"), record(fingerprint="b"), calm])}
    assert (rows["any", "Mixup"]["n"], rows["R6", "Mixup"]["n"], rows["R17", "Mixup"]["n"]) == (3, 2, 2)
    assert ("R14", "BatchNorm") not in rows
    assert not [key for key in rows if key[1] == "SAM"]
    assert (rows["R6", "Dropout"]["helped"], rows["R6", "Dropout"]["hurt"]) == (0, 2)
    assert rows["R6", "BatchNorm"]["value"] == 0.0


def test_the_interval_is_jeffreys():
    records = [record(fingerprint=str(i)) for i in range(3)]
    for i in range(5):
        records.append(outcomes(FINDINGS, [effect("Mixup()", -0.1, 0.1)], job={"fingerprint": f"other {i}"}))
    row = next(r for r in pooled(records) if (r["finding"], r["technique"]) == ("R6", "Mixup"))
    assert (row["helped"], row["n"]) == (3, 8)
    assert (row["low"], row["high"]) == pytest.approx(stats.beta(3.5, 5.5).interval(0.95))
    assert row["prior"] == pytest.approx(3.5 / 9)


def test_a_job_done_twice_counts_once_and_strange_records_do_not():
    again = [record(fingerprint="a", seed=0), record(fingerprint="a", seed=0), {"schema": "other", "techniques": []}]
    assert {row["n"] for row in pooled(again)} == {1}
    assert {row["n"] for row in pooled([*again, record(fingerprint="a", seed=1)])} == {2}
    assert record()["schema"] == SCHEMA

"""Planted weak slices are found, chance ones are not, and the q values are scipy's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import false_discovery_control

from burnish.data import load
from burnish.evaluation.segments import adjusted, slices, weak_segments

RNG = np.random.default_rng(0)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_q_values_equal_scipys(p_values: list[float]) -> None:
    assert adjusted(p_values) == pytest.approx(false_discovery_control(p_values, method="bh"))
    assert adjusted([]) == []


def table(tmp_path, rows: int = 1500):
    import pandas as pd

    frame = pd.DataFrame(
        {
            "age": RNG.normal(40, 10, rows),
            "work": RNG.choice(["office", "farm", "sea"], rows, p=[0.6, 0.3, 0.1]),
            "rooms": RNG.integers(1, 4, rows),
            "label": RNG.choice(["no", "yes"], rows),
        }
    )
    frame.loc[::9, "age"] = np.nan
    frame.to_csv(tmp_path / "people.csv", index=False)
    return load(tmp_path / "people.csv")


def wrong_with(data, chance: np.ndarray) -> np.ndarray:
    """Predictions that are wrong with the given chance for each example."""
    flipped = RNG.random(len(chance)) < chance
    labels = np.where(flipped, 1 - data.validation.targets, data.validation.targets)
    return np.eye(2)[labels]


def test_a_planted_slice_comes_first_and_chance_gives_none(tmp_path) -> None:
    data = table(tmp_path)
    named = {name: chosen for _, name, chosen in slices(data, data.validation)}
    assert {"no", "yes", "age missing", "work = sea", "work = farm", "rooms = 1"} <= set(named)
    assert sum(name.startswith("age from") for name in named) == 5
    chance = np.where(named["work = sea"], 0.6, 0.1)
    found = weak_segments(data, data.validation, wrong_with(data, chance), support=15)
    first = found["worst"][0]
    assert (first["name"], first["kind"], first["weak"]) == ("work = sea", "column", True)
    assert first["n"] == named["work = sea"].sum()
    assert first["error"].low > first["rest"]
    alarms = [
        row["weak"]
        for _ in range(20)
        for row in weak_segments(data, data.validation, wrong_with(data, np.full(300, 0.2)))["worst"][:1]
    ]
    assert np.mean(alarms) <= 0.2


def test_small_slices_are_left_out(tmp_path) -> None:
    data = table(tmp_path)
    predictions = wrong_with(data, np.full(300, 0.2))
    every = weak_segments(data, data.validation, predictions, support=1)
    large = weak_segments(data, data.validation, predictions, support=60)
    assert every["looked_at"] > large["looked_at"] > 0
    assert all(60 <= row["n"] <= 240 for row in large["worst"])


def test_images_texts_and_values_have_slices_of_their_own() -> None:
    digits = load("digits")
    names = [name for _, name, _ in slices(digits, digits.validation)]
    assert names[:2] == ["0", "1"]
    assert sum(name.startswith("brightness from") for name in names) == 5
    words = [" ".join(RNG.choice(["good", "bad", "film", "plot"], RNG.integers(2, 9))) for _ in range(200)]
    texts = load((words, RNG.choice(["a", "b"], 200)))
    assert any(name.startswith("words") for _, name, _ in slices(texts, texts.validation))
    x = RNG.normal(size=(400, 3))
    data = load((x, x[:, 0] * 2 + 10))
    truth = data.validation.targets
    noise = np.where(truth > np.quantile(truth, 0.8), 3.0, 0.1) * RNG.normal(size=len(truth))
    found = weak_segments(data, data.validation, truth + noise, support=10)
    assert found["worst"][0]["weak"]
    assert found["worst"][0]["name"].startswith(("target", "x0"))
    assert found["worst"][0]["error"].unit == "target unit"

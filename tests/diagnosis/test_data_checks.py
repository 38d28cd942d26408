"""Checks of the data, each with its fault planted and removed, on every modality it is for."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import burnish as bu
from burnish.data.splits import Scheme
from burnish.diagnosis import (
    data_columns,
    data_conflicts,
    data_files,
    data_leak,
    data_order,
    rule_03_duplicates,
)
from burnish.diagnosis.likeness import fingerprints, near_matches
from burnish.diagnosis.showing import MOST_BYTES, MOST_SHOWN
from burnish.diagnosis.subject import Subject
from burnish.errors import UnreadableError

Make = Callable[..., Any]


def smooth_images(n: int, rng: np.random.Generator) -> np.ndarray:
    """Pictures with structure at every scale, as photographs have."""
    grid = np.linspace(0, 1, 32)
    x, y = np.meshgrid(grid, grid)
    waves = sum(
        rng.normal(size=(n, 1, 1)) * np.sin(2 * np.pi * (fx * x + fy * y) + rng.uniform(0, 6, (n, 1, 1)))
        for fx in range(4)
        for fy in range(4)
    )
    return np.clip(waves * 20 + 128, 0, 255).astype(np.uint8)[..., None]


def test_near_duplicate_images_are_found_and_other_images_are_not(make_data: Make) -> None:
    rng = np.random.default_rng(0)
    data = make_data("image")
    data = replace(data, preparation=replace(data.preparation, input_shape=(1, 32, 32)))
    known = smooth_images(300, rng)
    noise = rng.normal(0, 4, size=(40, 32, 32, 1))
    again = np.clip(known[:40] + noise + 6, 0, 255).astype(np.uint8)  # lighter, and saved anew
    match, distance = near_matches(data, again, known)
    assert (match == np.arange(40)).mean() > 0.9
    assert distance[match >= 0].max() < 0.2
    match, _ = near_matches(data, smooth_images(300, rng), known)
    assert (match >= 0).sum() == 0


def test_a_fingerprint_forgives_brightness_contrast_and_noise_alone(make_data: Make) -> None:
    rng = np.random.default_rng(1)
    data = make_data("image")
    data = replace(data, preparation=replace(data.preparation, input_shape=(1, 32, 32)))
    pictures = smooth_images(50, rng)
    one = fingerprints(data, pictures)
    two = fingerprints(data, np.clip(1.1 * pictures + 10 + rng.normal(size=pictures.shape), 0, 255).astype(np.uint8))
    assert ((one * two).sum(1) > 0.98).all()
    apart = (one @ one.T)[np.triu_indices(50, 1)]
    assert np.quantile(apart, 0.99) < 0.85


def test_drawings_that_are_all_alike_are_no_copies_of_one_another(make_data: Make) -> None:
    """Strokes at nearly one place: their details agree, but with all others too."""
    rng = np.random.default_rng(2)
    data = make_data("image")
    data = replace(data, preparation=replace(data.preparation, input_shape=(1, 28, 28)))
    drawings = np.zeros((400, 28, 28, 1))
    for picture, (x, width, lean) in zip(drawings, rng.normal((14, 2, 0), (0.4, 0.3, 0.05), (400, 3)), strict=True):
        rows = np.arange(4, 24)
        distance = np.abs(np.arange(28)[None] - (x + lean * (rows[:, None] - 14)))
        picture[4:24, :, 0] = 255 * np.exp(-((distance / width) ** 2))
    drawings = drawings.astype(np.uint8)
    match, _ = near_matches(data, drawings[:200], drawings[200:])
    assert (match >= 0).mean() < 0.01


def test_near_duplicate_texts_share_their_shingles(make_data: Make) -> None:
    data = make_data("text")
    rng = np.random.default_rng(0)
    known = rng.integers(2, 1000, (200, 12))
    again = known[:20].copy()
    again[:, 0] = 999  # another first word
    match, missing = near_matches(data, again, known)
    assert match.tolist() == list(range(20))
    assert (missing > 0).all()
    assert (near_matches(data, rng.integers(2, 1000, (50, 12)), known)[0] < 0).all()
    unknown = np.ones((5, 12), dtype=int)  # nothing but unknown words is no text that could be the same
    assert (near_matches(data, unknown, np.ones((5, 12), dtype=int))[0] < 0).all()


def test_rows_equal_after_rounding(make_data: Make) -> None:
    data = make_data("table")
    inputs = data.inputs.copy()
    inputs[data.validation_rows[:30]] = inputs[data.train_rows[:30]] + 1e-4
    found = rule_03_duplicates.check(Subject(replace(data, inputs=inputs)))
    assert (found.state, found.detail["exact"]) == ("fires", 0)
    assert 20 <= found.detail["near"] <= 30  # some lie on a border between two rounded values
    assert len(found.figure["pairs"]) == 8


def test_duplicates_with_the_sealed_test_inputs(make_data: Make) -> None:
    from burnish.data.data import Split

    data = make_data("series")
    sealed = Split(data.inputs[:50].copy(), np.full(50, -1), np.arange(50))
    told = replace(data, test=lambda: sealed, test_size=50)
    found = rule_03_duplicates.check(Subject(told))
    assert (found.state, found.detail["test_share"]) == ("fires", 1.0)
    assert not told.openings


@pytest.mark.parametrize("kind", ["classification", "regression"])
def test_a_column_that_gives_the_answer_away(make_data: Make, kind: str) -> None:
    data = make_data("table", kind)
    assert data_leak.check(Subject(data)).state == "clear"
    inputs = data.inputs.copy()
    inputs[:, 3] = np.asarray(data.targets) * 2.0 + 1
    found = data_leak.check(Subject(replace(data, inputs=inputs)))
    assert (found.state, found.detail["features"]) == ("fires", ["place 3"])
    assert found.measured > 0.9


def test_a_word_that_gives_the_answer_away(make_data: Make) -> None:
    data = make_data("text")
    hidden = data.inputs.copy()
    hidden[:, :3] = np.random.default_rng(3).integers(20, 30, (400, 3))
    assert data_leak.check(Subject(replace(data, inputs=hidden))).state == "clear"
    told = hidden.copy()
    told[:, 7] = 40 + np.asarray(data.targets)
    found = data_leak.check(Subject(replace(data, inputs=told)))
    assert found.state == "fires"
    assert set(found.detail["features"]) == {"40", "41", "42", "43"}


def test_leaks_need_rows(make_data: Make) -> None:
    assert data_leak.check(Subject(make_data(n=40))).state == "cannot tell"


@pytest.mark.parametrize("kind", ["classification", "regression"])
@pytest.mark.parametrize("modality", ["image", "text", "table", "series"])
def test_conflicting_labels(make_data: Make, modality: str, kind: str) -> None:
    data = make_data(modality, kind)
    assert data_conflicts.check(Subject(data)).state == "clear"
    inputs, targets = data.inputs.copy(), np.asarray(data.targets).copy()
    inputs[:10] = inputs[10:20]
    targets[:10] = (targets[10:20] + 1) % 4 if kind == "classification" else targets[10:20] + 10
    found = data_conflicts.check(Subject(replace(data, inputs=inputs, targets=targets)))
    assert (found.state, found.measured) == ("fires", pytest.approx(20 / 400))
    assert found.figure["pairs"][0][0]["label"] != found.figure["pairs"][0][1]["label"]
    targets[:10] = targets[10:20]
    assert data_conflicts.check(Subject(replace(data, inputs=inputs, targets=targets))).state == "clear"


def frame(n: int = 300) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({name: rng.normal(size=n) for name in "abc"})
    table["label"] = np.where(table["a"] + rng.normal(size=n) > 0, "yes", "no")
    return table


def test_missing_and_constant_columns(tmp_path: Path) -> None:
    table = frame()
    table.to_csv(tmp_path / "sound.csv", index=False)
    assert data_columns.check(Subject(bu.load(tmp_path / "sound.csv"))).state == "clear"
    table.loc[::2, "b"] = np.nan
    table["always"] = 7
    table.to_csv(tmp_path / "gaps.csv", index=False)
    found = data_columns.check(Subject(bu.load(tmp_path / "gaps.csv")))
    assert found.state == "fires"
    assert found.detail["constant"] == ["always"]
    assert found.detail["missing"] == {"b": pytest.approx(0.5, abs=0.1)}


def test_rows_know_where_they_came_from(tmp_path: Path) -> None:
    table = frame()
    table["a"] = np.arange(len(table)) / 10
    table.to_csv(tmp_path / "rows.csv", index=False)
    data = bu.load(tmp_path / "rows.csv")
    column = data.preparation.columns[0]
    for row in (0, 17, len(data.inputs) - 1):
        value = float(data.inputs[row, 0]) * column.std + column.mean
        assert data.origins[row] == f"rows.csv, row {round(10 * value) + 1}"


def test_parts_of_a_recording_on_both_sides(make_data: Make) -> None:
    data = make_data("series", n=800)
    assert data_order.check(Subject(data)).state == "clear"
    rng = np.random.default_rng(0)
    walk = np.cumsum(rng.normal(size=(800, *data.inputs.shape[1:])) * 0.1, axis=0)
    found = data_order.check(
        Subject(replace(data, inputs=(walk + 0.1 * rng.normal(size=walk.shape)).astype(np.float32)))
    )
    assert (found.state, found.remedies[0][:4]) == ("fires", "name")


def patients(tmp_path: Path, name: Callable[[np.ndarray], Any]) -> Any:
    """Five rows of each of 120 patients, whose answer is the patient's; ages say nothing, `dose` says something."""
    rng = np.random.default_rng(0)
    patient = np.repeat(np.arange(120), 5)
    answer = rng.integers(0, 2, 120)[patient]
    dose = np.round(rng.normal(size=600) + answer, 1)
    table = pd.DataFrame({"dose": dose, "age": rng.integers(20, 80, 600), "patient": name(patient), "y": answer})
    table.sample(frac=1, random_state=0).to_csv(tmp_path / "patients.csv", index=False)
    return tmp_path / "patients.csv"


@pytest.mark.parametrize("name", [lambda number: number, lambda number: [f"p{n}" for n in number]])
def test_a_column_that_ties_rows_together_is_named(tmp_path: Path, name: Any) -> None:
    path = patients(tmp_path, name)
    found = data_order.check(Subject(bu.load(path, target="y")))
    assert found.state == "fires"
    assert "--group patient" in found.evidence
    assert 0.3 < found.measured <= 1
    kept = data_order.check(Subject(bu.load(path, target="y", group="patient")))
    assert (kept.state, "whole groups" in kept.evidence) == ("clear", True)
    measured = pd.read_csv(path).drop(columns="patient")
    measured.to_csv(tmp_path / "measured.csv", index=False)
    assert data_order.check(Subject(bu.load(tmp_path / "measured.csv", target="y"))).state == "clear"


def test_time_runs_forward(make_data: Make) -> None:
    data = make_data()
    forward = replace(data, scheme=Scheme(kind="timed", times=np.arange(400)))
    assert data_order.check(Subject(forward)).state == "clear"
    backward = replace(data, scheme=Scheme(kind="timed", times=-np.arange(400)))
    assert data_order.check(Subject(backward)).state == "fires"


def photographs(folder: Path, rng: np.random.Generator) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for i, picture in enumerate(smooth_images(30, rng)):
            Image.fromarray(picture[..., 0]).convert("RGB").save(folder / name / f"{i}.png")


def test_blank_odd_and_unreadable_files(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    photographs(folder, np.random.default_rng(0))
    assert data_files.check(Subject(bu.load(folder))).state == "clear"
    Image.new("RGB", (32, 32), "white").save(folder / "cat" / "blank1.png")
    Image.new("RGB", (300, 300), "white").save(folder / "dog" / "blank2.png")
    (folder / "dog" / "broken.png").write_bytes(b"no image")
    with pytest.raises(UnreadableError) as refused:
        bu.load(folder)
    data = bu.load(folder, without=refused.value.files, test=0)
    found = data_files.check(Subject(data))
    assert found.state == "fires"
    assert found.detail["unreadable"] == ["dog/broken.png"]
    assert set(found.detail["blank"]) == {"cat/blank1.png", "dog/blank2.png"}
    assert found.detail["odd"] == ["blank2.png: 300x300"]
    pictures = [row["image"] for row in found.figure["rows"]]
    assert all(picture.startswith("data:image/png;base64,") for picture in pictures)


def test_pictures_in_a_finding_are_few_and_small(make_data: Make) -> None:
    rng = np.random.default_rng(0)
    data = make_data("image")
    noisy = rng.integers(0, 256, (400, 96, 96, 3)).astype(np.uint8)  # nothing compresses worse
    noisy[data.validation_rows[:100]] = noisy[data.train_rows[:100]]
    shape = replace(data.preparation, input_shape=(3, 96, 96), mean=(0.0,) * 3, std=(1.0,) * 3)
    found = rule_03_duplicates.check(Subject(replace(data, inputs=noisy, preparation=shape)))
    pictures = [row["image"] for pair in found.figure["pairs"] for row in pair]
    assert 0 < len(pictures) <= MOST_SHOWN
    assert max(map(len, pictures)) <= MOST_BYTES * 4 / 3 + 100

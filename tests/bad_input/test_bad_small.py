"""Data so small, or so plain, that a careless formula divides by zero: the job still ends."""

import json
import warnings
from html.parser import HTMLParser

import numpy as np
import pytest

from burnish.data import load
from burnish.pipeline import searching

JOB = ("--epochs", 1, "--lr", 0.01, "--budget", "quick", "--quiet", "--out")


@pytest.fixture(autouse=True)
def no_arithmetic_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        yield


def test_regression_without_a_test_set_and_with_hostile_names_goes_to_the_end(burnish, tmp_path, monkeypatch):
    monkeypatch.setattr(searching, "LADDER", ())  # pruned networks would only take more time to export
    rng, folder = np.random.default_rng(0), tmp_path / "[bold] <b>data"
    folder.mkdir()
    for name, count in (("train", 60), ("val", 30)):
        a = rng.normal(size=count)
        lines = [f"{x:.4f},{rng.normal():.4f},{3 * x + rng.normal():.4f}" for x in a]
        (folder / f"{name}.csv").write_text("\n".join([f"a,b,{HOSTILE}", *lines]) + "\n")
    words = ("run", "--data", folder, "--target", HOSTILE, "--only", "Mixup", *JOB[:-2], "--out", tmp_path / "out")
    code, printed, error = burnish(*words)
    assert (code, error) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["test"]["skipped"].startswith("the data have no test set")
    assert report["quality"]["split"] == "validation"
    assert report["verdict"]["text"]
    check_hostile(printed, tmp_path / "out")


HOSTILE = "<script>alert(1)</script> <img src=x onerror=alert(2)> [red]x[/] | `y` \x1b[31m"


class Tags(HTMLParser):
    """Every tag and attribute of a page."""

    def __init__(self, page):
        super().__init__()
        self.seen = set()
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.seen |= {tag, *(name for name, _ in attrs)}


def check_hostile(printed, out):
    """Names that would be markup or terminal control are shown, as text."""
    assert "\x1b[31m" not in printed
    assert "[bold] <b>data" in printed
    page = (out / "report.html").read_text()
    assert "alert(1)" in page
    assert not Tags(page).seen & {"script", "img", "onerror", "b"}
    raw = [line for line in (out / "report.md").read_text().splitlines() if "<script" in line.replace("\\<script", "")]
    assert all(line.startswith("    burnish ") for line in raw)  # commands in a block of code
    assert "--target '<script>" in raw[0]  # in quotes that keep a shell from carrying out what is between backticks


def test_two_rows_of_each_class(burnish, tmp_path):
    lines = [f"{i},{(i * 7) % 5},{'abcdefgh'[i % 8]}" for i in range(16)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,label", *lines]) + "\n")
    words = ("study", "--data", tmp_path / "t.csv", "--only", "Mixup,LabelSmoothing", *JOB, tmp_path / "out")
    code, _, error = burnish(*words)
    assert (code, error) == (0, "")


def test_a_split_of_two_rows_of_each_class_keeps_every_class_in_training():
    y = np.repeat(np.arange(8), 2)
    x = np.arange(16, dtype=np.float32)[:, None]
    for seed in range(20):
        assert set(load((x, y), seed=seed).train.targets.tolist()) == set(range(8))


def test_a_task_that_is_solved(burnish, tmp_path):
    """Every run is perfect: no spread, no error, no difference."""
    x = np.tile(np.array([[-3.0, 0.0], [3.0, 1.0]], dtype=np.float32), (40, 1))
    np.savez(tmp_path / "a.npz", x=x, y=np.arange(80) % 2)
    words = ("study", "--data", tmp_path / "a.npz", "--only", "Mixup", "--epochs", 8, *JOB[2:], tmp_path / "out")
    code, _, error = burnish(*words)
    assert (code, error) == (0, "")
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    assert report["baseline"]["score"]["value"] == 1

"""The whole job on small data: what it leaves, that it resumes, and that nothing changes by resuming."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import burnish as bu
from burnish.errors import LedgerError, UsageError
from burnish.ledger import Ledger
from burnish.pipeline.commands import directory, ship
from burnish.pipeline.recipe import Recipe

RECIPE = Recipe(budget="quick", epochs=2, lr=3e-3, only=("Mixup", "LabelSmoothing", "BatchNorm"))
STAGES = 17


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, dict, list[dict]]:
    root = tmp_path_factory.mktemp("job") / "run"
    events: list[dict] = []
    report = bu.run(RECIPE, out=root, observer=events.append)
    return root, report, events


def test_the_run_directory_is_complete(finished) -> None:
    root, _, _ = finished
    expected = [
        "recipe.yaml",
        "environment.json",
        "report.html",
        "report.json",
        "report.md",
        "model.onnx",
        "baseline.onnx",
        "model.safetensors",
        "model.json",
        "predictions.parquet",
    ]
    assert [name for name in expected if not (root / name).exists()] == []


def test_every_section_of_the_report_is_there(finished) -> None:
    _, report, _ = finished
    sections = [
        "schema",
        "environment",
        "task",
        "data",
        "baseline",
        "diagnosis",
        "screening",
        "confirmation",
        "ensemble",
        "compression",
        "export",
        "test",
        "verdict",
        "seconds",
    ]
    assert [name for name in sections if name not in report] == []
    assert len(report["screening"]["effects"]) == 3
    more_data = next(f for f in report["diagnosis"] if f["rule"] == "R8")
    assert (more_data["state"] == "cannot tell") == ("skipped" in report["learning_curve"]), "measured once, told twice"
    assert report["confirmation"]["verdict"] in ("CONFIRMED", "EQUIVALENT", "UNRESOLVED", "NOTHING_TO_GAIN")


def test_the_test_set_was_opened_once(finished) -> None:
    root, report, _ = finished
    assert report["test"]["openings"] == 1
    assert len(Ledger(root).openings()) == 1


def test_progress_is_told(finished) -> None:
    _, _, events = finished
    kinds = [e["event"] for e in events]
    assert kinds.count("stage") == kinds.count("stage_done") == STAGES
    runs = [e for e in events if e["event"] == "run"]
    assert all(e["done"] <= e["total"] and e["seconds_left"] >= 0 for e in runs)


def test_a_finished_job_is_not_done_again(finished) -> None:
    root, report, _ = finished
    before = {p: p.stat().st_mtime_ns for p in (root / "ledger" / "runs").rglob("*")}
    events: list[dict] = []
    again = bu.run(RECIPE, out=root, observer=events.append)
    assert again == report
    assert before == {p: p.stat().st_mtime_ns for p in (root / "ledger" / "runs").rglob("*")}
    assert not [e for e in events if e["event"] in ("run", "stage")]
    assert [e["text"] for e in events if e["event"] == "note"][0].startswith(f"{root} is done")


def test_another_recipe_is_refused_and_the_difference_named(finished) -> None:
    root, _, _ = finished
    with pytest.raises(LedgerError, match="epochs: was 2, now 3"):
        bu.run(replace(RECIPE, epochs=3), out=root)


def test_a_job_that_lost_half_its_runs_ends_with_the_same_numbers(finished, tmp_path) -> None:
    root, report, _ = finished
    copy = tmp_path / "copy"
    shutil.copytree(root, copy)
    runs = sorted((copy / "ledger" / "runs").iterdir())
    for run in runs[::2]:
        shutil.rmtree(run)
    for stage in (copy / "ledger" / "stages").iterdir():
        if stage.stem not in ("prepare", "preflight", "tune"):
            stage.unlink()
    again = bu.run(RECIPE, out=copy)
    for section in ("screening", "confirmation", "candidates", "test", "quality"):
        assert without_times(again[section]) == without_times(report[section]), section
    assert (copy / "model.onnx").read_bytes() == (root / "model.onnx").read_bytes()


def without_times(value):
    """`value` without what may differ between two sittings: seconds, latencies, and ratios of them."""
    timed = ("seconds", "latency", "time_ratio", "p99", "examples_per_second", "peak_memory", "minutes")
    if isinstance(value, dict):
        return {k: without_times(v) for k, v in value.items() if not any(t in k for t in timed)}
    return [without_times(v) for v in value] if isinstance(value, list) else value


def test_the_model_that_ships_gives_the_reported_score(finished) -> None:
    import pandas as pd

    root, report, _ = finished
    frame = pd.read_parquet(root / "predictions.parquet")
    test = frame[frame.split == "test"]
    assert report["test"]["after"]["value"] == pytest.approx((test.model == test.target).mean())
    assert report["test"]["before"]["value"] == pytest.approx((test.baseline == test.target).mean())
    assert len(test) == report["data"]["test"]


def test_predict_agrees_with_the_recorded_predictions(finished, tmp_path) -> None:
    import pandas as pd

    from burnish.data import load
    from burnish.exporting.package import predict_files

    root, _, _ = finished
    validation = load("digits").validation
    np.savez(tmp_path / "rows.npz", inputs=validation.inputs[:50])
    answers = [row["prediction"] for row in predict_files(root, [tmp_path / "rows.npz"])]
    frame = pd.read_parquet(root / "predictions.parquet")
    assert answers == frame[frame.split == "validation"].model[:50].tolist()


def test_the_report_can_be_made_again(finished) -> None:
    root, report, _ = finished
    (root / "report.html").unlink()
    directory.report(root)
    assert (root / "report.html").exists()
    assert json.loads((root / "report.json").read_text()) == report


def test_compress_to_a_requirement(finished) -> None:
    from burnish.errors import RequirementNotMet

    root, _, _ = finished
    first = Ledger(root).stage("compress")
    found = ship.compress(root, require="bytes<=100_000_000", max_drop=0.5)
    assert Path(found["path"]).exists()
    ours, theirs = ({n: i for n, i in part.items() if "2" in n} for part in (found["files"], first["files"]))
    assert ours == theirs  # files that the job made are not made again
    assert found["test"]["openings"] == 2  # the job's own, and the compressed network's
    assert (root / "compressed.safetensors").exists()
    told = json.loads((root / "report.json").read_text())
    assert told["requirement"]["met"] is True
    cut = "pruned" in found["chosen"] or "scratch" in found["chosen"]
    assert any("outputs" in row["reason"] for row in told["left_whole"]) == cut
    with pytest.raises(RequirementNotMet, match="nearest") as miss:
        ship.compress(root, require="bytes<=10", max_drop=0.5)
    assert miss.value.result["frontier"]
    assert not miss.value.result["shapes"]
    assert json.loads((root / "report.json").read_text())["requirement"]["met"] is False


def test_an_unfinished_directory_cannot_be_compressed_or_exported(tmp_path) -> None:
    with pytest.raises(LedgerError):
        ship.compress(tmp_path / "nothing")
    with pytest.raises(UsageError, match="is it a run directory"):
        ship.export(tmp_path / "nothing", tmp_path / "m.onnx")

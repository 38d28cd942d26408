"""Break the seal once: baseline and shipped model, as files, on the test set."""

from typing import Any

import numpy as np

from burnish.data.data import Split
from burnish.evaluation.generalization import generalization
from burnish.evaluation.paired import paired_examples
from burnish.evaluation.quality import confusion, interval_of, per_class, quality, reliability_of
from burnish.evaluation.simple import beside
from burnish.exporting.package import read_package
from burnish.exporting.runtime import run as run_onnx
from burnish.ledger import write_bytes
from burnish.pipeline.work import Work
from burnish.pipeline.worker import train_subset
from burnish.records import to_json

__all__ = ["final_test"]

SHIPPED = "model.onnx"  # its temperature is in model.json
REASON = "final measurement of baseline and shipped model"
Array = np.ndarray


def final_test(work: Work) -> dict[str, Any]:
    """Measure baseline.onnx and model.onnx on the sealed test set, once, and keep all predictions."""
    data, task = work.data, work.data.task
    if data.test is None:
        return _without_test(work)
    openings = work.ledger.record_opening(REASON, data.fingerprint)
    split = data.open_test(REASON)
    work.note(f"the test set is opened: {len(split)} examples, opening {openings}")
    before, after = (_predictions(work, name, split) for name in ("baseline.onnx", "model.onnx"))
    targets = split.targets
    _write_predictions(work, split, before, after)
    metrics = {"before": quality(task, before, targets), "after": quality(task, after, targets)}
    name = task.primary.name
    measured = {
        "openings": openings,
        "n": len(split),
        "metric": name,
        "before": metrics["before"][name],
        "after": metrics["after"][name],
        "shipped": metrics["after"][name],
        "difference": paired_examples(task.primary, before, after, targets),
        "metrics": metrics,
    }
    section = {
        "split": "test",
        "intervals": {name: interval_of(name, targets) for name in metrics["after"]},
        "before": _quality(work, metrics["before"], before, targets),
        "after": _quality(work, metrics["after"], after, targets),
        "generalization": _generalization(work, after, targets),
    }
    simple = beside(data, split, after)
    return to_json({**measured, "simple": simple, "report": {"test": measured, "quality": section}})


def _without_test(work: Work) -> dict[str, Any]:
    """The user gave no test set: validation stands in for the table of qualities, and that is said."""
    task, split = work.data.task, work.data.validation
    before, after = (_predictions(work, name, split) for name in ("baseline.onnx", "model.onnx"))
    metrics = [quality(task, p, split.targets) for p in (before, after)]
    name, reason = task.primary.name, "the data have no test set; validation was used to choose, so it flatters"
    section = {
        "split": "validation",
        "intervals": {name: interval_of(name, split.targets) for name in metrics[0]},
        "before": _quality(work, metrics[0], before, split.targets),
        "after": _quality(work, metrics[1], after, split.targets),
    }
    _write_frames(work, [_frame(work, "validation", split.targets, before, after)])
    found: dict[str, Any] = {"before": metrics[0][name], "after": metrics[1][name], "n": len(split)}
    found["simple"] = beside(work.data, split, after)
    return to_json({**found, "report": {"test": {"skipped": reason}, "quality": section}})


def _predictions(work: Work, file: str, split: Split) -> Array:
    stored = split.inputs
    outputs = run_onnx(work.root / file, work.data.preparation.network_input(stored))
    return read_package(work.root).decode(outputs) if file == SHIPPED else work.data.task.decode(outputs)


def _quality(work: Work, metrics: dict[str, Any], predictions: Array, targets: Array) -> dict[str, Any]:
    task = work.data.task
    found = {
        "metrics": metrics,
        "per_class": per_class(task, predictions, targets),
        "confusion": confusion(task, predictions, targets),
        "reliability": reliability_of(task, predictions, targets),
    }
    return {name: value for name, value in found.items() if value}


def _generalization(work: Work, test_predictions: Array, test_targets: Array) -> dict[str, Any]:
    data = work.data
    train = train_subset(data)
    validation = data.validation
    return generalization(
        data.task.primary,
        (_predictions(work, "model.onnx", train), train.targets),
        (_predictions(work, "model.onnx", validation), validation.targets),
        test=(test_predictions, test_targets),
    )


def _write_predictions(work: Work, test: Split, before: Array, after: Array) -> None:
    """predictions.parquet: one row per example of validation and test, for baseline and shipped model."""
    data = work.data
    validation = data.validation
    parts = [
        _frame(
            work,
            "validation",
            validation.targets,
            *(_predictions(work, n, validation) for n in ("baseline.onnx", "model.onnx")),
        ),
        _frame(work, "test", test.targets, before, after),
    ]
    _write_frames(work, parts)


def _write_frames(work: Work, parts: list[Any]) -> None:
    """Write `parts` one below the other as predictions.parquet."""
    import io

    import pandas as pd

    buffer = io.BytesIO()
    pd.concat(parts, ignore_index=True).to_parquet(buffer, index=False)
    write_bytes(work.root / "predictions.parquet", buffer.getvalue())


def _frame(work: Work, split: str, targets: Array, before: Array, after: Array) -> Any:
    import pandas as pd

    columns: dict[str, Any] = {"split": split, "row": np.arange(len(targets))}
    task = work.data.task
    if task.kind == "classification":
        columns["target"] = [task.names[i] for i in targets]
        for label, predictions in (("baseline", before), ("model", after)):
            columns[label] = task.answers(predictions)
            for index, name in enumerate(task.names):
                columns[f"{label}_p_{name}"] = predictions[:, index].astype(np.float32)
        return pd.DataFrame(columns)
    if task.kind == "multilabel":
        columns |= {f"target_{name}": np.asarray(targets)[:, index] for index, name in enumerate(task.names)}
        for label, predictions in (("baseline", before), ("model", after)):
            for index, name in enumerate(task.names):
                columns[f"{label}_p_{name}"] = predictions[:, index].astype(np.float32)
        return pd.DataFrame(columns)
    for index, name in enumerate(task.names):
        for label, values in (("target", targets), ("baseline", before), ("model", after)):
            columns[f"{label}_{name}"] = np.asarray(values).reshape(len(targets), -1)[:, index]
    return pd.DataFrame(columns)

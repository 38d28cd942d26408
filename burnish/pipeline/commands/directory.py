"""What is said of predictions and of run directories that exist."""

from pathlib import Path
from typing import Any

__all__ = ["evaluate", "report"]


def evaluate(path: Path | str, *, split: str | None = None, metric: str | None = None) -> dict[str, Any]:
    """Quality with intervals of saved predictions: of a run directory, or of any table of predictions.

    Args:
        path: A run directory, or a CSV or Parquet file with the columns `burnish.evaluation.saved` describes.
        split: Only this split.
        metric: What models are compared by; the task's own without.

    Raises:
        UsageError: there is no such split, or the metric is none of the task.
        DataError: the table is missing or not understood.
    """
    from burnish.evaluation.saved import evaluate_saved
    from burnish.exporting.package import read_package

    path = Path(path)
    task = read_package(path).task if (path / "model.json").is_file() else None
    return evaluate_saved(path, task=task, split=split, metric=metric)


def report(run: Path | str) -> Path:
    """Write report.html, report.json and report.md of a run directory again from its ledger."""
    from burnish.reporting import write_report

    return write_report(Path(run))

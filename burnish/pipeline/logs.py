"""Runs and results shown in other people's viewers: TensorBoard and MLflow.

Loggers read what is in the ledger; nothing reads what they write. One that fails is left out from then on, and said so:
a job never ends because of its logger.
"""

import importlib.util
import math
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from burnish.errors import UsageError
from burnish.ledger import Ledger
from burnish.records import Run

__all__ = ["LOGGERS", "Logging", "Mlflow", "TensorBoard", "check_loggers"]

Event = dict[str, Any]
JOB = "job"  # the name under which verdict and effects are shown
CLOSING = ("confirm", "analyse", "verdict")  # stages whose end is worth showing


class Logger(Protocol):
    """Shows runs and the job's results."""

    def known(self) -> set[str]:
        """Ids of the runs that are shown already."""

    def run(self, run: Run) -> None:
        """Show a finished run."""

    def job(self, texts: dict[str, str], numbers: dict[str, float]) -> None:
        """Show what the job has found so far."""


class Logging:
    """An observer that passes events on and shows what they announce in each of `names`."""

    def __init__(self, names: tuple[str, ...], ledger: Ledger, observer: Callable[[Event], None]) -> None:
        self.ledger, self.observer = ledger, observer
        self.loggers: dict[str, Logger] = {}
        for name in names:
            self._safely(name, lambda name=name: self.loggers.__setitem__(name, LOGGERS[name](ledger.root)))  # type: ignore[misc]
        self._each(self._catch_up)

    def __call__(self, event: Event) -> None:
        """Take one event."""
        self.observer(event)
        if event["event"] == "run":
            self._each(lambda logger: logger.run(self.ledger.run(event["id"])))
        elif event["event"] == "stage_done" and event["name"] in CLOSING:
            texts, numbers = found(self.ledger)
            self._each(lambda logger: logger.job(texts, numbers))

    def _catch_up(self, logger: Logger) -> None:
        """Show the runs of earlier sittings that are not there yet: a killed job says nothing."""
        known = logger.known()
        for run in self.ledger.runs():
            if run.id not in known:
                logger.run(run)

    def _each(self, do: Callable[[Logger], None]) -> None:
        for name, logger in list(self.loggers.items()):
            self._safely(name, lambda logger=logger: do(logger))  # type: ignore[misc]

    def _safely(self, name: str, do: Callable[[], None]) -> None:
        try:
            do()
        except Exception as error:  # whatever a logger or its server does
            self.loggers.pop(name, None)
            text = f"logging to {name} stopped: {type(error).__name__}: {' '.join(str(error).split())[:200]}"
            self.observer({"event": "note", "text": f"{text}; the job goes on without"})


def found(ledger: Ledger) -> tuple[dict[str, str], dict[str, float]]:
    """What a job has found so far: texts, and numbers with the ends of their intervals."""
    stages = {name: ((ledger.stage(name) or {}).get("report") or {}) for name in CLOSING}
    verdict, confirmation = stages["verdict"].get("verdict") or {}, stages["confirm"].get("confirmation") or {}
    texts = {"verdict": verdict.get("text"), "confirmation": confirmation.get("verdict")}
    numbers = _estimate("confirmed gain", confirmation.get("difference"))
    for effect in (stages["analyse"].get("screening") or {}).get("effects") or []:
        numbers |= _estimate(f"effect at the baseline/{effect['technique']}", effect.get("at_baseline"))
        numbers |= _estimate(f"effect at the recipe/{effect['technique']}", effect.get("at_recipe"))
    return {name: text for name, text in texts.items() if text}, numbers


def _estimate(name: str, estimate: dict[str, Any] | None) -> dict[str, float]:
    parts = {key: (estimate or {}).get(key) for key in ("value", "low", "high", "n")}
    return {f"{name}/{key}": float(value) for key, value in parts.items() if value is not None}


class TensorBoard:
    """Event files below `tensorboard/` of the run directory: curves, and techniques beside scores (HPARAMS)."""

    def __init__(self, root: Path) -> None:
        from torch.utils.tensorboard import SummaryWriter

        self.folder, self.writer = root / "tensorboard", SummaryWriter

    def known(self) -> set[str]:
        """Ids of the runs that have a folder."""
        return {path.name for path in self.folder.iterdir()} if self.folder.exists() else set()

    def run(self, run: Run) -> None:
        """Write the folder of `run`."""
        with self.writer(str(self.folder / run.id)) as writer:
            for line in run.curves:
                for name, value in _numbers(line).items():
                    if name != "epoch":
                        writer.add_scalar(f"curves/{name}", value, line["epoch"])
            settings = {"stage": run.stage, "seed": run.seed, "split": run.split, "status": run.status}
            settings |= dict.fromkeys(run.techniques, True)
            scores = {f"score/{name}": value for name, value in _numbers(run.scores).items()}
            writer.add_hparams(settings, scores, run_name=".")
            if run.error:
                writer.add_text("error", run.error)

    def job(self, texts: dict[str, str], numbers: dict[str, float]) -> None:
        """Write the folder of the job."""
        with self.writer(str(self.folder / JOB)) as writer:
            for name, text in texts.items():
                writer.add_text(name, text)
            for name, value in numbers.items():
                writer.add_scalar(name, value)


class Mlflow:
    """One MLflow run for each run; to MLFLOW_TRACKING_URI, else to `mlruns/` of the run directory."""

    def __init__(self, root: Path) -> None:
        from mlflow.tracking import MlflowClient

        place = os.environ.get("MLFLOW_TRACKING_URI")
        if not place:
            os.environ.setdefault("MLFLOW_ALLOW_FILE_STORE", "true")
            place = (root / "mlruns").resolve().as_uri()
        self.client = MlflowClient(tracking_uri=place)
        name = f"burnish-{root.resolve().name}"
        experiment = self.client.get_experiment_by_name(name)
        self.experiment = experiment.experiment_id if experiment else self.client.create_experiment(name)
        self.ids: dict[str, str] = {}

    def known(self) -> set[str]:
        """Names of the runs of the experiment."""
        token = None
        while True:
            page = self.client.search_runs([self.experiment], page_token=token)
            self.ids |= {run.info.run_name: run.info.run_id for run in page}
            token = page.token
            if not token:
                return set(self.ids)

    def run(self, run: Run) -> None:
        """Make an MLflow run of `run`."""
        tags = {"stage": run.stage, "status": run.status} | ({"error": run.error[:500]} if run.error else {})
        settings = {"techniques": ", ".join(run.techniques) or "none", "seed": str(run.seed), "split": str(run.split)}
        curves = [(name, value, line["epoch"]) for line in run.curves for name, value in _numbers(line).items()]
        numbers = [(f"curve.{name}", value, epoch) for name, value, epoch in curves if name != "epoch"]
        self._put(run.id, tags, settings, numbers + [(n, v, 0) for n, v in _numbers(run.scores).items()])
        self.client.set_terminated(self.ids[run.id], "FINISHED" if run.status == "done" else "FAILED")

    def job(self, texts: dict[str, str], numbers: dict[str, float]) -> None:
        """Keep one MLflow run for the job up to date."""
        self._put(JOB, texts, {}, [(_plain(name), value, 0) for name, value in numbers.items()])

    def _put(
        self, name: str, tags: dict[str, str], settings: dict[str, str], numbers: list[tuple[str, float, int]]
    ) -> None:
        from mlflow.entities import Metric, Param, RunTag

        if name not in self.ids:
            self.ids[name] = self.client.create_run(self.experiment, run_name=name).info.run_id
        now = int(time.time() * 1000)
        metrics = [Metric(_plain(key), value, now, step) for key, value, step in numbers]
        for start in range(0, max(len(metrics), 1), 500):  # more at once are refused
            self.client.log_batch(self.ids[name], metrics=metrics[start : start + 500])
        self.client.log_batch(
            self.ids[name],
            params=[Param(key, value) for key, value in settings.items()],
            tags=[RunTag(key, value) for key, value in tags.items()],
        )


LOGGERS: dict[str, Callable[[Path], Logger]] = {"tensorboard": TensorBoard, "mlflow": Mlflow}


def check_loggers(names: tuple[str, ...]) -> None:
    """Refuse loggers that do not exist, or whose package is missing, before anything is spent.

    Raises:
        UsageError: the message names what there is, or what to install.
    """
    for name in names:
        if name not in LOGGERS:
            raise UsageError(f"--log names an unknown logger {name!r}; one of {', '.join(LOGGERS)}")
        if importlib.util.find_spec(name) is None:
            raise UsageError(f"--log {name} needs a package that is not installed: pip install 'burnish[{name}]'")


def _numbers(values: dict[str, Any]) -> dict[str, float]:
    finite = {key: value for key, value in values.items() if isinstance(value, int | float) and math.isfinite(value)}
    return {key: float(value) for key, value in finite.items()}


def _plain(name: str) -> str:
    """`name` with the letters that MLflow takes."""
    return "".join(letter if letter.isalnum() or letter in "_-./ " else "_" for letter in name)

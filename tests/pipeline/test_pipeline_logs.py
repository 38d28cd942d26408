"""What TensorBoard and MLflow are given, and that a job goes on when they fail."""

import dataclasses
import sys

import pytest

from burnish.errors import UsageError
from burnish.ledger import Ledger
from burnish.pipeline import logs
from burnish.pipeline.checking import check_recipe
from burnish.pipeline.logs import Logging
from burnish.pipeline.recipe import Recipe
from burnish.records import Run

CURVES = ({"epoch": 1, "train_loss": 0.9, "accuracy": 0.5}, {"epoch": 2, "train_loss": 0.4, "accuracy": float("nan")})
RUN = Run(
    id="screen-00-ab", stage="screen", techniques=("Mixup(alpha=0.2)",), seed=3, split=4, status="done",
    primary="accuracy", scores={"accuracy": 0.75}, curves=CURVES,
)  # fmt: skip
FAILED = dataclasses.replace(RUN, id="screen-01-cd", status="failed", scores={}, curves=(), error="ValueError: odd")
REPORT = {"verdict": {"text": "it is good"}}
GAIN = {"value": 0.02, "low": 0.01, "high": 0.03, "n": 5}


@pytest.fixture
def logged(tmp_path):
    """Carries out a short job in two sittings, the first one killed before it said what it had done."""

    def job(name):
        ledger, events = Ledger(tmp_path / "run"), []
        ledger.finish_run(ledger.new_run(RUN.id), RUN)
        observer = Logging((name,), ledger, events.append)
        ledger.finish_run(ledger.new_run(FAILED.id), FAILED)
        observer({"event": "run", "id": FAILED.id})
        ledger.put_stage("confirm", {"report": {"confirmation": {"verdict": "CONFIRMED", "difference": GAIN}}})
        observer({"event": "stage_done", "name": "confirm"})
        ledger.put_stage("verdict", {"report": REPORT})
        observer({"event": "stage_done", "name": "verdict"})
        assert [event["event"] for event in events] == ["run", "stage_done", "stage_done"], events
        return ledger.root

    return job


def test_tensorboard(logged):
    accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    root = logged("tensorboard")

    def shown(name):
        found = accumulator.EventAccumulator(str(root / "tensorboard" / name))
        found.Reload()
        return found

    run = shown(RUN.id)
    assert [(e.step, e.value) for e in run.Scalars("curves/train_loss")] == [
        (1, pytest.approx(0.9)),
        (2, pytest.approx(0.4)),
    ]
    assert len(run.Scalars("curves/accuracy")) == 1
    assert run.Scalars("score/accuracy")[0].value == 0.75
    assert "error/text_summary" in shown(FAILED.id).Tags()["tensors"]
    job = shown("job")
    assert job.Scalars("confirmed gain/low")[0].value == pytest.approx(0.01)
    assert b"it is good" in job.Tensors("verdict/text_summary")[0].tensor_proto.string_val[0]


def test_mlflow(logged, monkeypatch):
    tracking = pytest.importorskip("mlflow.tracking")
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    root = logged("mlflow")
    client = tracking.MlflowClient(tracking_uri=(root / "mlruns").as_uri())
    experiment = client.get_experiment_by_name("burnish-run")
    runs = {run.info.run_name: run for run in client.search_runs([experiment.experiment_id])}
    assert sorted(runs) == ["job", RUN.id, FAILED.id]
    done = runs[RUN.id]
    assert done.data.params == {"techniques": "Mixup(alpha=0.2)", "seed": "3", "split": "4"}
    assert done.data.metrics["accuracy"] == 0.75
    history = client.get_metric_history(done.info.run_id, "curve.train_loss")
    assert [(m.step, m.value) for m in history] == [(1, 0.9), (2, 0.4)]
    assert (done.info.status, runs[FAILED.id].info.status) == ("FINISHED", "FAILED")
    assert runs["job"].data.tags["verdict"] == "it is good"
    assert runs["job"].data.metrics["confirmed gain/low"] == 0.01


def test_a_logger_that_fails_is_left_out_and_the_job_goes_on(tmp_path, monkeypatch):
    class Broken:
        def __init__(self, root):
            self.calls = 0

        def known(self):
            return set()

        def run(self, run):
            raise ConnectionError("the server\nis gone")

    monkeypatch.setitem(logs.LOGGERS, "tensorboard", Broken)
    ledger, events = Ledger(tmp_path), []
    observer = Logging(("tensorboard",), ledger, events.append)
    ledger.finish_run(ledger.new_run(RUN.id), RUN)
    for _ in range(2):
        observer({"event": "run", "id": RUN.id})
    texts = [event.get("text") for event in events]
    said = "logging to tensorboard stopped: ConnectionError: the server is gone; the job goes on without"
    assert texts == [None, said, None]


def test_unknown_and_missing_loggers_are_refused_before_anything_is_spent(monkeypatch):
    with pytest.raises(UsageError, match="--log names an unknown logger 'wandb'; one of tensorboard, mlflow"):
        check_recipe(Recipe(log=("wandb",)))
    monkeypatch.setitem(sys.modules, "mlflow", None)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"not installed: pip install 'burnish\[mlflow\]'"):
        check_recipe(Recipe(log=("mlflow",)))

"""One run, carried out in a worker process or in this one: train, save, measure from what was saved."""

import contextlib
import errno
import functools
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from burnish.data import Data
from burnish.data.data import Split
from burnish.data.spacing import spaced
from burnish.data.tensors import network_tensor
from burnish.errors import BurnishError, LedgerError, NotApplicable
from burnish.evaluation.calibration import tempered
from burnish.evaluation.cost import cost
from burnish.evaluation.cross_fit import crossfit_best_epoch
from burnish.evaluation.predict import outputs_on, predict
from burnish.evaluation.robustness import perturbed_score
from burnish.evaluation.thresholds import crossfit_threshold
from burnish.exporting.safetensors import load_weights, save_weights
from burnish.ledger import Ledger
from burnish.model.sources import ModelSource
from burnish.model.views import Views
from burnish.pipeline.memory import start_watching, training_peak
from burnish.pipeline.pruning import pruned_run
from burnish.pipeline.retraining import retrained_run
from burnish.pipeline.setup import named_loss, plan_from_base
from burnish.pipeline.timing import steps_per_second
from burnish.plan import Averaging, Plan
from burnish.records import Run
from burnish.training import Fitted, fit
from burnish.training.loop import Objective, device_for
from burnish.training.ranks import current

__all__ = ["SHADOWS", "held", "keep", "train_plan", "train_run", "work"]

# The averages kept beside every run, read out without a further run.
SHADOWS = (Averaging(decay=0.99), Averaging(kind="swa", start=0.75))
READ_AS = {"ema": "EMA", "swa": "SWA"}
TRAIN_SUBSET = 2000
CHECKPOINT_SECONDS = 30.0  # of a run that may be lost; shorter runs leave no checkpoint
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # errors that are no fault of the run
_held: dict[str, Plan] = {}  # plans that cannot travel to another process, by name


def work(context: dict[str, Any], payload: dict[str, Any]) -> dict[str, Any]:
    """Carry out the run `payload` in the ledger at `context["root"]`; returns a short summary.

    Raises:
        LedgerError: the disk is full or cannot be written.
    """
    plan = _base(json.dumps({key: value for key, value in context.items() if key != "root"}, sort_keys=True))
    if payload["kind"] == "time":
        device, threads = context["device"], payload["threads"]
        return {"rate": steps_per_second(plan, device=device, threads=threads, seconds=payload["seconds"])}
    from burnish.pipeline.sparse import sparse_run

    ledger = Ledger(context["root"])
    carry_out = {"train": train_run, "retrain": retrained_run, "sparse": sparse_run}.get(payload["kind"], pruned_run)
    try:
        run = carry_out(plan, ledger, payload, device=context["device"])
    except OSError as error:
        if error.errno not in DISK:
            raise
        raise LedgerError(
            f"could not keep run {payload['id']}: {error.strerror}; free or choose another disk and run the "
            "same command again, finished runs are kept"
        ) from error
    except (MemoryError, RuntimeError) as error:
        if not _memory_is_full(error):
            raise
        raise BurnishError(
            f"out of memory: {str(error).splitlines()[0][:200] if str(error) else 'no more to be had'}; use a smaller "
            "--batch-size, fewer --workers, or a smaller network"
        ) from error
    return {"id": run.id, "status": run.status, "score": run.score, "seconds": run.cost and run.cost.train_seconds}


def _memory_is_full(error: BaseException) -> bool:
    """Whether torch or Python could not get memory; on the CPU torch says so in words only."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error) for words in ("can't allocate memory", "not enough memory", "out of memory"))


def keep(name: str, plan: Plan) -> None:
    """Keep `plan` for contexts with `"held": name` as long as this process lives."""
    _held[name] = plan


@contextlib.contextmanager
def held(name: str, plan: Plan) -> Iterator[None]:
    """Keep `plan` for contexts with `"held": name`, for networks that only this process can build."""
    _held[name] = plan
    try:
        yield
    finally:
        del _held[name]


@functools.lru_cache(maxsize=2)
def _base(context: str) -> Plan:
    """The baseline plan of a context; data are mapped, not copied, and the test set is not in them."""
    values = json.loads(context)
    torch.set_num_threads(values["threads"])
    if "held" in values:
        return _held[values["held"]]
    data = Data.restore(Path(values["data"]))
    source = ModelSource.from_json(values["source"])
    return Plan(model=source, data=data, loss=named_loss(values["loss"]), precision=values["precision"])


def train_run(plan: Plan, ledger: Ledger, payload: dict[str, Any], *, device: str) -> Run:
    """Train the baseline `plan` with what `payload` adds to it."""
    return train_plan(plan_from_base(plan, payload["base"], payload["techniques"]), ledger, payload, device=device)


def train_plan(
    plan: Plan, ledger: Ledger, payload: dict[str, Any], *, device: str, objective: Objective | None = None
) -> Run:
    """Train `plan`, keep its weights, and measure them again from disk.

    Args:
        plan: The whole plan.
        ledger: Where the run goes.
        payload: `id, stage, seed, split`, and optionally `name`, `keep` (the weights), `readouts`,
            `repeat` (how often an epoch goes through the rows), `traits` (a score of robustness too).
        device: Where to compute.
        objective: Replaces the plan's loss, as a teacher does.
    """
    data = with_rows(plan.data.replicate(payload["split"]), payload.get("base", {}).get("rows", 1.0))
    data = replace(data, train_rows=np.tile(data.train_rows, payload.get("repeat", 1)))
    checkpoint = ledger.path / "checkpoints" / f"{payload['id']}.pt"
    shadows = SHADOWS if payload.get("readouts") else ()
    train = functools.partial(
        fit,
        plan,
        seed=payload["seed"],
        data=data,
        device=device,
        shadows=shadows,
        objective=objective,
        checkpoint=checkpoint,
        every=CHECKPOINT_SECONDS,
    )
    start_watching(device)
    if not current().first:
        return record(plan, payload, train())
    with ledger.filling(payload["id"]) as directory:
        fitted = train()
        peak = training_peak(device)
        run = record(plan, payload, fitted)
        if fitted.status == "done":
            try:
                run = _kept(run, replace(plan, data=data), fitted, directory, device, payload)
                run = replace(run, cost=run.cost and replace(run.cost, peak_memory=peak))
            except NotApplicable as reason:  # of a post technique
                run = replace(run, status="not applicable", error=str(reason))
        ledger.finish_run(directory, run)
    checkpoint.unlink(missing_ok=True)
    return run


def _kept(run: Run, plan: Plan, fitted: Fitted, directory: Path, device: str, payload: dict[str, Any]) -> Run:
    """The run measured again from its saved weights, after what the plan's post techniques make of the network.

    Raises:
        NotApplicable: a post technique has nothing to do.
    """
    from burnish.pipeline.post import made_smaller, rounded, unloaded

    run, fitted = made_smaller(run, plan, fitted, device)
    saved = save_weights(fitted.model, directory / "weights.safetensors")
    model = load_weights(unloaded(plan, run), saved)
    run = measured(run, plan, plan.data, model, fitted, directory, device, views=bool(payload.get("readouts")))
    run = rounded(run, plan, model, directory)
    if payload.get("traits"):
        run = replace(run, scores=run.scores | _perturbed(model, plan.data, device))
    if not payload.get("keep"):
        saved.unlink()
    return run


def with_rows(data: Data, share: float) -> Data:
    """`data` with the share `share` of its training rows, evenly spaced so that classes keep their parts."""
    if share >= 1:
        return data
    count = max(int(len(data.train_rows) * share), 1)
    positions = np.linspace(0, len(data.train_rows) - 1, count).astype(int)
    return replace(data, train_rows=np.asarray(data.train_rows)[positions])


def record(plan: Plan, payload: dict[str, Any], fitted: Fitted) -> Run:
    """What is known of a run before it is measured."""
    return Run(
        id=payload["id"],
        stage=payload["stage"],
        techniques=plan.techniques,
        seed=payload["seed"],
        split=payload["split"],
        status=fitted.status,
        primary=plan.data.task.primary.name,
        curves=fitted.curves,
        epochs=len(fitted.curves),
        plan_key=plan.key,
        data=plan.data.fingerprint,
        detail={"name": payload.get("name", ""), "lr": plan.optimizer.lr},
    )


def measured(
    run: Run,
    plan: Plan,
    data: Data,
    model: nn.Module,
    fitted: Fitted,
    directory: Path,
    device: str,
    *,
    views: bool = False,
) -> Run:
    """`run` with scores, readouts and cost, measured clean on the saved weights; predictions go to `directory`."""
    task, targets = data.task, data.validation.targets
    outputs = _outputs(model, data, data.validation, device)
    arrays = {"outputs": outputs.astype(np.float32), "rows": np.asarray(data.validation_rows)}
    subset = train_subset(data)
    train_outputs = _outputs(model, data, subset, device)
    readouts: dict[str, dict[str, float]] = {}
    for kind, network in fitted.shadows.items():
        averaged = _outputs(network, data, data.validation, device)
        arrays[kind] = averaged.astype(np.float32)
        readouts[READ_AS[kind]] = task.evaluate(task.decode(averaged), targets)
    if len(fitted.epoch_outputs) > 1 and plan.stopping is None:
        chosen = crossfit_best_epoch(fitted.epoch_outputs, targets, task)
        readouts["EarlyStopping"] = chosen["metrics"]
    if views:
        readouts |= _afterwards(plan, data, model, outputs, device)
    np.savez(directory / "predictions.npz", **arrays)  # type: ignore[arg-type]
    return replace(
        run,
        scores=task.evaluate(task.decode(outputs), targets),
        train_scores=task.evaluate(task.decode(train_outputs), subset.targets),
        readouts=readouts,
        cost=cost(model.cpu(), _example(data), train_seconds=fitted.seconds, examples=fitted.examples),
    )


def _perturbed(model: nn.Module, data: Data, device: str) -> dict[str, float]:
    """What `perturbed_score` says of the network as it was saved."""
    place = device_for(device)
    model.to(place)
    return perturbed_score(lambda stored: outputs_on(model, stored, data.preparation, device=str(place)), data)


def _afterwards(plan: Plan, data: Data, model: nn.Module, outputs: np.ndarray, device: str) -> dict[str, Any]:
    """Readouts of the finished network: what is fitted on validation is cross-fitted, views of images are averaged."""
    task, targets = data.task, data.validation.targets
    found: dict[str, Any] = {}
    if task.kind == "classification" and len(targets) > 1:
        found["TemperatureScaling"] = task.evaluate(tempered(outputs, targets, task), targets)
        threshold = crossfit_threshold(task.decode(outputs), targets, task)
        if threshold is not None:
            found["Threshold"] = {task.primary.name: threshold["score"]}
    if data.modality == "image" and not isinstance(model, Views):
        seen = _outputs(Views(model, kind=task.kind).eval(), data, data.validation, device)
        found["TestTimeAugmentation"] = task.evaluate(task.decode(seen), targets)
    return found


def train_subset(data: Data) -> Split:
    """At most `TRAIN_SUBSET` training rows, evenly spaced, to measure training error the clean way."""
    return data.train.take(spaced(len(data.train), TRAIN_SUBSET))


def _example(data: Data) -> torch.Tensor:
    return network_tensor(data.preparation, data.inputs[data.train_rows[:1]])


def _outputs(model: nn.Module, data: Data, split: Split, device: str) -> np.ndarray:
    place = device_for(device)
    return predict(model.to(place), split, data.preparation, device=str(place))

"""Look before spending: environment, task, data, network, price."""

import os
import platform
import sys
from importlib import metadata
from typing import Any

import burnish
from burnish.data.tensors import network_tensor
from burnish.model.inspect import inspect
from burnish.pipeline.price import runs_of, seconds_of, spoken
from burnish.pipeline.stages.tune import trial_epochs
from burnish.pipeline.timing import steps_per_second
from burnish.pipeline.work import Work
from burnish.tasks import described
from burnish.techniques import Augment, parse
from burnish.techniques.augment import kept_meaning
from burnish.training.feed import steps_per_epoch

__all__ = ["prepare"]

STEPS = 5  # that are timed for the price


def prepare(work: Work) -> dict[str, Any]:
    """Measure the network, time a step, and print the plan and its price."""
    data, task = work.data, work.data.task
    example = network_tensor(data.preparation, data.inputs[data.train_rows[:2]])
    inspection = inspect(work.plan.probe(), example)
    rate = steps_per_second(work.plan, device=work.device, threads=work.threads, seconds=0.0, least=STEPS)
    seconds_per_step = 1 / rate
    meaning = _meaning(work)
    lines = [*_price(work, seconds_per_step, inspection.bytes), *(f"asked of the data: {text}" for text in meaning)]
    work.observer({"event": "plan", "lines": lines})
    network = {
        "name": work.plan.source.name,
        "trained": work.plan.source.trained,
        "parameters": inspection.parameters,
        "operations": inspection.operations,
        "bytes": inspection.bytes,
        "layers": [layer.to_json() for layer in inspection.layers][:200],
    }
    return {
        "report": {
            "environment": environment(work),
            "recipe": work.recipe.to_json(),
            "command": work.recipe.command(_verb(work), out=str(work.root)),
            "task": described(task),
            "data": data.describe() | {"notes": [*data.notes, *meaning]},
        },
        "network": network,
        "plan": lines,
        "seconds_per_step": seconds_per_step,
    }


def _verb(work: Work) -> str:
    """The command that these stages are of."""
    ahead = work.ahead or {}
    return (
        "run" if "gate" in ahead else next((verb for verb in ("train", "compare", "diagnose") if verb in ahead), "run")
    )


def _meaning(work: Work) -> list[str]:
    """What the images say about the mirroring and rotating that is going to be tried; nothing for other data."""
    texts = [*work.recipe.techniques, *work.recipe.against, *(work.recipe.only or ["Augment"])]
    wanted = [parse(text) for text in texts if text.strip().startswith("Augment")]
    found = [kept_meaning(work.data, strength=a.strength, policy=a.policy) for a in wanted if isinstance(a, Augment)]
    return list(dict.fromkeys(str(answer) for answers in found for answer in answers))


def environment(work: Work) -> dict[str, Any]:
    """Versions and machine, as far as results depend on them."""
    versions = {name: metadata.version(name) for name in ("torch", "numpy", "onnxruntime", "scikit-learn")}
    return versions | {
        "burnish": burnish.__version__,
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "workers": work.workers,
        "threads": work.threads,
        "device": work.device,
    }


def _processor() -> str:
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            return next(line.split(":", 1)[1].strip() for line in file if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or sys.platform


def _price(work: Work, seconds_per_step: float, size: int) -> list[str]:
    data, runs = work.data, runs_of(work)
    per_epoch = steps_per_epoch(len(data.train_rows), work.plan.batch_size) * seconds_per_step
    epochs, total = work.recipe.epochs or trial_epochs(work), sum(runs.values())
    seconds = seconds_of(work, runs, epochs * per_epoch)
    disk = (2 * runs.get("confirm", 1) + 6) * size + total * len(data.validation_rows) * data.task.outputs * 8
    length = f"{epochs} epochs" if work.recipe.epochs else f"at most {epochs} epochs"
    return [
        f"data: {data.name}, {data.modality}, {data.task.kind} with {data.task.outputs} outputs; "
        f"{len(data.train_rows)} training, {len(data.validation_rows)} validation, {data.test_size} sealed test rows",
        *(f"note: {text}" for text in data.notes),
        f"network: {work.plan.source.name}, {size:,} bytes of weights",
        "runs: " + ", ".join(f"{name} {count}" for name, count in runs.items()) + f" (at most {total})",
        f"price: about {spoken(seconds)} for them with {work.workers} worker(s), {spoken(per_epoch)} an epoch "
        f"and {length} each, validation and start-up aside; up to {disk / 2**20:.0f} MB on disk, "
        f"{work.workers * 0.5 + data.inputs.nbytes / 2**30:.1f} GB of memory",
    ]

"""One run of a smaller network: cut the winner, train what is left, mostly with the winner as teacher; measure it."""

from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import nn

from burnish.compression.distill import distilled
from burnish.compression.gradual import Gradual
from burnish.compression.prune import Pruned, prune, pruned_in_steps
from burnish.compression.rebuild import rebuild_pruned
from burnish.data import Data
from burnish.errors import NotApplicable
from burnish.exporting.safetensors import load_weights, save_weights
from burnish.ledger import Ledger
from burnish.model.build import probe_inputs
from burnish.pipeline.setup import plan_from_base
from burnish.plan import Plan, Schedule
from burnish.records import Run
from burnish.training import Fitted, fit
from burnish.training.averaging import reestimate_batch_norm
from burnish.training.feed import batches, steps_per_epoch
from burnish.training.loop import device_for

__all__ = ["cut_and_tuned", "evidence", "nothing_fitted", "pruned_run", "trained_network"]

CUTS = 3  # of an iterative schedule
GRADIENT_BATCHES = 8


def pruned_run(plan: Plan, ledger: Ledger, payload: dict[str, Any], *, device: str) -> Run:
    """Carry out the run `payload`: `parent` (a run with weights), `ratio`, `scope`, `criterion` and `epochs`.

    Of kind `prune` it goes on from the weights that are left; of kind `scratch` the same shape starts from a fresh
    initialization, which is often as good (Liu et al. 2019, arXiv:1810.05270). Where nothing can be cut the run ends
    with status `not applicable` and the reason.
    """
    plan = plan_from_base(plan, payload["base"], payload["techniques"])
    with ledger.filling(payload["id"]) as directory:
        run = _pruned(plan, ledger, payload, directory, device)
        ledger.finish_run(directory, run)
    return run


def _pruned(plan: Plan, ledger: Ledger, payload: dict[str, Any], directory: Path, device: str) -> Run:
    from burnish.pipeline.worker import measured, record

    teacher = trained_network(plan, ledger, payload["parent"])
    try:
        pruned, fitted, shorter = cut_and_tuned(plan, teacher, payload, device)
    except NotApplicable as reason:
        return replace(record(plan, payload, nothing_fitted()), status="not applicable", error=str(reason))
    saved = save_weights(fitted.model, directory / "weights.safetensors")
    fresh = rebuild_pruned(plan.build(payload["seed"]), pruned.history)
    run = record(plan, payload, fitted)
    run = replace(run, detail=run.detail | _detail(pruned, payload))
    if fitted.status == "done":
        run = measured(run, shorter, plan.data, load_weights(fresh, saved), fitted, directory, device)
    return run


def cut_and_tuned(plan: Plan, teacher: nn.Module, payload: dict[str, Any], device: str) -> tuple[Pruned, Fitted, Plan]:
    """The cut of `teacher`, what is left of it trained with it or by labels alone, and the plan of that training.

    Raises:
        NotApplicable: nothing can be cut.
    """
    pruned, start, epochs = _cut(plan, teacher, payload, device)
    shorter, loss = fine_tuning(plan, epochs), plan.loss
    assert loss is not None
    taught = payload.get("teacher", True)
    objective = distilled(loss, teacher, kind=plan.data.task.kind) if taught else None
    fitted = fit(shorter, seed=payload["seed"], model=start, device=device, objective=objective)
    _recalibrate(fitted.model, plan.data, device_for(device))
    return pruned, fitted, shorter


def _cut(plan: Plan, teacher: nn.Module, payload: dict[str, Any], device: str) -> tuple[Pruned, nn.Module, int]:
    """The cut network, the one to go on from, and the epochs that are left for it after what the schedule took."""
    ratio, epochs, seed = payload["ratio"], payload["epochs"], payload["seed"]
    schedule = payload.get("schedule", "one-shot") if epochs > 1 else "one-shot"
    options = {"criterion": payload["criterion"], "ratios": payload["scope"]}
    options |= evidence(plan, payload["criterion"], payload["scope"], seed)
    example, half = probe_inputs(plan.data), epochs // 2
    assert plan.loss is not None
    taught = distilled(plan.loss, teacher, kind=plan.data.task.kind) if payload.get("teacher", True) else None

    def trained(network: nn.Module, length: int, **more: Any) -> nn.Module:
        short = fine_tuning(plan, length)
        return fit(short, seed=seed, model=network, device=device, objective=taught, **more).model.cpu().eval()

    if schedule == "gradual":
        steps = max(1, half * steps_per_epoch(len(plan.data.train), plan.batch_size) * 2 // 3)
        gradual = Gradual(teacher, example, ratio, steps=steps, **options)
        pruned = gradual.finish(trained(teacher, half, on_step=gradual.step))
        return pruned, pruned.model, epochs - half
    if schedule == "iterative":
        length = max(1, half // (CUTS - 1))
        pruned = pruned_in_steps(teacher, example, ratio, lambda n: trained(n, length), steps=CUTS, **options)
        return pruned, pruned.model, max(1, epochs - length * (CUTS - 1))
    pruned = prune(teacher, example, ratio, **options)
    return pruned, pruned.model if payload["kind"] == "prune" else _fresh(plan, pruned, seed), epochs


def evidence(plan: Plan, criterion: str, scope: str, seed: int) -> dict[str, Any]:
    """Training batches and the loss on them, as they are without augmentation, for ways of pruning that need them.

    Validation rows are left for judging what comes out.
    """
    if criterion != "taylor" and scope != "sensitivity":
        return {}
    clean, loss = replace(plan, batch=()), plan.loss
    assert loss is not None
    found = list(islice(batches(clean, plan.data, seed=seed, epoch=0, device=torch.device("cpu")), GRADIENT_BATCHES))

    def score(network: nn.Module) -> float:
        with torch.no_grad():
            return -sum(float(loss(network(x), y)) for x, y in found) / len(found)

    return {"batches": found, "loss": loss} | ({"score": score} if scope == "sensitivity" else {})


def _fresh(plan: Plan, pruned: Pruned, seed: int) -> nn.Module:
    """The shape of `pruned` with the weights of a new network."""
    if plan.source.trained:
        raise NotApplicable("the network came with its weights: there is no initialization to start from again")
    return rebuild_pruned(plan.build(seed), pruned.history)


def trained_network(plan: Plan, ledger: Ledger, run_id: str) -> nn.Module:
    """The network of a finished run, pruned where that run pruned it, with its saved weights, in eval mode."""
    run = ledger.run(run_id)
    model = plan.build(run.seed)
    if run.detail.get("history"):
        model = rebuild_pruned(model, run.detail["history"])
    return load_weights(model, ledger.run_directory(run_id) / "weights.safetensors").eval()


def fine_tuning(plan: Plan, epochs: int) -> Plan:
    """`plan` for a short second training: fewer epochs, rate falling to zero, no early stop.

    A large rate with a decaying schedule explains most of what fine-tuning recovers (Le and Hua
    2021, arXiv:2105.03193).
    """
    schedule = Schedule(kind="cosine", warmup=0.1)
    return replace(plan, epochs=epochs, schedule=schedule, stopping=None)


def _recalibrate(model: nn.Module, data: Data, place: torch.device) -> None:
    from burnish.training.loop import calibration_batches

    reestimate_batch_norm(model, calibration_batches(data, 256, place))


def _detail(pruned: Pruned, payload: dict[str, Any]) -> dict[str, Any]:
    return {
        "history": pruned.history,
        "ratio": payload["ratio"],
        "cut": list(pruned.cut),
        "excluded": list(pruned.excluded),
        "proof": pruned.proof,
        "parameters_before": pruned.parameters_before,
        "parameters_after": pruned.parameters_after,
    }


def nothing_fitted() -> Fitted:
    """What a training that did not happen leaves."""
    import numpy as np

    return Fitted(
        model=nn.Identity(),
        shadows={},
        curves=(),
        epoch_outputs=np.zeros((0, 0, 0), np.float32),
        status="not applicable",
        seconds=0.0,
        examples=0,
    )

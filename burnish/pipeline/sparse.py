"""Zeros among single weights, as one run of a job: called sparsity, since nothing gets faster by it."""

from dataclasses import replace
from typing import Any

from burnish.compression.distill import distilled
from burnish.compression.sparsity import sparsify, zipped_bytes
from burnish.evaluation.paired import paired_examples
from burnish.exporting.onnx import export_onnx
from burnish.exporting.safetensors import load_weights, save_weights
from burnish.ledger import Ledger
from burnish.model.build import probe_inputs
from burnish.pipeline.deployed import winner_plan
from burnish.pipeline.pruning import fine_tuning, trained_network
from burnish.pipeline.running import spec
from burnish.pipeline.setup import plan_from_base
from burnish.pipeline.work import Work
from burnish.plan import Plan
from burnish.records import Run, to_json
from burnish.training import fit

__all__ = ["SPARSE", "sparse", "sparse_run"]

Json = dict[str, Any]
SPARSE = "sparse.onnx"


def sparse(work: Work, share: float) -> Json:
    """The winner with the share `share` of its weights zero, trained on with the zeros held, written to sparse.onnx.

    Returns:
        What it costs and what it brings: the size of the file once it is zipped.
    """
    parent, base = work.stage("finish")["winner"], {**work.base, "rows": 1.0}
    told = {"parent": parent, "sparsity": share, "epochs": max(2, round(work.base["epochs"] / 2))}
    planned = spec(
        "sparse",
        round(100 * share),
        base=base,
        techniques=work.stage("finish")["techniques"],
        seed=work.recipe.seed,
        kind="sparse",
        readouts=False,
        name=f"sparsity {share:.0%}",
        **told,
    )
    run = work.runner.run([planned])[0]
    task, path, before = work.data.task, work.root / SPARSE, work.ledger.path / "models" / "dense.onnx"
    before.parent.mkdir(parents=True, exist_ok=True)
    plan, probe = winner_plan(work), probe_inputs(work.data)
    export_onnx(trained_network(plan, work.ledger, run.id), probe, path)
    export_onnx(trained_network(plan, work.ledger, parent), probe, before)
    dense, zeros = (task.decode(work.ledger.arrays(run_id)["outputs"]) for run_id in (parent, run.id))
    gain = paired_examples(task.primary, dense, zeros, work.data.validation.targets)
    sizes = {"zipped_bytes": zipped_bytes(path), "zipped_bytes_before": zipped_bytes(before)}
    cost = f"{task.primary.name} {gain.value:+.4f} [{gain.low:+.4f}, {gain.high:+.4f}] on validation"
    text = (
        f"sparsity {run.detail['sparsity']:.0%}: {cost}; zipped, the file has {sizes['zipped_bytes']:,} instead of "
        f"{sizes['zipped_bytes_before']:,} bytes; unzipped it is as large and as fast as before"
    )
    work.note(text)
    return to_json({"path": str(path), "sparsity": run.detail["sparsity"], "difference": gain, "text": text} | sizes)


def sparse_run(plan: Plan, ledger: Ledger, payload: Json, *, device: str) -> Run:
    """Carry out the run `payload`: `parent`, `sparsity` and `epochs`, with the parent as teacher."""
    from burnish.pipeline.worker import measured, record

    plan = fine_tuning(plan_from_base(plan, payload["base"], payload["techniques"]), payload["epochs"])
    teacher, loss = trained_network(plan, ledger, payload["parent"]), plan.loss
    assert loss is not None
    found = sparsify(teacher, payload["sparsity"])
    objective = distilled(loss, teacher, kind=plan.data.task.kind)
    with ledger.filling(payload["id"]) as directory:
        fitted = fit(
            plan, seed=payload["seed"], model=found.model, device=device, objective=objective, on_step=found.hold
        )
        run = record(plan, payload, fitted)
        if fitted.status == "done":
            saved = save_weights(fitted.model, directory / "weights.safetensors")
            model = load_weights(plan.build(payload["seed"]), saved)
            run = measured(run, plan, plan.data, model, fitted, directory, device)
            run = replace(run, detail=run.detail | {"sparsity": _zeros(model, found.masks)})
        ledger.finish_run(directory, run)
    return run


def _zeros(model: Any, masks: Json) -> float:
    """Share of the weights that are zero, counted in the network as it was saved."""
    parameters = dict(model.named_parameters())
    dead = sum(int((parameters[name] == 0).sum()) for name in masks)
    return dead / sum(parameters[name].numel() for name in masks)

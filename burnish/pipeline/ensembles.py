"""Ensembles of finished runs: members gathered, a combination chosen and judged, one model written.

The directory is served like that of a run: model.onnx is the ensemble where it passed the veto, else the best member,
which is baseline.onnx; the test set is read once, at the end.
"""

import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor, nn

from burnish.data.data import Data
from burnish.ensembling.combination import Combination, as_tables
from burnish.ensembling.judging import Judgement, crossfitted, judge, judged
from burnish.ensembling.methods import average, goodness
from burnish.ensembling.network import EnsembleNetwork, WithSpread
from burnish.ensembling.soups import greedy_soup
from burnish.errors import UsageError
from burnish.evaluation.predict import predict
from burnish.exporting.latency import latency, ratio
from burnish.exporting.onnx import ExportResult, export_onnx
from burnish.exporting.package import ModelPackage, write_package
from burnish.exporting.safetensors import save_weights
from burnish.ledger import Ledger
from burnish.model.build import probe_inputs
from burnish.pipeline.api import Runs, train
from burnish.pipeline.members import Member, fitting, gathered
from burnish.plan import Plan
from burnish.records import shown_as_printed, to_json
from burnish.tasks import described
from burnish.training.loop import calibration_batches

__all__ = ["Ensembled", "combined", "ensemble", "tables_of"]

Array = np.ndarray
Json = dict[str, Any]
MEMBERS = 5  # of a plan; more bring little


@dataclass(frozen=True, kw_only=True, eq=False)
class Ensembled:
    """An ensemble, judged and written.

    Attributes:
        judgement: Members, shares, diversity, the gain over the best member, and whether it may ship.
        combination: Fitted on all validation rows; of a soup the mean of its members.
        model: What ships: the ensemble, or the best member.
        report: Content of report.json.
        root: The directory.
        notes: Members that were left out, and the like.
        distilled: One network taught by the ensemble, where that was asked for.
    """

    judgement: Judgement
    combination: Combination
    model: nn.Module
    report: Json
    root: Path
    notes: tuple[str, ...] = ()
    distilled: Json = field(default_factory=dict)

    def to_json(self) -> Json:
        """The numbers, without networks."""
        section = {name: self.report[name] for name in ("ensemble", "export", "test")}
        return to_json(section | {"path": str(self.root / "model.onnx"), "distilled": self.distilled})

    def __str__(self) -> str:
        found = self.judgement
        rows = [
            f"  {m['name']}: {m['score']:.4g}, share {m['share']:.2f}"
            + ("" if m["without"] is None else f", gain of having it {m['without']:+.4g}")
            for m in found.members
        ]
        ships = "ships" if found.accepted else f"does not ship, {found.best_member} does"
        lines = [
            f"{found.method} of {len(rows)}: {found.score:.4g}, best member {found.best_score:.4g}, gain {found.gain}",
            *rows,
            f"the ensemble {ships}: {found.reason}",
        ]
        return "\n".join([*lines, *self.notes])

    _repr_pretty_ = shown_as_printed


def ensemble(
    runs: Plan | Runs | Path | str | Sequence[Runs | Path | str],
    *,
    method: str | None = None,
    weights: Sequence[float] = (),
    distill: bool = False,
    out: Path | str | None = None,
    device: str = "auto",
    observer: Callable[[Json], None] | None = None,
) -> Ensembled:
    """Combine trained networks, like and unlike ones, and write the one model they become.

    The combination is cross-fitted over two halves of the validation rows, and ships only where the lower bound of its
    gain over the best member is above zero.

    Args:
        runs: What `train` returned, directories of `burnish train` and `burnish run`, or several of them; a plan is
            trained first, `members` of its `Ensemble` technique times on one split, or five times.
        method: `average` (soft voting), `vote` (hard voting), `weights` (non-negative least squares), `greedy`
            (selection with replacement), `stack` (a linear model on what members say), `soup` (mean of weights), or
            `auto`, the best of them but for soups; `auto` or that of the `Ensemble` technique without.
        weights: Of the members, for `average`.
        distill: Also teach one network, the best member's plan, with the ensemble.
        out: Directory to write; one beside the first run by default.
        device: Where to compute.
        observer: Told what happens.

    Raises:
        UsageError: fewer than two members share a split, their data differ, or a method or weight cannot be used.
        NotApplicable: the method has no meaning for the task or the members.
    """
    sources, asked, first = _sources(runs, out, device)
    members, refused = fitting(gathered(sources))
    method = method or asked or "auto"
    for text in refused:
        if observer:
            observer({"event": "note", "text": text})
    root = Path(out) if out is not None else first / "ensemble"
    found = combined(members, method=method, weights=tuple(weights), device=device)
    places = [str(source.root if isinstance(source, Runs) else source) for source in sources]
    command = f"burnish ensemble {' '.join(places)} --method {method}"
    return _written(found, members, root, method, command, tuple(refused), distill, observer, device)


@dataclass(frozen=True, kw_only=True, eq=False)
class Found:
    """A judged combination and its network."""

    combination: Combination
    judgement: Judgement
    network: nn.Module


def combined(
    members: Sequence[Member], *, method: str = "auto", weights: tuple[float, ...] = (), device: str = "auto"
) -> Found:
    """The combination of `members` on the validation rows of the first, judged, as one network.

    Raises:
        UsageError: weights are given for another method than the average, or the method is unknown.
        NotApplicable: the method has no meaning for the task or the members.
    """
    data, names = members[0].data, [member.name for member in members]
    networks = [member.network for member in members]
    tables, targets, task = tables_of(networks, data, device), data.validation.targets, data.task
    if weights and method != "average":
        raise UsageError(f"weights are for --method average, got {list(weights)} for {method}")
    if method == "soup":
        return _soup(networks, tables, data, names, device)
    if weights:
        combination = average(tables, targets, task, given=weights)
        judgement = judged(combination, combination.apply(tables), tables, targets, task, names)
    else:
        combination, judgement = judge(tables, targets, task, names=names, method=method)
    used, kept = combination.without_idle()
    network = EnsembleNetwork([networks[i] for i in used], kept) if len(used) > 1 else networks[used[0]]
    return Found(combination=combination, judgement=judgement, network=network.eval())


def tables_of(networks: Sequence[nn.Module], data: Data, device: str = "cpu") -> Array:
    """What `networks` say about the validation rows of `data`, `(networks, rows, outputs)`."""
    from burnish.training.loop import device_for

    place = device_for(device)
    outputs = []
    for network in networks:
        outputs.append(predict(network.to(place), data.validation, data.preparation, device=place))
        network.cpu()
    return as_tables(np.stack(outputs), data.task.kind)


def _soup(networks: Sequence[nn.Module], tables: Array, data: Data, names: Sequence[str], device: str) -> Found:
    """A greedy soup: its members are chosen by half of the rows where the other half is answered."""
    from burnish.training.loop import device_for

    task, split = data.task, data.validation
    targets, batches = split.targets, calibration_batches(data, 256, device_for("cpu"))

    def cooked(rows: Array) -> tuple[nn.Module, tuple[int, ...]]:
        def score(network: nn.Module) -> float:
            outputs = predict(network, split.take(rows), data.preparation)
            return goodness(as_tables(outputs, task.kind), targets[rows], task)[0]

        return greedy_soup(networks, score, batches)

    def procedure(rows: Array) -> Callable[[Array], Array]:
        network, _ = cooked(rows)
        return lambda others: as_tables(predict(network, split.take(others), data.preparation), task.kind)

    answers = crossfitted(procedure, targets, task)
    soup, used = cooked(np.arange(len(targets)))
    shares = tuple(1 / len(used) if i in used else 0.0 for i in range(len(networks)))
    combination = average(tables, targets, task, given=shares)
    found = judged(combination, answers, tables, targets, task, names)
    rows = tuple(member | {"without": None} for member in found.members)  # soups without one are not cooked
    return Found(combination=combination, judgement=replace(found, method="soup", members=rows), network=soup)


def _sources(runs: Any, out: Path | str | None, device: str) -> tuple[list[Any], str | None, Path]:
    """Where members come from, the method that a plan's `Ensemble` asks for, and the directory of the first."""
    if isinstance(runs, Plan):
        technique = _technique(runs)
        root = Path(out) / "members" if out is not None else Path(tempfile.mkdtemp(prefix="burnish-ensemble-"))
        count = technique.members if technique else MEMBERS
        runs = train(runs, seeds=range(count), split=0, out=root, device=device)
    sources = [runs] if isinstance(runs, Runs | Path | str) else list(runs)
    if not sources:
        raise UsageError("an ensemble needs runs, got none; name directories of `burnish train` or `burnish run`")
    plans = [source.plan for source in sources if isinstance(source, Runs)]
    technique = next(filter(None, map(_technique, plans)), None)
    first = sources[0].root if isinstance(sources[0], Runs) else Path(sources[0])
    return sources, technique.method if technique else None, first


def _technique(plan: Plan) -> Any:
    return next((t for t in plan.post if type(t).__name__ == "Ensemble"), None)


# -- the directory ------------------------------------------------------------------------------------


def _written(
    found: Found,
    members: Sequence[Member],
    root: Path,
    method: str,
    command: str,
    notes: tuple[str, ...],
    distill: bool,
    observer: Callable[[Json], None] | None,
    device: str,
) -> Ensembled:
    from burnish.pipeline.recipe import Recipe
    from burnish.pipeline.running import Runner
    from burnish.pipeline.stages.test import final_test
    from burnish.pipeline.work import Work
    from burnish.reporting import write_report
    from burnish.studies.budget import Budget

    ledger, first = Ledger(root), members[0]
    quiet = observer or (lambda event: None)
    with ledger.alone():
        named = {"members": [m.name for m in members], "method": method, "fingerprint": first.data.fingerprint}
        ledger.open(Recipe(data=first.data.name).to_json() | named)
        about = {
            "command": command + f" --out {root}",
            "task": described(first.data.task),
            "data": first.data.describe(),
        }
        ledger.put_stage("prepare", {"report": about})
        exported = _exported(found, members, root)
        section = _section(found, members, exported) | {"left_out": list(notes)}
        ledger.put_stage("ensemble", {"report": {"ensemble": to_json(section)}})
        ledger.put_stage("export", {"report": {"export": to_json(exported)}})
        work = Work(
            recipe=Recipe(data=first.data.name),
            root=root,
            ledger=ledger,
            data=first.data,
            plan=first.plan,
            asked=Budget(),
            runner=Runner(ledger, None, quiet),
            observer=quiet,
            workers=1,
            threads=1,
            device=device,
        )
        ledger.once("test", lambda: final_test(work))
        taught = _distilled(found, members, root, device) if distill else {}
    write_report(root)
    from burnish.reporting import build_report

    best = members[[m.name for m in members].index(found.judgement.best_member)]
    return Ensembled(
        judgement=found.judgement,
        combination=found.combination,
        model=found.network if found.judgement.accepted else best.network,
        report=build_report(ledger),
        root=root,
        notes=notes,
        distilled=taught,
    )


def _section(found: Found, members: Sequence[Member], exported: Json) -> Json:
    """What the report says of an ensemble."""
    used, _ = found.combination.without_idle()
    costs = [members[i].cost for i in used]
    whole = {"parameters": sum(p.numel() for p in found.network.parameters())}
    if found.judgement.method != "soup" and all("operations" in cost for cost in costs):
        whole["operations"] = sum(cost["operations"] for cost in costs)
    return (
        found.judgement.to_json()
        | {"cost": whole, "ships": found.judgement.accepted}
        | {"latency_ratio": exported["latency_ratio"], "size_ratio": exported["size_ratio"]}
    )


def _exported(found: Found, members: Sequence[Member], root: Path) -> Json:
    """baseline.onnx is the best member; model.onnx the ensemble, where it may ship, else the same; both timed."""
    data, judgement = members[0].data, found.judgement
    names = [member.name for member in members]
    best = members[names.index(judgement.best_member)]
    inputs = probe_inputs(data)
    root.mkdir(parents=True, exist_ok=True)
    tried = root / "ledger" / "models" / "ensemble.onnx"
    tried.parent.mkdir(parents=True, exist_ok=True)
    whole = export_whole(found.network, inputs, tried)
    alone = export_onnx(best.network, inputs, root / "baseline.onnx")
    times = latency({"best": root / "baseline.onnx", "ensemble": tried}, inputs.numpy()[:32])
    shipped, network = (whole, found.network) if judgement.accepted else (alone, best.network)
    (root / "model.onnx").write_bytes(Path(shipped.path).read_bytes())
    save_weights(network, root / "model.safetensors")
    write_package(root, _package(found, members, best))
    key = "ensemble" if judgement.accepted else "best"
    return {
        "path": "model.onnx",
        "format": "onnx",
        "step": f"{judgement.method} of {len(members)}" if judgement.accepted else judgement.best_member,
        "opset": shipped.opset,
        "bytes": shipped.bytes,
        "baseline_bytes": alone.bytes,
        "parameters": sum(p.numel() for p in network.parameters()),
        "max_abs_difference": shipped.max_abs_difference,
        "agreement": shipped.agreement,
        "latency_ms": _table(times[key]),
        "baseline_latency_ms": _table(times["best"]),
        "latency_ratio": ratio(times["best"][1], times["ensemble"][1]),
        "size_ratio": whole.bytes / alone.bytes,
    }


def export_whole(network: nn.Module, inputs: Tensor, path: Path) -> ExportResult:
    """Write the network of an ensemble; that of values has how far its members are apart as a second output."""
    if isinstance(network, EnsembleNetwork) and network.kind == "regression":
        return export_onnx(WithSpread(network), inputs, path, outputs=("output", "spread"))
    return export_onnx(network, inputs, path)


def _table(times: Any) -> Json:
    return {str(batch): {"p50": found.p50, "p99": found.p99} for batch, found in times.items()}


def _package(found: Found, members: Sequence[Member], best: Member) -> ModelPackage:
    data = members[0].data
    if not found.judgement.accepted:
        source, techniques = best.plan.source.to_json(), best.plan.techniques
    else:
        made = [{"source": m.plan.source.to_json(), "techniques": list(m.plan.techniques)} for m in members]
        combination = found.combination.to_json()
        source, techniques = {"kind": "ensemble", "members": made, "combination": combination}, ()
    return ModelPackage(
        task=data.task, preparation=data.preparation, source=source, techniques=techniques, plan_key=best.run.plan_key
    )


def _distilled(found: Found, members: Sequence[Member], root: Path, device: str) -> Json:
    """The best member's plan taught by the ensemble, against the same plan without; written to student.onnx."""
    from burnish.pipeline.students import distill

    data, names = members[0].data, [member.name for member in members]
    best = members[names.index(found.judgement.best_member)]
    plan = best.plan if best.run.split == 0 else replace(best.plan, data=best.data)
    taught = distill(plan, found.network, out=root / "ledger" / "students", device=device)
    index = next(i for i, run in enumerate(taught.students.runs) if run.status == "done")
    network, path = taught.students.model(index), root / "student.onnx"
    exported = export_onnx(network, probe_inputs(data), path)
    save_weights(network, path.with_suffix(".safetensors"))
    package = ModelPackage(
        task=data.task,
        preparation=data.preparation,
        source=plan.source.to_json(),
        techniques=plan.techniques,
        plan_key=plan.key,
    )
    write_package(root, package, name="student.json")
    return taught.to_json() | {"path": str(path), "bytes": exported.bytes, "text": str(taught)}

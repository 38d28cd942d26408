"""What an ensemble would bring, from runs that are there; and, where it was asked for, the ensemble itself."""

from typing import Any

import numpy as np
from torch import nn

from burnish.compression.frontier import parse_requirements
from burnish.ensembling.combination import Combination, as_outputs, as_tables
from burnish.ensembling.diversity import diversity
from burnish.ensembling.network import EnsembleNetwork
from burnish.evaluation.paired import paired_splits
from burnish.exporting.latency import latency, ratio
from burnish.exporting.onnx import export_onnx
from burnish.model.build import probe_inputs
from burnish.pipeline.deployed import example_batch, winner_plan
from burnish.pipeline.ensembles import combined, export_whole
from burnish.pipeline.members import Member
from burnish.pipeline.pruning import trained_network
from burnish.pipeline.running import spec
from burnish.pipeline.work import Work
from burnish.records import CompressionStep, Run, to_json

__all__ = ["ensemble", "shipped_ensemble"]

Json = dict[str, Any]
Array = np.ndarray
FILE = "ensemble.onnx"


def ensemble(work: Work) -> Json:
    """Build the ensemble that `--ensemble` asked for; without it, say what one of finished runs would bring."""
    if work.recipe.ensemble:
        return _built(work)
    found = _offered(work)
    if "gain" in found:
        work.note(f"the mean of {len(found['members'])} recipes against the best of them: gain {found['gain']}")
    return {"runs": [], "report": {"ensemble": to_json(found)}}


def shipped_ensemble(work: Work) -> tuple[Json, nn.Module] | None:
    """What the stage says of the ensemble that ships, and its network; None where one network does."""
    stage = work.stage("ensemble")
    if not stage.get("ships"):
        return None
    combination, plan = Combination.from_json(stage["combination"]), winner_plan(work)
    networks = [trained_network(plan, work.ledger, run_id) for run_id in stage["members"]]
    return stage, EnsembleNetwork(networks, combination).eval()


# -- what it would bring ------------------------------------------------------------------------------


def _offered(work: Work) -> Json:
    """The mean of baseline and candidates on each split they share, against the best of them and what ships."""
    groups = _groups(work)
    if len(groups) < 2 or len(groups[0]) < 2:
        return {"skipped": "it takes recipes that were run on the same splits; none were. --ensemble 5 trains members"}
    data, metric = work.data, work.data.task.primary
    tables = [_tables(work, runs) for runs in groups]
    targets = [data.targets[work.ledger.arrays(runs[0].id)["rows"]] for runs in groups]
    scores = np.array([[run.score for run in runs] for runs in groups])
    means = [
        metric(data.task.decode(as_outputs(table.mean(0), data.task.kind)), wanted)
        for table, wanted in zip(tables, targets, strict=True)
    ]
    sign = 1 if metric.greater_is_better else -1
    best = int((sign * scores.mean(0)).argmax())
    sizes = {"n_train": len(data.train_rows), "n_validation": len(data.validation_rows)}
    gain, _ = paired_splits(scores[:, best].tolist(), means, metric, **sizes)
    found = {
        "method": "average",
        "members": [
            {
                "name": run.detail["name"],
                "techniques": list(run.techniques),
                "score": float(mean),
                "share": 1 / len(runs),
            }
            for runs in groups[:1]
            for run, mean in zip(runs, scores.mean(0), strict=True)
        ],
        "best_member": groups[0][best].detail["name"],
        "best_score": float(scores[:, best].mean()),
        "score": float(np.mean(means)),
        "gain": gain,
        "n": len(groups),
        "accepted": gain.low is not None and gain.low > 0,
        "ships": False,
        "reason": "not asked for: it costs as much as all its members; --ensemble 5 trains and ships one",
        "diversity": _mean_diversity(work, tables, targets),
    }
    return found | _ratios(groups[0], best)


def _groups(work: Work) -> list[list[Run]]:
    """The runs of the candidates stage by split, as far as every recipe finished on it."""
    by_split: dict[int, list[Run]] = {}
    for run in work.runs("candidates"):
        by_split.setdefault(run.split, []).append(run)
    return [runs for runs in by_split.values() if all(run.status == "done" for run in runs)]


def _tables(work: Work, runs: list[Run]) -> Array:
    return as_tables(np.stack([work.ledger.arrays(run.id)["outputs"] for run in runs]), work.data.task.kind)


def _mean_diversity(work: Work, tables: list[Array], targets: list[Array]) -> Json:
    task = work.data.task
    found = [diversity(t, y, task, [1.0] * len(t)) for t, y in zip(tables, targets, strict=True)]
    names = [name for name in found[0] if all(part[name] is not None for part in found)]
    return {name: float(np.mean([part[name] for part in found])) for name in names}


def _ratios(runs: list[Run], best: int) -> Json:
    """Cost of all members together relative to the best one."""
    found = {}
    for name, key in (("size_ratio", "bytes"), ("operations_ratio", "operations")):
        values = [getattr(run.cost, key) if run.cost else None for run in runs]
        one = values[best]
        if one and all(values):
            found[name] = sum(v for v in values if v) / one
    return found


# -- the ensemble itself ------------------------------------------------------------------------------


def _built(work: Work) -> Json:
    """Train the missing members on the split of what ships, choose a combination, and export it."""
    finish, recipe = work.stage("finish"), work.recipe
    specs = [
        spec(
            "ensemble",
            i,
            base={**work.base, "rows": 1.0},
            techniques=finish["techniques"],
            seed=recipe.seed + i,
            keep=True,
            name=f"member {i + 1}",
        )
        for i in range(1, recipe.ensemble)
    ]
    trained = [run for run in work.runner.run(specs) if run.status == "done"]
    members = [_member(work, run) for run in (work.ledger.run(finish["winner"]), *trained)]
    runs = [run.id for run in trained]
    if len(members) < 2:
        return {"runs": runs, "report": {"ensemble": {"skipped": "no further member finished its training"}}}
    found = combined(members, device=work.device)
    used, kept = found.combination.without_idle()
    section = found.judgement.to_json() | _priced(work, found.network, members, used)
    refusal = _refusal(work, section)
    if section["accepted"] and refusal:
        section |= {"accepted": False, "reason": refusal}
    ships = bool(section["accepted"]) and len(used) > 1
    work.note(f"ensemble of {len(used)}: gain {found.judgement.gain}; {section['reason']}")
    return to_json(
        {
            "runs": runs,
            "ships": ships,
            "members": [members[i].run.id for i in used],
            "combination": kept.to_json(),
            "report": {"ensemble": section | {"ships": ships}},
        }
    )


def _member(work: Work, run: Run) -> Member:
    plan = winner_plan(work)
    name = f"member {run.seed - work.recipe.seed + 1}"
    return Member(name=name, network=trained_network(plan, work.ledger, run.id), plan=plan, run=run, data=work.data)


def _priced(work: Work, network: nn.Module, members: list[Member], used: tuple[int, ...]) -> Json:
    """The exported ensemble beside one of its members, in turns."""
    folder = work.ledger.path / "models"
    folder.mkdir(parents=True, exist_ok=True)
    whole = export_whole(network, probe_inputs(work.data), folder / FILE)
    single = export_onnx(members[0].network, probe_inputs(work.data), folder / "member.onnx")
    times = latency({"member": folder / "member.onnx", "ensemble": folder / FILE}, example_batch(work), batches=(1,))
    operations = [members[i].cost.get("operations") for i in used]
    return {
        "path": str((folder / FILE).relative_to(work.root)),
        "export": whole,
        "bytes": whole.bytes,
        "parameters": sum(p.numel() for p in network.parameters()),
        "operations": sum(o for o in operations if o) if all(operations) else None,
        "latency_ms": times["ensemble"][1].p50,
        "latency_ratio": ratio(times["member"][1], times["ensemble"][1]),
        "size_ratio": whole.bytes / single.bytes,
    }


def _refusal(work: Work, section: Json) -> str:
    """Why the ensemble may not ship for all its gain; empty where nothing is in the way."""
    if not work.recipe.require:
        return ""
    step = CompressionStep(
        step="ensemble",
        metric=None,
        score=section["score"],
        latency_ms=section["latency_ms"],
        bytes=section["bytes"],
        accepted=True,
        reason="",
        parameters=section["parameters"],
        operations=section["operations"],
    )
    missed = [r for r in parse_requirements(work.recipe.require) if not r.met(step)]
    return f"it is better, but does not meet --require {work.recipe.require!r}" if missed else ""

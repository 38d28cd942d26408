"""Sizes and latencies of untrained copies: the lightest cut in each form that meets the limits, by bisection."""

import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from burnish.compression.frontier import Requirement
from burnish.compression.prune import prune
from burnish.compression.quantize import quantize
from burnish.compression.search import FORMS, GRID, Shape, Ways, distinct, lightest, nearest_miss
from burnish.errors import BurnishError, NotApplicable
from burnish.evaluation.cost import cost
from burnish.exporting.latency import latency
from burnish.exporting.onnx import export_onnx
from burnish.model.build import probe_inputs
from burnish.pipeline.calibration import calibration_inputs
from burnish.pipeline.deployed import example_batch, winner_plan
from burnish.pipeline.pruning import evidence, trained_network
from burnish.pipeline.work import Work
from burnish.records import from_json, to_json

__all__ = ["distinct_depths", "fitting_shapes"]

Json = dict[str, Any]
SCOPES = ("uniform", "global")
PROBE_SECONDS = 1.0


def fitting_shapes(work: Work, sizes: Sequence[Requirement], ways: Ways) -> tuple[list[Shape], str]:
    """For each form and scope the lightest cut that fits. Stored: measured times differ from sitting to sitting."""
    digest = hashlib.sha256(
        f"{work.stage('finish')['winner']} {sorted(map(str, sizes))}{ways.ratios or ''}".encode()
    ).hexdigest()[:8]
    found = work.ledger.once(f"shapes-{digest}", lambda: _probed(work, sizes, ways.scopes))
    return [from_json(Shape, shape) for shape in found["shapes"]], found["note"]


def distinct_depths(work: Work, depths: Sequence[float], ways: Ways) -> list[float]:
    """Those of `depths` that leave another network than the one before; rounded widths make some alike.

    All of them where none can be cut: the runs say why.
    """
    plan, probe = winner_plan(work), probe_inputs(work.data)
    network = trained_network(plan, work.ledger, work.stage("finish")["winner"])
    options = {"ratios": ways.scopes[0], **evidence(plan, "l2", ways.scopes[0], work.recipe.seed)}
    found: dict[tuple[int | None, int | None], float] = {}
    for ratio in depths:
        try:
            spent = cost(prune(network, probe, ratio, **options).model, probe[:1])
        except NotApplicable:  # nothing to cut yet
            continue
        found.setdefault((spent.parameters, spent.operations), ratio)
    return list(found.values()) or list(depths)


def _probed(work: Work, sizes: Sequence[Requirement], scopes: Sequence[str]) -> Json:
    probe, fitting = _Probe(work), []
    for scope in scopes:
        for form in FORMS:
            index = lightest(lambda i, s=scope, f=form: probe.fits(s, GRID[i], f, sizes), len(GRID))  # type: ignore[misc]
            if index is not None and (index > 0 or scope == scopes[0]):
                fitting.append(probe.shape(scope, GRID[index], form))
    shapes, note = distinct([shape for shape in fitting if shape is not None]), ""
    if not shapes:
        miss = nearest_miss(probe.all, sizes)
        missed = ", ".join(
            f"{r} (it has {getattr(miss, r.quantity):.4g})" for r in sizes if r.excess_of(getattr(miss, r.quantity))
        )
        note = f"no cut of this network is small enough: the nearest, {miss.ratio:.0%} as {miss.form}, misses {missed}"
    work.note(note or f"{len(probe.all)} shapes measured untrained, {len(shapes)} fit")
    return to_json({"shapes": shapes, "measured": probe.all, "note": note})


class _Probe:
    """Sizes of untrained copies, each measured once."""

    def __init__(self, work: Work) -> None:
        self.work = work
        self.network = trained_network(winner_plan(work), work.ledger, work.stage("finish")["winner"])
        self.calibration, self.example = calibration_inputs(work.data), example_batch(work)
        self.known: dict[tuple[str, float], dict[str, Shape]] = {}

    @property
    def all(self) -> list[Shape]:
        """Every shape measured so far."""
        return [shape for pair in self.known.values() for shape in pair.values()]

    def fits(self, scope: str, ratio: float, form: str, sizes: Sequence[Requirement]) -> bool:
        """Whether the network cut so far meets `sizes` as `form`."""
        shape = self.shape(scope, ratio, form)
        return shape is not None and shape.fits(sizes)

    def shape(self, scope: str, ratio: float, form: str) -> Shape | None:
        """The network with the share `ratio` of its channels removed, as `form`; None where that cannot be made."""
        key = (scope if ratio else SCOPES[0], ratio)
        if key not in self.known:
            self.known[key] = self._measured(*key)
        return self.known[key].get(form)

    def _measured(self, scope: str, ratio: float) -> dict[str, Shape]:
        probe = probe_inputs(self.work.data)
        try:
            options = {"ratios": scope, **evidence(winner_plan(self.work), "l2", scope, self.work.recipe.seed)}
            network = prune(self.network, probe, ratio, **options).model if ratio else self.network
        except NotApplicable:  # nothing to cut at this ratio
            return self.known.get((SCOPES[0], 0.0), {}) if ratio else {}
        with tempfile.TemporaryDirectory() as folder:
            files = {"float": Path(folder) / "float.onnx"}
            export_onnx(network, probe, files["float"])
            try:
                small = Path(folder) / "int8.onnx"
                modality = self.work.data.modality  # untrained outputs decide nothing: the fastest form is timed
                quantize(files["float"], small, self.calibration, modality=modality, accept=lambda content: True)
                files["int8"] = small
            except BurnishError:
                pass  # the ladder says why where it matters
            times = latency(files, self.example, batches=(1,), seconds=PROBE_SECONDS)
            spent = cost(network, probe[:1])
            return {
                form: Shape(
                    form=form,
                    scope=scope,
                    ratio=ratio,
                    bytes=path.stat().st_size,
                    latency_ms=times[form][1].p50.high or times[form][1].p50.value,
                    parameters=spent.parameters,
                    operations=spent.operations,
                )
                for form, path in files.items()
            }

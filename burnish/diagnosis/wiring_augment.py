"""P12: augmentation that takes away, or changes, what the answer is told by."""

from typing import Any

import numpy as np
import torch

from burnish.data.tensors import network_tensor
from burnish.diagnosis.batches import device_of, seeded, some_rows
from burnish.diagnosis.rule import Rule
from burnish.diagnosis.subject import Subject
from burnish.evaluation.predict import evaluating
from burnish.evaluation.quality import aligned
from burnish.plan import BatchContext
from burnish.records import Finding

__all__ = ["check"]

Array = np.ndarray
ROWS, LEAST_ROWS, BATCH, LEAST_OF_A_CLASS = 1000, 50, 64, 10
RULE = Rule(
    id="P12",
    title="augmentation changes the answer",
    source="tuning playbook (look at augmented examples); shares heuristic",
    remedies=("look at augmented examples beside their labels", "weaker augmentation", "no flips where sides matter"),
    chance=0.7,
)


def check(subject: Subject) -> Finding:
    """Skill of the trained network on augmented training rows against that on the same rows as they are.

    A network that was trained with an augmentation handles it, unless what it looks at is gone, or is another class's.
    """
    plan, model = subject.plan, subject.model
    if plan is None or not plan.batch:
        return RULE.clear(None, None, "the plan has no batch transforms.")
    if model is None:
        return RULE.cannot_tell("there is no trained network to ask.")
    split = some_rows(subject.data.train, ROWS)
    if len(split) < LEAST_ROWS:
        return RULE.cannot_tell(f"{len(split)} training rows are too few.")
    changed = _augmented(subject, split)
    if changed is None:
        return RULE.cannot_tell("all batch transforms change the targets too, as mixing does.")
    inputs = network_tensor(subject.data.preparation, split.inputs, device_of(model))
    plain, spoiled = (_outputs(subject, part) for part in (inputs, changed))
    before, after = (_skill(subject, outputs, split.targets) for outputs in (plain, spoiled))
    if before <= 0.1:
        return RULE.cannot_tell(f"the network has hardly any skill on its training rows ({before:.2f}) to lose.")
    gone, worst, moved, into = (before - after) / before, *_moved(subject, plain, spoiled, split.targets)
    return _judged(subject, gone, before, after, worst, moved, into)


def _judged(subject: Subject, gone: float, before: float, after: float, worst: str, moved: float, into: str) -> Finding:
    limits = subject.thresholds
    said = f"skill on training rows {before:.2f} as they are, {after:.2f} augmented ({gone:.0%} gone)"
    figure = {"kind": "bars", "labels": ["as they are", "augmented"], "values": [before, after]}
    if moved > limits.class_changed:
        lost = (subject.left * moved, "of the error, as many of a class look like another")
        said += f"; {moved:.0%} of {worst!r} are taken for {into!r} only when augmented"
        return RULE.fires(moved, limits.class_changed, said + ".", lost=lost, figure=figure)
    if gone > limits.skill_gone:
        lost = (subject.left * min(gone, 1.0), "of the error, as far as examples are spoiled")
        return RULE.fires(gone, limits.skill_gone, said + ".", lost=lost, figure=figure)
    return RULE.clear(gone, limits.skill_gone, said + ".", figure=figure, moved=moved)


def _augmented(subject: Subject, split: Any) -> torch.Tensor | None:
    """The rows through every batch transform that leaves their targets alone, batch by batch as in training."""
    plan, data = subject.plan, subject.data
    assert plan is not None
    assert subject.model is not None
    generator = torch.Generator().manual_seed(0)
    context = BatchContext(
        generator=generator, outputs=data.task.outputs, kind=data.task.kind, modality=data.modality, progress=0.5
    )
    targets = torch.from_numpy(data.task.encode(split.targets))
    inputs = network_tensor(data.preparation, split.inputs)
    parts, used = [], 0
    with seeded():
        for x, y in zip(inputs.split(BATCH), targets.split(BATCH), strict=True):
            for transform in plan.batch:
                changed, labels = transform(x.clone(), y.clone(), context)
                if labels.shape == y.shape and torch.equal(labels, y):
                    x, used = changed, used + 1
            parts.append(x)
    return torch.cat(parts).to(device_of(subject.model)) if used else None


def _outputs(subject: Subject, inputs: torch.Tensor) -> Array:
    model = subject.model
    assert model is not None
    with evaluating(model), torch.no_grad():
        outputs = torch.cat([model(part) for part in inputs.split(512)])
    return outputs.float().cpu().numpy()


def _skill(subject: Subject, outputs: Array, targets: Array) -> float:
    """1 for perfect answers, 0 for always giving the most frequent class, or the mean."""
    predictions, wanted = aligned(subject.data.task.decode(outputs), targets)
    if subject.is_classification:
        often = np.bincount(wanted).max() / len(wanted)
        return float((((predictions.argmax(1) == wanted).mean()) - often) / max(1 - often, 1e-9))
    table, values = predictions.reshape(len(wanted), -1), np.asarray(wanted).reshape(len(wanted), -1)
    return float(1 - np.square(table - values).mean() / max(np.square(values - values.mean(0)).mean(), 1e-12))


def _moved(subject: Subject, plain: Array, spoiled: Array, targets: Array) -> tuple[str, float, str]:
    """The class most of which is taken for one other class only when augmented, that share, and the other class.

    A network that sees nothing gives one answer to all classes; so what the others typically send there is taken off.
    """
    if not subject.is_classification:
        return "", 0.0, ""
    names, present = subject.data.task.names, np.unique(targets)
    moves = np.zeros((len(names), len(names)))
    for c in present:
        mine = targets == c
        then, now = (np.bincount(o[mine].argmax(1), minlength=len(names)) / mine.sum() for o in (plain, spoiled))
        moves[c] = now - then if mine.sum() >= LEAST_OF_A_CLASS else 0.0
    best = ("", 0.0, "")
    for c in present:
        for k in present[present != c]:
            others = moves[[o for o in present if o not in (c, k)], k]
            rise = moves[c, k] - max(float(np.median(others)), 0.0) if len(others) else 0.0
            if rise > best[1]:
                best = (str(names[c]), float(rise), str(names[k]))
    return best

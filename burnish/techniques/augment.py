"""Training on examples changed in ways that do not change their meaning.

What a network should not care about (where an object stands, which synonym was missed, a little noise) it has to
see vary. The changes are made on whole batches on the device and cost far less than the network's own pass.
Whether mirrored or rotated images mean the same is asked of the data: a mirrored digit is another sign, a mirrored
cat is a cat.

Helps: few examples, and changes that leave the meaning as it is; the training score is far above the validation score.
Does not: the network does not fit its training rows yet, or a transform changes the label, as mirrored digits do.
Costs: more epochs until it has converged; nothing in serving.

Sources: images, Krizhevsky et al. 2012 and DeVries and Taylor 2017, arXiv:1708.04552; TrivialAugment, Müller and
Hutter 2021, arXiv:2103.10158; AugMix, Hendrycks et al. 2020, arXiv:1912.02781; text, Wei and Zou 2019,
arXiv:1901.11196; tables, Bahri et al. 2022, arXiv:2106.15147; series, Um et al. 2017, arXiv:1706.00527.
"""

from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from burnish.data.data import Data
from burnish.errors import NotApplicable
from burnish.plan import BatchContext, Plan
from burnish.techniques._augment_image import (
    IMAGE,
    NAMED_IMAGE,
    ImageStrength,
    augment_images,
    draw_images,
)
from burnish.techniques._augment_series import NAMED_SERIES, SERIES, augment_series, draw_series
from burnish.techniques._augment_table import NAMED_TABLE, TABLE, gaussian_noise, swap_noise
from burnish.techniques._augment_text import NAMED_TEXT, TEXT, augment_tokens
from burnish.techniques._image_colour import from_unit, to_unit
from burnish.techniques._image_policies import augmix, trivial
from burnish.techniques._meaning import Kept, kept
from burnish.techniques._policy import parsed, strength_of

__all__ = ["Augment", "augment", "kept_meaning"]

STRENGTHS = ("none", "standard", "strong")
POLICIES = ("trivial", "augmix")
DIMENSIONS = {"image": 4, "text": 2, "table": 2, "series": 3}
PRESETS: dict[str, dict[str, Any]] = {"image": IMAGE, "text": TEXT, "table": TABLE, "series": SERIES}
NAMED: dict[str, Any] = {"image": NAMED_IMAGE, "text": NAMED_TEXT, "table": NAMED_TABLE, "series": NAMED_SERIES}
KNOWN = {f.name for usual in NAMED.values() for f in fields(usual)}
# Rotations that are asked about, in degrees, by policy or strength; the largest one that keeps the meaning is used.
DEGREES = {"standard": (10.0,), "strong": (20.0, 10.0), "trivial": (135.0, 30.0, 10.0), "augmix": (30.0, 10.0)}
RANGE_ROWS = 2000


def augment(
    inputs: Tensor,
    targets: Tensor,
    context: BatchContext,
    *,
    strength: str = "standard",
    policy: str = "",
    flip: bool = False,
    degrees: float | None = None,
    limits: tuple[tuple[float, float], ...] = (),
    groups: tuple[tuple[int, ...], ...] = (),
    numbers: tuple[tuple[int, float], ...] = (),
) -> tuple[Tensor, Tensor]:
    """Change the inputs of a batch; type, shape and targets stay.

    Args:
        inputs: Images `(batch, channels, height, width)`, tokens `(batch, length)`, rows `(batch, features)` or
            series `(batch, channels, length)`, as the network sees them.
        targets: Handed through.
        context: Kind of the inputs and source of randomness.
        strength: `standard` or `strong`.
        policy: In its place `trivial`, `augmix`, or changes by name such as `rotate=20, erase`.
        flip: Mirror half of the images left to right.
        degrees: Largest rotation of images; the strength's or policy's own by default.
        limits: For images the values of black and white for each channel; the batch's own extremes by default.
        groups: Features that belong to one column, for tables.
        numbers: Features that are numbers, with their deviations, for tables; all features by default.
    """
    generator = context.generator
    if context.modality == "image":
        return _images(inputs, generator, strength, policy, flip, degrees, limits), targets
    ranges = strength_of(policy, NAMED[context.modality]) if policy else PRESETS[context.modality][strength]
    if context.modality == "text":
        return augment_tokens(inputs, ranges, generator), targets
    if context.modality == "series":
        size, channels, length = inputs.shape
        return augment_series(inputs, draw_series((size, channels, length), ranges, generator)), targets
    if ranges.swap:
        inputs = swap_noise(inputs, groups, ranges.swap, generator)
    if ranges.noise:
        numbers = numbers or tuple(enumerate(inputs.std(0, unbiased=False).tolist()))
        inputs = gaussian_noise(inputs, numbers, ranges.noise, generator)
    return inputs, targets


def _images(
    inputs: Tensor,
    generator: torch.Generator,
    strength: str,
    policy: str,
    flip: bool,
    degrees: float | None,
    limits: tuple[tuple[float, float], ...],
) -> Tensor:
    low, high = torch.tensor(limits).T if limits else (inputs.amin((0, 2, 3)), inputs.amax((0, 2, 3)))
    if policy in POLICIES:
        changes = trivial if policy == "trivial" else augmix
        unit = to_unit(inputs, low, high)
        unit = changes(unit, generator) if degrees is None else changes(unit, generator, degrees=degrees)
        inputs, ranges = from_unit(unit, low, high), ImageStrength()
    else:
        ranges = strength_of(policy, NAMED_IMAGE) if policy else IMAGE.get(strength, ImageStrength())
        ranges = ranges if degrees is None else replace(ranges, rotate=degrees)
    ranges = replace(ranges, flip=0.5) if flip and not ranges.flip else ranges
    return augment_images(inputs, draw_images(tuple(inputs.shape), ranges, generator), low, high)


def kept_meaning(data: Data, *, strength: str = "standard", policy: str = "") -> tuple[Kept, ...]:
    """What images of `data` say about being mirrored and rotated as far as `strength` or `policy` would.

    Each answer prints itself. There is none for other inputs, and none about what `policy` names by itself.
    """
    if data.modality != "image" or strength == "none" or (policy and policy not in POLICIES):
        return ()
    answers = [kept(data)]
    for degrees in DEGREES[policy or strength]:
        answers.append(kept(data, degrees))
        if answers[-1].same:
            break
    return tuple(answers)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Augment:
    """Training examples changed in ways that keep their meaning. Changes: `plan.batch`.

    Attributes:
        strength: `none`, `standard` or `strong`.
        policy: In place of a strength, `trivial` (TrivialAugment), `augmix`, or changes by name, with numbers or
            without: `'flip, rotate=20, erase'`. Images: flip, crop, rotate, scale, translate, brightness, contrast,
            saturation (colour for these three), blur, noise, erase; text: drop, swap, span; tables: swap, noise;
            series: jitter, scale, shift, crop, time_warp, magnitude_warp.
        flip: Mirror half of the images. None asks the data whether mirrored ones mean the same.
        ask: Leave out rotations that the data say change the meaning; those that `policy` names are done as named.
    """

    strength: str = "standard"
    policy: str = ""
    flip: bool | None = None
    ask: bool = True

    kind: ClassVar[str] = "factor"
    levels: ClassVar[tuple[dict[str, Any], ...]] = (
        {"strength": "standard"},
        {"strength": "strong"},
        {"policy": "trivial"},
        {"policy": "augmix"},
    )
    conflicts: ClassVar[tuple[str, ...]] = ()
    source: ClassVar[str] = (
        "Krizhevsky et al. 2012; DeVries and Taylor 2017, arXiv:1708.04552; Müller and Hutter 2021, arXiv:2103.10158; "
        "Hendrycks et al. 2020, arXiv:1912.02781; Wei and Zou 2019, arXiv:1901.11196; Bahri et al. 2022, "
        "arXiv:2106.15147; Um et al. 2017, arXiv:1706.00527"
    )
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.strength not in STRENGTHS:
            raise ValueError(f"unknown strength {self.strength!r}; one of {', '.join(STRENGTHS)}")
        if not (self.flip is None or isinstance(self.flip, bool)):
            raise ValueError(f"flip is True, False or None (ask the data), got {self.flip!r}")
        if self.policy and self.policy not in POLICIES:
            unknown = [name for name in parsed(self.policy) if name not in KNOWN]
            if unknown:
                raise ValueError(
                    f"unknown change {unknown[0]!r} in policy {self.policy!r}; a policy is {', '.join(POLICIES)}, or "
                    f"of {', '.join(sorted(KNOWN))}"
                )

    def __call__(self, plan: Plan) -> Plan:
        data = plan.data
        modality, preparation = data.modality, data.preparation
        self._check(modality)
        if len(preparation.input_shape) != DIMENSIONS[modality] - 1:
            raise NotApplicable(f"{modality} inputs of shape {preparation.input_shape} are not ones Augment can change")
        if self.strength == "none" and not self.policy and not self.flip:
            return plan
        known = {"image": self._about_images, "table": _about_tables}.get(modality, lambda data: {})(data)
        return plan.edit_batch(partial(augment, strength=self.strength, policy=self.policy, **known))

    def _check(self, modality: str) -> None:
        """See that there is something to do for inputs of this kind."""
        if modality not in self.modalities:
            raise NotApplicable(f"no augmentation for {modality} inputs; there is one for {', '.join(self.modalities)}")
        if modality == "image":
            wrong = [] if self.policy in POLICIES else [n for n in self._named() if not hasattr(NAMED_IMAGE, n)]
        elif self.flip or self.policy in POLICIES:
            raise NotApplicable(f"{self.policy or 'flip'} is for images; the inputs are {modality}")
        else:
            wrong = [name for name in self._named() if not hasattr(NAMED[modality], name)]
        if wrong:
            there = ", ".join(f.name for f in fields(NAMED[modality]))
            raise NotApplicable(f"there is no {wrong[0]} for {modality} inputs; there is {there}")

    def _named(self) -> list[str]:
        return list(parsed(self.policy)) if self.policy else []

    def _about_images(self, data: Data) -> dict[str, Any]:
        """How far images may be turned and whether they may be mirrored, and their range."""
        flip, degrees = bool(self.flip), None
        if self.policy in POLICIES or (not self.policy and self.strength != "none"):
            flip = kept(data).same if self.flip is None else flip
            degrees = _degrees(data, DEGREES[self.policy or self.strength]) if self.ask else None
        return {"flip": flip, "degrees": degrees, "limits": _limits(data)}

    def __repr__(self) -> str:
        shown = [f for f in fields(self) if getattr(self, f.name) != f.default]
        shown = shown if self.policy else [f for f in fields(self) if f.name == "strength" or f in shown]
        return f"Augment({', '.join(f'{f.name}={getattr(self, f.name)!r}' for f in shown)})"


def _degrees(data: Data, candidates: tuple[float, ...]) -> float:
    """The largest rotation that keeps the meaning; where the data cannot tell, the smallest that is asked about."""
    for degrees in candidates:
        answer = kept(data, degrees)
        if answer.same or not answer.known:
            return degrees if answer.known else candidates[-1]
    return 0.0


def _limits(data: Data) -> tuple[tuple[float, float], ...]:
    """The values that stand for black and white in each channel, as the network sees them.

    They are the extremes of the stored images, all channels together: 0 and 255 for photographs.
    """
    stored, channels = data.train.inputs_of(RANGE_ROWS), data.input_shape[0]
    low, high = float(stored.min()), float(stored.max())
    high = high if high > low else low + 1.0
    mean, std = data.preparation.mean or (0.0,) * channels, data.preparation.std or (1.0,) * channels
    return tuple(((low - m) / s, (high - m) / s) for m, s in zip(mean, std, strict=True))


def _about_tables(data: Data) -> dict[str, Any]:
    """Which features belong together, and which are numbers that vary, with their deviations."""
    preparation = data.preparation
    groups = preparation.feature_groups
    places = [g[0] for c, g in zip(preparation.columns, groups, strict=True) if c.kind == "number"]
    places = places if preparation.columns else list(range(data.input_shape[0]))
    spread = preparation.network_input(data.train.inputs_of(RANGE_ROWS)).std(0)
    numbers = tuple((place, float(spread[place])) for place in places)
    return {"groups": groups, "numbers": numbers}

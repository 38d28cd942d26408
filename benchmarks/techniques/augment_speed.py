"""Augmentation of a whole batch against torchvision's v2 transforms, on the same batch, machine and thread.

python benchmarks/techniques/augment_speed.py [--batch 256] [--side 32] [--repeats 30] [--out FILE] [--markdown]

Three ways, in turns: ours, where every image draws its own changes; v2 called once with the batch, where all images get
the same change; v2 called for each image, as a data loader does it, and stacked. Times are of one thread's processor,
means without the slowest tenth, in milliseconds a batch, draws included. Needs torchvision, see
`benchmarks/coverage/torchvision_on_cpu.py`.
"""

import argparse
import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from burnish.plan import BatchContext
from burnish.techniques import _image_colour as colour
from burnish.techniques import _image_geometry as geometry
from burnish.techniques._augment_image import IMAGE, ImageStrength, augment_images, draw_images
from burnish.techniques._image_policies import augmix, trivial
from burnish.techniques.cutmix import cutmix
from burnish.techniques.mixup import mixup

HERE = Path(__file__).parent
CLASSES = 10
Way = Callable[[Tensor], object]


def transforms():
    """torchvision's v2 transforms, also where torchvision was built for another torch."""
    sys.path.insert(0, str(HERE.parent / "coverage"))
    importlib.import_module("torchvision_on_cpu")
    return importlib.import_module("torchvision.transforms.v2")


class Ours:
    """Our operations with their draws, each for all images."""

    def __init__(self) -> None:
        self.generator = torch.Generator().manual_seed(0)

    def even(self, images: Tensor, limit: float, middle: float = 0.0) -> Tensor:
        return middle + (torch.rand(len(images), generator=self.generator) * 2 - 1) * limit

    def policy(self, strength: ImageStrength) -> Way:
        def augmented(images: Tensor) -> Tensor:
            channels = images.shape[1]
            draws = draw_images(tuple(images.shape), strength, self.generator)
            return augment_images(images, draws, torch.zeros(channels), torch.ones(channels))

        return augmented

    def affine(self, degrees: float, scale: float = 0.0, shift: float = 0.0) -> Way:
        def turned(images: Tensor) -> Tensor:
            none = torch.zeros(len(images))
            angle, zoom = self.even(images, degrees * torch.pi / 180), self.even(images, scale, 1.0)
            dx, dy = (self.even(images, shift * side).round() for side in (images.shape[3], images.shape[2]))
            return geometry.transformed(images, angle, zoom, dx, dy, none, none)

        return turned

    def colour(self, images: Tensor) -> Tensor:
        for function in (colour.brightened, colour.contrasted, colour.saturated):
            images = function(images, self.even(images, 0.3, 1.0))
        return images

    def mixing(self, function) -> Way:
        context = BatchContext(generator=self.generator, outputs=CLASSES, kind="classification", modality="image")
        return lambda images: function(images, torch.arange(len(images)) % CLASSES, context, alpha=1.0)


def ways(side: int) -> dict[str, tuple[Way, object]]:
    """For each transform ours and torchvision's."""
    v2, ours = transforms(), Ours()
    smooth = {"interpolation": v2.InterpolationMode.BILINEAR}
    turn = v2.RandomRotation(10, **smooth)
    shift = v2.RandomAffine(0, translate=(0.12, 0.12))
    jitter = v2.ColorJitter(0.3, 0.3, 0.3)
    standard = [v2.RandomHorizontalFlip(), v2.RandomApply([turn], 0.5), shift]
    strong = [
        v2.RandomHorizontalFlip(),
        v2.RandomApply([v2.RandomAffine(20, scale=(0.85, 1.15), **smooth)], 0.5),
        v2.RandomAffine(0, translate=(0.18, 0.18)),
        jitter,
        v2.RandomErasing(1.0, scale=(0.16, 0.16), ratio=(1, 1)),
    ]
    flipped = {"flip": 0.5}
    return {
        "flip": (ours.policy(ImageStrength(flip=0.5)), v2.RandomHorizontalFlip()),
        "crop with padding": (
            ours.policy(ImageStrength(crop=0.125)),
            v2.RandomCrop(side, padding=side // 8, padding_mode="reflect"),
        ),
        "translate": (ours.policy(ImageStrength(translate=0.12)), shift),
        "rotate": (ours.affine(10), turn),
        "rotate, scale, translate": (
            ours.affine(10, 0.15, 0.12),
            v2.RandomAffine(10, translate=(0.12, 0.12), scale=(0.85, 1.15), **smooth),
        ),
        "brightness": (ours.policy(ImageStrength(brightness=0.3)), v2.ColorJitter(0.3)),
        "colour": (ours.colour, jitter),
        "blur": (ours.policy(ImageStrength(blur=1.0)), v2.GaussianBlur(7, (0.1, 1.0))),
        "noise": (ours.policy(ImageStrength(noise=0.05)), v2.GaussianNoise(sigma=0.05)),
        "erase": (ours.policy(ImageStrength(erase=0.4)), v2.RandomErasing(1.0, scale=(0.16, 0.16), ratio=(1, 1))),
        "TrivialAugment": (lambda x: trivial(x, ours.generator), v2.TrivialAugmentWide()),
        "AugMix": (lambda x: augmix(x, ours.generator), v2.AugMix()),
        "mixup": (ours.mixing(mixup), v2.MixUp(num_classes=CLASSES)),
        "CutMix": (ours.mixing(cutmix), v2.CutMix(num_classes=CLASSES)),
        "standard, with flip": (
            ours.policy(ImageStrength(translate=0.12, rotate=10.0, **flipped)),
            v2.Compose(standard),
        ),
        "strong, with flip": (ours.policy(_with(IMAGE["strong"], **flipped)), v2.Compose(strong)),
    }


def _with(strength: ImageStrength, **more: float) -> ImageStrength:
    from dataclasses import replace

    return replace(strength, **more)


def measured(images: Tensor, repeats: int, only: tuple[str, ...] = ()) -> dict[str, dict[str, float]]:
    """Milliseconds a batch for each transform and way."""
    found, labels = {}, torch.arange(len(images)) % CLASSES
    for name, (ours, theirs) in ways(images.shape[2]).items():
        if only and name not in only:
            continue
        mixes = name in ("mixup", "CutMix")
        tried: dict[str, Way] = {"ours": ours, "v2, batch": (lambda x, t=theirs: t(x, labels)) if mixes else theirs}
        if not mixes:
            tried["v2, each image"] = lambda x, t=theirs: torch.stack([t(image) for image in x])
        found[name] = {way: round(value, 4) for way, value in _timed(tried, images, repeats).items()}
        print(_line(name, found[name]), flush=True)
    return found


def _timed(tried: dict[str, Way], images: Tensor, repeats: int) -> dict[str, float]:
    times: dict[str, list[float]] = {way: [] for way in tried}
    for repeat in range(repeats + 2):
        for way, function in tried.items():
            if way == "v2, each image" and repeat % 5 and repeat > 1:
                continue  # a fifth of the repeats: it is the slow one
            start = time.process_time()
            function(images)
            if repeat > 1:
                times[way].append(1e3 * (time.process_time() - start))
    kept = {way: sorted(values)[: max(len(values) - len(values) // 10, 1)] for way, values in times.items()}
    return {way: sum(values) / len(values) for way, values in kept.items()}


def _line(name: str, row: dict[str, float]) -> str:
    """One row of the table."""
    cells = [f"{row['ours']:.2f}"]
    for way in ("v2, batch", "v2, each image"):
        cells.append(f"{row[way]:.2f} | ×{row[way] / row['ours']:.1f}" if way in row else "– | –")
    return f"| {name} | {' | '.join(cells)} |"


def table(results: dict) -> str:
    """The results as Markdown."""
    parts = []
    for shape, rows in results.items():
        head = f"| {shape} | ours, ms | v2 on the batch, ms | ours is faster | v2 on each image, ms | ours is faster |"
        parts += [head, "|---|---|---|---|---|---|", *(_line(name, row) for name, row in rows.items()), ""]
    return "\n".join(parts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--side", type=int, default=32)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--only", default="", help="transforms, separated by commas")
    parser.add_argument("--out", type=Path, default=HERE / "augment_speed.json")
    parser.add_argument("--markdown", action="store_true", help="print the table of the results there are")
    asked = parser.parse_args()
    results = json.loads(asked.out.read_text(encoding="utf-8")) if asked.out.exists() else {}
    if asked.markdown:
        print(table(results))
        return
    torch.set_num_threads(1)
    images = torch.rand(asked.batch, 3, asked.side, asked.side, generator=torch.Generator().manual_seed(0))
    only = tuple(name.strip() for name in asked.only.split(",") if name.strip())
    found = measured(images, asked.repeats, only)
    if not only:
        results[f"{asked.batch} × 3 × {asked.side} × {asked.side}, float32"] = found
        asked.out.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

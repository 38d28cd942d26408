"""CutMix against the definition, box by box, and what becomes of it together with mixup."""

import numpy as np
import pytest
import torch

from burnish.data import load
from burnish.errors import Conflict, NotApplicable
from burnish.plan import BatchContext, Plan
from burnish.techniques import Augment, CutMix, Mixup
from burnish.techniques._mixing import Mixing
from burnish.techniques.cutmix import cutmix
from burnish.techniques.mixup import mixup


def context(kind="classification", seed=0, outputs=3):
    generator = torch.Generator().manual_seed(seed)
    return BatchContext(generator=generator, outputs=outputs, kind=kind, modality="image")


def reference(x, seed, alpha):
    """The same draws, one image at a time: images and the share that is kept."""
    generator = torch.Generator().manual_seed(seed)
    size, places = len(x), x.shape[2:]
    partner = torch.randperm(size, generator=generator)
    key = int(torch.randint(2**62, (), generator=generator))
    share = np.random.default_rng(key).beta(alpha, alpha, size).astype(np.float32)
    centre = torch.rand(len(places), size, generator=generator).numpy()
    out, kept = x.clone(), []
    for i in range(size):
        box = []
        for axis, length in enumerate(places):
            half = int(np.floor(np.float32(1 - share[i]) ** np.float32(1 / len(places)) * length)) // 2
            middle = int(centre[axis, i] * length)
            box.append(slice(max(middle - half, 0), min(middle + half, length)))
        out[(i, slice(None), *box)] = x[(int(partner[i]), slice(None), *box)]
        area = np.prod([b.stop - b.start for b in box])
        kept.append(1 - area / np.prod(places))
    return out, torch.tensor(kept, dtype=torch.float32), partner


@pytest.mark.parametrize("shape", [(16, 3, 9, 7), (16, 2, 30)], ids=["images", "series"])
def test_every_example_gets_a_box_of_another_and_its_share_of_the_target(shape):
    x, y = torch.randn(shape, generator=torch.Generator().manual_seed(1)), torch.arange(16) % 3
    mixed, rows = cutmix(x, y, context(seed=5), alpha=1.0)
    expected, kept, partner = reference(x, 5, 1.0)
    assert torch.equal(mixed, expected)
    one_hot = torch.eye(3)[y]
    torch.testing.assert_close(rows, kept[:, None] * one_hot + (1 - kept[:, None]) * one_hot[partner])
    assert (kept < 1).sum() > 8


def test_values_are_mixed_by_area_and_the_seed_decides():
    x = torch.randn(12, 1, 8, 8, generator=torch.Generator().manual_seed(1))
    y = torch.arange(12.0)[:, None]
    before = x.clone()
    first, again = (cutmix(x, y, context("regression", seed=3, outputs=1)) for _ in range(2))
    assert torch.equal(first[0], again[0])
    assert torch.equal(first[1], again[1])
    _, kept, partner = reference(x, 3, 1.0)
    torch.testing.assert_close(first[1][:, 0], kept * y[:, 0] + (1 - kept) * y[partner, 0])
    assert torch.equal(x, before)


@pytest.fixture(scope="module")
def plan():
    return Plan(model="cnn", data=load("digits"), epochs=1)


def test_with_mixup_each_batch_draws_one_of_the_two_in_whatever_order_they_came(plan):
    both = [plan.then(CutMix(), Mixup(alpha=0.4)), plan.then(Mixup(alpha=0.4), CutMix())]
    assert both[0].batch == both[1].batch == (Mixing(blended=0.4, pasted=1.0),)
    x, y = torch.randn(8, 1, 8, 8, generator=torch.Generator().manual_seed(0)), torch.arange(8) % 3
    kinds = set()
    for seed in range(8):
        found = both[0].batch[0](x, y, context(seed=seed))
        for name, alone, alpha in (("blend", mixup, 0.4), ("paste", cutmix, 1.0)):
            there = context(seed=seed)
            torch.rand((), generator=there.generator)  # the draw that decides
            if torch.equal(found[0], alone(x, y, there, alpha=alpha)[0]):
                kinds.add(name)
    assert kinds == {"blend", "paste"}


def test_mixing_comes_after_what_changes_single_examples(plan):
    orders = [plan.then(CutMix(), Augment(flip=False)), plan.then(Augment(flip=False), CutMix())]
    assert [type(order.batch[-1]) for order in orders] == [Mixing, Mixing]


def test_tables_and_texts_have_no_places_and_a_second_one_is_a_conflict(plan):
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    table = Plan(model="mlp", data=load((rows, np.arange(60) % 3), task="classification", modality="table"))
    with pytest.raises(NotApplicable, match="table inputs have no places"):
        table.then(CutMix())
    for technique, slot in ((CutMix(), Mixing(pasted=0.5)), (Mixup(), Mixing(blended=0.5))):
        with pytest.raises(Conflict, match="already"):
            Plan(model="cnn", data=plan.data, batch=(slot,)).then(technique)

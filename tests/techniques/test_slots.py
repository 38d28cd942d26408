"""Which slot of a plan each technique fills, and when it says that it does not apply."""

from functools import partial

import numpy as np
import pytest
import torch

from burnish.data import load
from burnish.errors import Conflict, NotApplicable
from burnish.losses import Loss
from burnish.plan import Averaging, BatchContext, Optimizer, Plan, Stopping
from burnish.plan import Schedule as ScheduleSlot
from burnish.techniques import (
    EMA,
    SAM,
    Augment,
    EarlyStopping,
    GradientClip,
    LabelSmoothing,
    Mixup,
    Schedule,
    WeightDecay,
)
from burnish.techniques._mixing import Mixing
from burnish.techniques.augment import augment


@pytest.fixture(scope="module")
def digits():
    return Plan(model="cnn", data=load("digits"), epochs=2)


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(0)
    inputs = generator.normal(size=(60, 5)).astype(np.float32)
    targets = (inputs @ np.arange(5.0)).astype(np.float32)
    return Plan(model="mlp", data=load((inputs, targets), task="regression", modality="table"), epochs=2)


def test_once_only_slots_hold_what_was_asked(digits):
    plan = digits.then(
        EMA(decay=0.9), EarlyStopping(patience=3, min_delta=0.01), GradientClip(value=2), Schedule(warmup=0.1)
    )
    assert plan.average == Averaging(decay=0.9)
    assert plan.stopping == Stopping(patience=3, min_delta=0.01)
    assert plan.clip == 2.0
    assert plan.schedule == ScheduleSlot(kind="cosine", warmup=0.1)
    assert plan.readouts == (EMA(decay=0.9), EarlyStopping(patience=3, min_delta=0.01))


@pytest.mark.parametrize(
    ("slots", "technique"),
    [
        ({"average": Averaging()}, EMA()),
        ({"stopping": Stopping()}, EarlyStopping()),
        ({"clip": 1.0}, GradientClip()),
        ({"schedule": ScheduleSlot()}, Schedule()),
        ({"loss": Loss(smoothing=0.1)}, LabelSmoothing()),
    ],
)
def test_a_slot_that_is_taken_is_a_conflict(digits, slots, technique):
    taken = Plan(model="cnn", data=digits.data, **slots)
    with pytest.raises(Conflict, match="already"):
        taken.then(technique)


def test_smoothing_wraps_the_loss_and_keeps_the_rest_of_it(digits):
    plan = Plan(model="cnn", data=digits.data, loss=Loss(name="focal", gamma=1.0)).then(LabelSmoothing(alpha=0.2))
    assert plan.loss == Loss(name="focal", gamma=1.0, smoothing=0.2)


def test_decay_and_sam_change_the_optimizer_together(digits):
    plan = digits.then(SAM(rho=0.1), WeightDecay(value=0.2))
    assert plan.optimizer.weight_decay == 0.2
    assert [w.keywords for w in plan.optimizer.wrappers] == [{"rho": 0.1}]
    assert plan.recipe() == digits.then(SAM(rho=0.1), WeightDecay(value=0.2)).recipe()


def test_a_decoupled_decay_is_refused_where_it_would_be_a_penalty(digits):
    sgd = Plan(model="cnn", data=digits.data, optimizer=Optimizer(name="sgd", lr=0.1))
    with pytest.raises(NotApplicable, match=r"value=0\.0005"):
        sgd.then(WeightDecay())
    assert sgd.then(WeightDecay(value=0.0005)).optimizer.weight_decay == 0.0005


def test_batch_transforms_append_in_order(digits):
    plan = digits.then(Augment(strength="strong"), Mixup(alpha=1.0))
    assert plan.batch[0].func is augment
    assert plan.batch[0].keywords.keys() == {"strength", "policy", "flip", "degrees", "limits"}
    assert plan.batch[1] == Mixing(blended=1.0)


def test_regression_mixes_and_augments_but_does_not_smooth(table):
    with pytest.raises(NotApplicable, match="needs classes"):
        table.then(LabelSmoothing())
    with pytest.raises(NotApplicable, match="flip"):
        table.then(Augment(flip=True))
    assert len(table.then(Augment(), Mixup()).batch) == 2


def test_texts_are_mixed_in_their_embedding():
    texts = np.random.default_rng(0).integers(2, 20, size=(60, 7)).astype(np.int32)
    data = load((texts, np.arange(60) % 2), modality="text")
    plan = Plan(model="textcnn", data=data)
    assert len(plan.then(Augment(), Mixup()).edits) == 1
    assert len(plan.then(Augment(), Mixup()).batch) == 2


def test_a_loss_that_needs_indices_gets_no_soft_targets(digits):
    plan = Plan(model="cnn", data=digits.data, loss=Loss(name="nll", function=torch.nn.NLLLoss()))
    for technique in (LabelSmoothing(), Mixup()):
        with pytest.raises(NotApplicable, match="does not take"):
            plan.then(technique)


@pytest.mark.parametrize(
    ("modality", "shape"), [("image", (4, 3, 8, 8)), ("text", (4, 9)), ("table", (4, 6)), ("series", (4, 2, 16))]
)
def test_augment_serves_every_modality_with_the_same_seed_the_same_way(modality, shape):
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    x = (x.abs() * 10 + 2).long() if modality == "text" else x
    y = torch.arange(4)

    def once(seed):
        generator = torch.Generator().manual_seed(seed)
        context = BatchContext(generator=generator, outputs=4, kind="classification", modality=modality)
        return partial(augment, strength="strong")(x, y, context)

    first, again, other = once(1), once(1), once(2)
    assert torch.equal(first[0], again[0])
    assert first[1] is y
    assert (first[0].shape, first[0].dtype) == (x.shape, x.dtype)
    assert not torch.equal(first[0], other[0])
    assert not torch.equal(first[0], x)

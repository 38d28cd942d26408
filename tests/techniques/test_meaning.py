"""Whether a mirrored or turned image still means the same: what the data answer, and what is made of it."""

import numpy as np
import pytest

from burnish.data import load
from burnish.errors import NotApplicable, UsageError
from burnish.plan import Plan
from burnish.techniques import Augment, parse
from burnish.techniques._meaning import kept
from burnish.techniques.augment import kept_meaning


@pytest.fixture(scope="module")
def digits():
    return Plan(model="cnn", data=load("digits"), epochs=1)


def pictures(draw, size=300):
    """Grey images of two classes, from `draw(class, generator)`."""
    generator, classes = np.random.default_rng(0), np.arange(size) % 2
    images = np.stack([draw(c, generator) for c in classes]).clip(0, 255).astype(np.uint8)
    return load((images[..., None], classes), modality="image", task="classification", seed=0)


def bars(mirror):
    """A bright half, left for one class and right for the other; or anywhere, where one class has bars across."""

    def draw(c, generator):
        image = generator.normal(60, 20, size=(12, 12))
        if mirror:
            image[:, 6:] += 90 * c
            image[:, :6] += 90 * (1 - c)
        else:
            place = generator.integers(2, 10)
            image[(slice(None), slice(place, place + 2)) if c else (slice(place, place + 2), slice(None))] += 120
        return image

    return draw


def test_digits_must_not_be_mirrored_nor_turned_far(digits):
    mirrored, far, near = kept(digits.data), kept(digits.data, 135), kept(digits.data, 10)
    assert (mirrored.same, far.same, near.same) == (False, False, True)
    assert mirrored.before > 0.85
    assert mirrored.after < 0.5
    assert "is taken for" in str(mirrored)
    assert "another meaning" in str(mirrored)
    assert [answer.change for answer in kept_meaning(digits.data, policy="trivial")] == [
        "mirrored",
        "rotated by 135 degrees",
        "rotated by 30 degrees",
        "rotated by 10 degrees",
    ]


def test_sides_that_tell_the_class_forbid_mirroring_and_sides_that_do_not_allow_it():
    assert not kept(pictures(bars(mirror=True))).same
    free = pictures(bars(mirror=False))
    assert kept(free).same
    assert not kept(free, 90).same
    assert "same meaning" in str(kept(free))


def test_noise_cannot_tell_and_then_nothing_is_mirrored():
    data = pictures(lambda c, generator: generator.normal(128, 40, size=(8, 8)))
    assert not kept(data).known
    assert "cannot tell" in str(kept(data))
    made = Plan(model="cnn", data=data).then(Augment())
    assert made.batch[0].keywords["flip"] is False
    assert made.batch[0].keywords["degrees"] == 10.0


def test_the_answers_decide_unless_the_user_does(digits):
    def keywords(*fields, plan=digits, **given):
        found = plan.then(Augment(**given)).batch[0].keywords
        return tuple(found[name] for name in fields)

    free = Plan(model="cnn", data=pictures(bars(mirror=False)))
    assert keywords("flip", "degrees") == (False, 10.0)
    assert keywords("flip", plan=free) == (True,)
    assert keywords("flip", plan=free, flip=False) == (False,)
    assert keywords("flip", "degrees", flip=True, ask=False, strength="strong") == (True, None)
    assert keywords("flip", "degrees", policy="rotate=90, flip") == (False, None)  # as named, nothing asked
    assert keywords("degrees", policy="trivial") == (10.0,)


def test_black_and_white_are_those_of_the_stored_images(digits):
    low, high = digits.then(Augment()).batch[0].keywords["limits"][0]
    preparation = digits.data.preparation
    assert low == pytest.approx((0 - preparation.mean[0]) / preparation.std[0])
    assert high == pytest.approx((16 - preparation.mean[0]) / preparation.std[0])


def test_only_training_rows_are_asked(digits):
    data = digits.data
    spoiled = data.inputs.copy()
    spoiled[data.validation_rows] = 0
    from dataclasses import replace

    other = replace(data, inputs=spoiled, fingerprint="another")
    assert kept(other).after == kept(data).after


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Augment(policy='spin')", "unknown change 'spin' in policy 'spin'"),
        ("Augment(policy='rotate=x')", "'x' is no number"),
        ("Augment(flip='yes')", "flip is True, False or None"),
    ],
)
def test_what_is_unknown_is_refused(text, message):
    with pytest.raises(UsageError, match=message):
        parse(text)


def test_changes_of_another_kind_of_input_are_refused(digits):
    rows = np.random.default_rng(0).normal(size=(60, 5)).astype(np.float32)
    table = Plan(model="mlp", data=load((rows, np.arange(60) % 3), task="classification", modality="table"))
    for plan, given, message in (
        (digits, {"policy": "swap"}, "there is no swap for image inputs; there is flip, crop"),
        (table, {"policy": "rotate"}, "there is no rotate for table inputs; there is swap, noise"),
        (table, {"policy": "trivial"}, "trivial is for images"),
        (table, {"flip": True}, "flip is for images"),
    ):
        with pytest.raises(NotApplicable, match=message):
            plan.then(Augment(**given))
    changed = table.then(Augment(policy="noise=0.2"))
    assert [place for place, _ in changed.batch[0].keywords["numbers"]] == [0, 1, 2, 3, 4]


def test_notation_shows_what_was_said():
    assert repr(Augment()) == "Augment(strength='standard')"
    assert repr(Augment(strength="strong", flip=False)) == "Augment(strength='strong', flip=False)"
    assert repr(Augment(policy="rotate=20, erase")) == "Augment(policy='rotate=20, erase')"

"""Reading techniques from text: what is accepted, and how everything else is refused."""

from dataclasses import dataclass

import pytest

from burnish.errors import UsageError
from burnish.techniques import CATALOGUE, EMA, Augment, EarlyStopping, LabelSmoothing, Mixup, catalogue, describe, parse


@pytest.mark.parametrize(
    ("text", "technique"),
    [
        ("Mixup", Mixup()),
        ("Mixup()", Mixup()),
        ("  Mixup( alpha = 0.4 ) ", Mixup(alpha=0.4)),
        ("LabelSmoothing(alpha=1e-2)", LabelSmoothing(alpha=0.01)),
        ("Augment(strength='strong', flip=True)", Augment(strength="strong", flip=True)),
        ('Augment(strength="none")', Augment(strength="none")),
    ],
)
def test_what_is_written_is_what_is_made(text, technique):
    assert parse(text) == technique


def test_whole_numbers_stand_for_real_ones_and_are_noted_alike():
    assert repr(parse("Mixup(alpha=1)")) == "Mixup(alpha=1.0)"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("Mixupp", r"Did you mean Mixup\?"),
        ("mixup(alpha=0.2)", r"Did you mean Mixup\?"),
        ("Nonsense", "There are"),
        ("Mixup(0.2)", "need their name"),
        ("Mixup(**{'alpha': 1})", "need their name"),
        ("Mixup(beta=0.2)", "'beta'; it has alpha"),
        ("Mixup(alpha=0.2, alpha=0.3)", "given twice"),
        ("Mixup(alpha=-1)", "alpha must be 0 or more, got -1"),
        ("Mixup(alpha='a lot')", "alpha must be float, got 'a lot'"),
        ("Mixup(alpha=True)", "alpha must be float, got True"),
        ("EarlyStopping(patience=2.5)", "patience must be int, got 2.5"),
        ("Augment(flip=1)", "flip is True, False or None"),
        ("Mixup(alpha=__import__('os').getpid())", "not a plain value"),
        ("Mixup(alpha=0.2", "cannot be read"),
        ("os.system('ls')", "is not a technique"),
        ("Mixup(alpha=0.2).__class__", "is not a technique"),
        ("1 + 1", "is not a technique"),
        ("", "cannot be read"),
        ("(" * 5000, "cannot be read"),
    ],
)
def test_anything_else_is_refused_with_a_reason(text, says):
    with pytest.raises(UsageError, match=says):
        parse(text)


def test_another_catalogue_can_be_given():
    @dataclass(frozen=True, kw_only=True)
    class Mine:
        size: int = 3

        def __call__(self, plan):
            return plan

    assert parse("Mine(size=4)", catalogue={"Mine": Mine}) == Mine(size=4)
    with pytest.raises(UsageError, match="unknown technique 'Mixup'"):
        parse("Mixup", catalogue={"Mine": Mine})


def test_descriptions_are_plain_and_their_notation_reads_back():
    for entry in catalogue():
        assert set(entry) >= {"name", "class", "source", "summary", "levels", "conflicts", "modalities", "tasks"}
        assert entry["class"] in {"factor", "readout", "gate", "post", "nuisance"}
        for text in (entry["default"], *entry["levels"]):
            assert type(parse(text)) is CATALOGUE[entry["name"]]
        assert parse(entry["levels"][0]) == parse(entry["default"])
    assert [entry["name"] for entry in catalogue()] == sorted(CATALOGUE)
    with pytest.raises(UsageError, match="unknown technique"):
        describe("Nothing")


@pytest.mark.parametrize(
    ("technique", "arguments"),
    [(EMA, {"decay": 1.0}), (EarlyStopping, {"patience": 0}), (LabelSmoothing, {"alpha": float("nan")})],
)
def test_wrong_values_are_refused_in_python_too(technique, arguments):
    with pytest.raises(ValueError, match="must be"):
        technique(**arguments)

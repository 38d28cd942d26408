"""Recipes: from flags and YAML, back to a command, and their errors."""

import pytest

from burnish.errors import UsageError
from burnish.pipeline.recipe import Recipe


def test_a_mapping_takes_flag_names() -> None:
    recipe = Recipe.from_mapping({"min-gain": 0.01, "with": ["EMA()"], "batch_size": 8})
    assert (recipe.min_gain, recipe.techniques, recipe.batch_size) == (0.01, ("EMA()",), 8)


def test_an_unknown_key_names_the_nearest() -> None:
    with pytest.raises(UsageError, match="'epochs'"):
        Recipe.from_mapping({"epoch": 3})


def test_the_command_names_what_differs_from_the_defaults() -> None:
    recipe = Recipe(network="net.py:make", epochs=3, techniques=("Mixup(alpha=0.2)",))
    assert recipe.command(out="runs/a") == ('burnish run net.py:make --with "Mixup(alpha=0.2)" --epochs 3 --out runs/a')


@pytest.mark.parametrize("wrong", [{"epochs": 0}, {"batch_size": -1}, {"lr": 0.0}, {"on": "mars"}])
def test_wrong_values_are_refused(wrong: dict) -> None:
    with pytest.raises(UsageError):
        Recipe(**wrong)

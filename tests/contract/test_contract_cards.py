"""Method cards: complete, and the page says what the code says."""

from pathlib import Path

import pytest
from contract_cases import NAMES

from burnish.techniques import CATALOGUE, describe
from burnish.techniques._measured import _records, told
from burnish.techniques._page import page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "techniques.md"


@pytest.mark.parametrize("name", NAMES)
def test_a_card_says_when_it_helps_when_not_and_at_what_price(name):
    card = describe(name)
    for key in ("helps", "hurts", "costs"):
        assert card[key].endswith("."), f"{name}: Helps:, Does not: or Costs: is not before the Source"
        assert "Helps:" not in card["why"]


def test_the_page_is_what_the_code_gives():
    assert PAGE.read_text(encoding="utf-8") == page(), "run `make techniques`"


def test_records_are_of_techniques_that_exist_and_carry_n_and_an_interval():
    assert set(_records()) <= set(CATALOGUE)
    for name, record in _records().items():
        for effect in record["measured"]:
            gain = effect["gain"]
            assert gain["low"] <= gain["value"] <= gain["high"], name
            assert gain["n"] >= 2
            assert effect["technique"].startswith(name)
            assert effect["metric"] in told(effect)


def test_negative_results_are_told_as_such():
    gain = {"value": -0.02, "low": -0.03, "high": -0.01, "n": 5}
    effect = {"metric": "accuracy", "baseline": 0.8, "gain": gain, "time_ratio": 1.0, "size_ratio": 1.0}
    assert told(effect).endswith("hurts")

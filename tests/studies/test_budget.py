import pytest
from hypothesis import given
from hypothesis import strategies as st

from burnish.errors import UsageError
from burnish.studies.budget import FEWEST_EPOCHS, FEWEST_ROWS, Budget, fit_to_time


def test_named_budgets():
    quick, standard, thorough = (Budget.parse(name) for name in ("quick", "Standard", " thorough"))
    assert (quick.pilot, quick.screen, quick.candidates, quick.looks) == (4, 12, 2, (3,))
    assert (standard.screen, standard.candidates, standard.looks) == (12, 4, (3, 5, 8))
    assert thorough.screen == 24
    assert standard.search_runs == 4 + 12 + 5 * 3
    assert standard.runs == 31 + 16
    assert standard.fewest_runs == 31 + 6


@pytest.mark.parametrize(("text", "seconds"), [("90s", 90), ("20m", 1200), ("1h", 3600), ("1.5 h", 5400), (".5m", 30)])
def test_times(text, seconds):
    budget = Budget.parse(text)
    assert budget.seconds == seconds
    assert budget.candidates == 4


@pytest.mark.parametrize("text", ["", "fast", "20", "m", "-5m", "0s", "1d", "1h30m"])
def test_anything_else_is_refused(text):
    with pytest.raises(UsageError, match="quick, standard, thorough"):
        Budget.parse(text)


def test_cuts_come_in_order_and_are_said():
    budget = Budget.parse("100s")
    assert fit_to_time(budget, 1.0) == (budget, [])
    fewer, cuts = fit_to_time(budget, 100 / 42)
    assert (fewer.candidates, fewer.rows, fewer.epochs) == (2, 1.0, 1.0)
    assert cuts == ["2 candidate recipes instead of 4"]
    rows, cuts = fit_to_time(budget, 100 / 32)  # 26 runs at full length, so 6 for the 12 of the screen
    assert (rows.candidates, rows.rows, rows.epochs) == (1, 0.5, 1.0)
    assert cuts[1] == "50% of the training rows in the screen"
    epochs, cuts = fit_to_time(budget, 100 / 28)  # 2: a quarter of the rows, and two thirds of the epochs
    assert (epochs.rows, epochs.epochs) == (FEWEST_ROWS, 0.66)
    assert len(cuts) == 3
    pairs, cuts = fit_to_time(budget, 100 / 22)
    assert pairs.looks == (3, 5)
    assert cuts[-1] == "at most 5 pairs to confirm instead of 8"
    least, cuts = fit_to_time(budget, 100.0)
    assert (least.epochs, least.looks) == (FEWEST_EPOCHS, (3,))
    assert "more than the 100 s given" in cuts[-1]


def test_only_the_screen_is_shortened():
    whole, shorter = Budget(), Budget(rows=0.5, epochs=0.5)
    assert whole.time(1.0) == whole.runs
    assert whole.time(1.0) - shorter.time(1.0) == whole.screen * (1 - 0.25)


def test_without_a_time_nothing_is_cut():
    budget = Budget.parse("quick")
    assert fit_to_time(budget, 1e6) == (budget, [])


@given(st.floats(0.01, 1e4), st.floats(1, 1e5), st.integers(1, 16))
def test_a_budget_fits_or_says_that_it_does_not(seconds_per_run, limit, workers):
    budget, cuts = fit_to_time(Budget(seconds=limit), seconds_per_run, workers)
    assert budget.rows >= FEWEST_ROWS
    assert budget.epochs >= FEWEST_EPOCHS
    if not cuts or "are needed even so" not in cuts[-1]:
        assert budget.time(seconds_per_run, workers) <= limit * (1 + 1e-6)
    assert budget.runs >= Budget.parse("standard").fewest_runs - 9


def test_workers_share_the_rounds():
    assert Budget(looks=(3,)).time(1.0, workers=4) == 1 + 3 + 4 + 2

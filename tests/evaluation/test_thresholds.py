"""Thresholds against a search over all of them, and judged on rows they did not see."""

import numpy as np
import pytest
from sklearn.metrics import f1_score

from burnish.evaluation.thresholds import best_thresholds, crossfit_thresholds
from burnish.tasks import Multilabel

RNG = np.random.default_rng(0)
TARGETS = (RNG.random((300, 3)) < [0.5, 0.15, 0.3]).astype(int)
SCORES = np.clip(0.3 * TARGETS + 0.4 * RNG.random(TARGETS.shape), 0, 1).round(2)


def test_no_other_threshold_is_better() -> None:
    for k, threshold in enumerate(best_thresholds(SCORES, TARGETS)):
        best = max(f1_score(TARGETS[:, k], SCORES[:, k] >= cut) for cut in np.linspace(0, 1, 401))
        assert f1_score(TARGETS[:, k], SCORES[:, k] >= threshold) == pytest.approx(best)


def test_a_label_without_examples_keeps_a_half() -> None:
    assert best_thresholds(SCORES[:, :1], np.zeros((300, 1), dtype=int)) == (0.5,)


def test_thresholds_that_help_are_accepted_and_those_that_do_not_are_not() -> None:
    task = Multilabel(labels=("a", "b", "c"))
    found = crossfit_thresholds(SCORES, TARGETS, task)  # true labels lie above 0.3, so a half is too strict
    assert found["accepted"]
    assert found["gain"].low > 0.05
    assert found["thresholds"] == list(best_thresholds(SCORES, TARGETS))
    noise = RNG.random((200, 3))
    calibrated = (RNG.random((200, 3)) < noise).astype(int)
    unneeded = crossfit_thresholds(noise, calibrated, task)
    assert unneeded["gain"].value < 0.05
    assert len(unneeded["f1"]) == 3

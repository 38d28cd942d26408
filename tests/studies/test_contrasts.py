import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from burnish.metrics import metric
from burnish.studies.collapse import clip_collapsed, collapse_partners, worst_tolerated
from burnish.studies.contrasts import contrasts
from burnish.studies.design import screen_design


def test_contrasts_are_differences_of_means_and_least_squares():
    rng = np.random.default_rng(0)
    design = screen_design(7, 12, 0)
    z = rng.normal(size=12)
    found = [only for (only,) in contrasts(design.rows, z)]
    for j, contrast in enumerate(found):
        on = design.rows[:, j] > 0
        assert contrast.effect == pytest.approx(z[on].mean() - z[~on].mean())
    columns = np.column_stack([np.ones(12), design.rows])
    _, rss, _, _ = np.linalg.lstsq(columns, z, rcond=None)
    assert found[0].dof == 4
    assert found[0].se == pytest.approx(2 * np.sqrt(rss[0] / 4 / 12))
    assert found[0].p_value == pytest.approx(2 * stats.t.sf(abs(found[0].effect) / found[0].se, 4))
    expected = stats.false_discovery_control([c.p_value for c in found])
    assert [c.q_value for c in found] == pytest.approx(list(expected))


def test_saturated_design_needs_the_pilot_for_its_noise():
    design, z = screen_design(11, 12, 0), np.random.default_rng(1).normal(size=12)
    assert np.isnan(contrasts(design.rows, z)[0][0].se)
    with_pilot = contrasts(design.rows, z, pilot_z=[0.0, 1.0, 2.0, np.nan])[0][0]
    assert with_pilot.dof == 2
    assert with_pilot.se == pytest.approx(2 * 1.0 / np.sqrt(12))


@given(st.integers(1, 11), st.sets(st.integers(0, 11), max_size=11))
def test_failed_runs_never_break_contrasts(factors, failed):
    design = screen_design(factors, 12, 0)
    z = np.arange(12.0)
    z[list(failed)] = np.nan
    found = contrasts(design.rows, z)
    assert len(found) == factors
    assert len(contrasts(design.rows[:0], [])) == factors


def test_a_technique_that_was_always_on_has_no_contrast():
    rows = np.array([[1, 1], [1, -1], [1, 1], [1, -1]])
    (first,), (second,) = contrasts(rows, [1.0, 0.0, 1.1, 0.1])
    assert np.isnan(first.effect)
    assert second.effect == pytest.approx(1.0)


def test_collapse_limit_by_hand():
    accuracy, rmse = metric("accuracy"), metric("rmse")
    assert worst_tolerated(0.92, accuracy, 0.01) == pytest.approx(0.76)  # 3 × .08
    assert worst_tolerated(0.92, accuracy, 0.05) == pytest.approx(0.62)  # .08 + 6 × .05
    assert worst_tolerated(2.0, rmse, 0.1) == pytest.approx(6.0)
    assert worst_tolerated(1.0, accuracy, 0.0) < 1.0


def test_collapsed_runs_are_clipped_and_failed_ones_are_not():
    scores, collapsed = clip_collapsed([0.95, 0.1, np.nan], 0.92, metric("accuracy"), 0.01)
    assert scores[:2] == pytest.approx([0.95, 0.76])
    assert np.isnan(scores[2])
    assert collapsed.tolist() == [False, True, False]
    scores, collapsed = clip_collapsed([1.0, 100.0], 2.0, metric("rmse"), 0.1)
    assert scores.tolist() == [1.0, pytest.approx(6.0)]


def test_partner_of_collapse_is_found_by_fishers_test():
    design = screen_design(4, 12, 0)
    collapsed = design.rows[:, 2] > 0
    found = collapse_partners(design.rows, collapsed)
    assert [(p.factor, p.level, p.bad, p.runs) for p in found] == [(2, 1, 6, 6)]
    assert found[0].p_value == pytest.approx(1 / 924)  # 1 of C(12, 6)
    assert collapse_partners(design.rows, np.zeros(12, bool)) == []

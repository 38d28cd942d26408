"""What each technique does, in the metric's own units, and the one word it earns."""

from collections.abc import Sequence

import numpy as np

from burnish.metrics import Metric
from burnish.records import Effect, Estimate
from burnish.studies.analysis import Posterior
from burnish.studies.contrasts import Contrast
from burnish.studies.design import Recipe

__all__ = ["BUNDLE", "HELPS", "HURTS", "PROVEN", "UNCLEAR", "effects", "word"]

HELPS, HURTS, UNCLEAR, BUNDLE = "helps", "hurts", "unclear", "part of a bundle that helps"
PROVEN = 0.95  # probability from which a technique by itself is said to help


def effects(
    posterior: Posterior,
    techniques: Sequence[str],
    recipe: Recipe,
    *,
    metric: Metric,
    runs: int,
    confirmed: bool = False,
    level: float = 0.90,
    unit: str = "fraction",
    contrasts: Sequence[Contrast] | None = None,
    time_ratios: Sequence[float | None] | None = None,
    size_ratios: Sequence[float | None] | None = None,
    flags: dict[int, str] | None = None,
) -> list[Effect]:
    """One effect for each technique, at the recommended recipe and at the baseline.

    Args:
        posterior: From `analysis.fit`.
        techniques: Their names, in the order of the design's columns.
        recipe: The recommended recipe.
        metric: Whose units the effects take; the response of the fit was its `to_scale`.
        runs: Runs behind the posterior.
        confirmed: Whether fresh, paired runs confirmed the recipe: what is not proven alone is then part of a bundle.
        level: Of the intervals.
        unit: Of the effects.
        contrasts: Averages over the design; leave out when runs collapsed, they mean nothing then.
        time_ratios: Training time on/off, from `ratio_effects`.
        size_ratios: Size on/off.
        flags: Further remarks by technique, such as `collapses`.
    """
    baseline = (False,) * len(techniques)
    found = []
    for j, technique in enumerate(techniques):
        chance = posterior.p_helps(recipe, j)
        contrast = contrasts[j] if contrasts else None
        found.append(
            Effect(
                technique=technique,
                at_recipe=_at(posterior, recipe, j, metric, level, runs, unit),
                at_baseline=_at(posterior, baseline, j, metric, level, runs, unit),
                p_helps=chance,
                time_ratio=time_ratios[j] if time_ratios else None,
                size_ratio=size_ratios[j] if size_ratios else None,
                word=word(chance, in_recipe=recipe[j], confirmed=confirmed),
                in_recipe=recipe[j],
                flags=_flags(posterior, techniques, j, flags or {}),
                contrast=_average(posterior, contrast, metric, level, runs, unit),
                q_value=contrast.q_value if contrast and np.isfinite(contrast.q_value) else None,
            )
        )
    return found


def word(p_helps: float, *, in_recipe: bool, confirmed: bool) -> str:
    """`helps`, `hurts`, `unclear` or `part of a bundle that helps`.

    Example:
        >>> word(0.8, in_recipe=True, confirmed=True)
        'part of a bundle that helps'
    """
    if p_helps > PROVEN:
        return HELPS
    if p_helps < 1 - PROVEN:
        return HURTS
    return BUNDLE if in_recipe and confirmed else UNCLEAR


def _at(posterior: Posterior, recipe: Recipe, j: int, metric: Metric, level: float, runs: int, unit: str) -> Estimate:
    off, on = ((*recipe[:j], state, *recipe[j + 1 :]) for state in (False, True))
    center = float(np.mean(posterior.predict([off, on])[0]))
    mean, _ = posterior.effect_at(recipe, j)
    low, high = posterior.interval(recipe, j, level)
    value, low, high = (_in_units(metric, center, step) for step in (mean, low, high))
    return Estimate(value=value, low=low, high=high, n=runs, level=level, unit=unit, of="splits")


def _average(
    posterior: Posterior, contrast: Contrast | None, metric: Metric, level: float, runs: int, unit: str
) -> Estimate | None:
    from scipy import stats

    if contrast is None or not np.isfinite(contrast.effect):
        return None
    center = float(posterior.mean()[0])  # the mean over the design: the intercept of a balanced coding
    value = _in_units(metric, center, contrast.effect)
    if not np.isfinite(contrast.se):
        return Estimate(value=value, n=runs, level=level, unit=unit, of="splits")
    reach = float(stats.t.ppf((1 + level) / 2, contrast.dof)) * contrast.se
    low, high = (_in_units(metric, center, contrast.effect + step) for step in (-reach, reach))
    return Estimate(value=value, low=low, high=high, n=runs, level=level, unit=unit, of="splits")


def _in_units(metric: Metric, center: float, step: float) -> float:
    """The gain between two responses `step` apart around `center`; has the sign of `step`."""
    return metric.gain(metric.from_scale(center - step / 2), metric.from_scale(center + step / 2))


def _flags(posterior: Posterior, techniques: Sequence[str], j: int, given: dict[int, str]) -> tuple[str, ...]:
    aliased = tuple(
        f"cannot be told from {techniques[a]} together with {techniques[b]}" for a, b in posterior.aliases(j)
    )
    return ((given[j],) if j in given else ()) + aliased

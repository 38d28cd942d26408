"""What each technique does, in the metric's own units, and the one word it earns."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from burnish.metrics import Metric
from burnish.records import Effect, Estimate
from burnish.studies.analysis import Posterior
from burnish.studies.contrasts import Contrast
from burnish.studies.levels import Factor, Recipe

__all__ = ["BUNDLE", "HELPS", "HURTS", "PROVEN", "UNCLEAR", "effects", "word"]

HELPS, HURTS, UNCLEAR, BUNDLE = "helps", "hurts", "unclear", "part of a bundle that helps"
PROVEN = 0.95  # probability from which a technique by itself is said to help

Units = Callable[[float, float], float]  # (response in the middle, step) -> the step in units


def effects(
    posterior: Posterior,
    factors: Sequence[Factor],
    recipe: Recipe,
    *,
    metric: Metric,
    runs: int,
    confirmed: bool = False,
    level: float = 0.90,
    unit: str = "fraction",
    contrasts: Sequence[Sequence[Contrast]] | None = None,
    flags: Mapping[str, str] | None = None,
) -> list[Effect]:
    """One effect for each technique, at the recommended recipe and at the baseline.

    Nuisance factors get none. At the recipe they are where the recipe has them; at the baseline their effect is
    averaged out, so that no technique looks good because it suits one learning rate.

    Args:
        posterior: From `analysis.fit`.
        factors: In the order of the design's columns.
        recipe: The recommended recipe.
        metric: Whose units the effects take; the response of the fit was its `to_scale`. With unit `ratio` it is a
            cost, and the effects are the factors by which a technique multiplies it.
        runs: Runs behind the posterior.
        confirmed: Whether fresh, paired runs confirmed the recipe: what is not proven alone is then part of a bundle.
        level: Of the intervals.
        unit: Of the effects.
        contrasts: Averages over the design; leave out when runs collapsed, they mean nothing then.
        flags: Further remarks by technique, such as `collapses`.
    """
    nuisance = tuple(j for j, factor in enumerate(factors) if factor.nuisance)
    baseline = (0,) * len(factors)
    units = _ratio if unit == "ratio" else _gain(metric)
    found = []
    for j, factor in enumerate(factors):
        if j in nuisance:
            continue
        aliased = _aliased(posterior, factors, j)
        for number, technique in enumerate(factor.levels, 1):
            chance = posterior.p_helps(recipe, j, level=number)
            contrast = contrasts[j][number - 1] if contrasts else None
            remark = (flags or {}).get(technique)
            found.append(
                Effect(
                    technique=technique,
                    factor=factor.name,
                    at_recipe=_at(posterior, recipe, j, number, (), units, level, runs, unit),
                    at_baseline=_at(posterior, baseline, j, number, nuisance, units, level, runs, unit),
                    p_helps=chance,
                    time_ratio=None,
                    size_ratio=None,
                    word=word(chance, in_recipe=recipe[j] == number, confirmed=confirmed),
                    in_recipe=recipe[j] == number,
                    flags=((remark,) if remark else ()) + aliased,
                    contrast=_average(posterior, contrast, units, level, unit),
                    q_value=contrast.q_value if contrast and np.isfinite(contrast.q_value) else None,
                    contrast_se=_standard_error(posterior, contrast, units),
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


def _at(
    posterior: Posterior,
    recipe: Recipe,
    j: int,
    number: int,
    over: tuple[int, ...],
    units: Units,
    level: float,
    runs: int,
    unit: str,
) -> Estimate:
    center = posterior.middle(recipe, j, level=number, over=over)
    mean, _ = posterior.effect_at(recipe, j, level=number, over=over)
    ends = posterior.interval(recipe, j, level, level=number, over=over)
    value, *sides = (units(center, step) for step in (mean, *ends))
    return Estimate(value=value, low=min(sides), high=max(sides), n=runs, level=level, unit=unit, of="splits")


def _average(posterior: Posterior, contrast: Contrast | None, units: Units, level: float, unit: str) -> Estimate | None:
    from scipy import stats

    if contrast is None or not np.isfinite(contrast.effect):
        return None
    center = float(posterior.mean()[0])  # the mean over the design: the intercept of a balanced coding
    value = units(center, contrast.effect)
    if not np.isfinite(contrast.se):
        return Estimate(value=value, n=contrast.n, level=level, unit=unit, of="splits")
    reach = float(stats.t.ppf((1 + level) / 2, contrast.dof)) * contrast.se
    sides = [units(center, contrast.effect + step) for step in (-reach, reach)]
    return Estimate(value=value, low=min(sides), high=max(sides), n=contrast.n, level=level, unit=unit, of="splits")


def _standard_error(posterior: Posterior, contrast: Contrast | None, units: Units) -> float | None:
    """That of the contrast in units, by the slope of the scale in the middle of the design."""
    if contrast is None or not np.isfinite(contrast.se):
        return None
    center = float(posterior.mean()[0])
    return abs(units(center, contrast.se / 2) - units(center, -contrast.se / 2))


def _gain(metric: Metric) -> Units:
    """The gain between two responses a step apart around the middle; has the sign of the step."""

    def units(center: float, step: float) -> float:
        return metric.gain(metric.from_scale(center - step / 2), metric.from_scale(center + step / 2))

    return units


def _ratio(center: float, step: float) -> float:
    """The factor by which a cost changes; the response is minus its logarithm."""
    return float(np.exp(-step))


def _aliased(posterior: Posterior, factors: Sequence[Factor], j: int) -> tuple[str, ...]:
    return tuple(
        f"cannot be told from {factors[a].name} together with {factors[b].name}" for a, b in posterior.aliases(j)
    )

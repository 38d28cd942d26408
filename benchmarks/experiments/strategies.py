"""Ways to search for a recipe, each with a number of runs to spend; `designed` is Burnish's own, by its own code."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from tables import Lab, recipes

from burnish.studies.analysis import Posterior, fit
from burnish.studies.candidates import candidates, sound, winner
from burnish.studies.collapse import clip_collapsed
from burnish.studies.design import Recipe, recipe_of, screen_design, signs

__all__ = ["DEFAULT", "OURS", "STRATEGIES", "Outcome", "designed"]

Array = np.ndarray
BUDGET = 28
SPLITS = 3  # fresh splits of a re-run


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a search ends with.

    Attributes:
        recipe: The recipe it recommends; all off is the baseline.
        claim: The gain it would claim, in the metric's unit.
        posterior: The model after the screen, and after the re-runs too, where there is one.
        target: The recipe effects are reported at.
    """

    recipe: Recipe
    claim: float
    posterior: Posterior | None = None
    updated: Posterior | None = None
    target: Recipe = ()


def designed(lab: Lab, seed: int, *, pilot: int = 4, screen: int = 12, count: int = 4) -> Outcome:
    """Pilot, Plackett-Burman screen, model, candidates re-run on fresh splits beside the baseline.

    With no candidates the recipe is the model's best prediction, as it stands.
    """
    nothing = (False,) * lab.table.factors
    design = screen_design(lab.table.factors, screen, seed)
    pilot_blocks, blocks = np.arange(pilot) % lab.screen, design.blocks % lab.screen
    first = np.array([lab.train(nothing, b) for b in pilot_blocks])
    scores = np.array([lab.train(r, b) for r, b in zip(design.recipes(), blocks, strict=True)])

    level, sigma = float(first.mean()), float(first.std(ddof=1))

    def response(values: Array) -> tuple[Array, Array]:
        clipped, collapsed = clip_collapsed(values.ravel(), level, lab.table.metric, sigma)
        return lab.scaled(clipped), collapsed

    (z, collapsed), (pilot_z, _) = response(scores), response(first)
    fitted = partial(fit, pilot_z=pilot_z, pilot_blocks=pilot_blocks)
    posterior = fitted(design.rows, z, blocks)
    bent = collapsed.any() and count > 0  # what is not run again must not be chosen blind to collapses
    proposing = fitted(design.rows, sound(z, collapsed), blocks) if bent else posterior
    chosen = candidates(proposing, design.rows, z, count=max(count, 1))
    if not count:
        best = chosen[0].recipe
        claim = _claimed(lab, proposing, best)
        return Outcome(recipe=best if claim > 0 else nothing, claim=max(claim, 0.0), posterior=posterior, target=best)
    recipe, claim, arms, again, splits = _again(lab, [c.recipe for c in chosen])
    updated = fitted(
        np.vstack([design.rows, *(np.tile(signs(arm), (len(splits), 1)) for arm in arms)]),
        np.concatenate([z, response(again)[0]]),
        np.concatenate([blocks, np.tile(splits, len(arms))]),
    )
    target = recipe if any(recipe) else chosen[0].recipe
    return Outcome(recipe=recipe, claim=claim, posterior=posterior, updated=updated, target=target)


def _claimed(lab: Lab, posterior: Posterior, recipe: Recipe) -> float:
    off, on = (lab.table.metric.from_scale(z) for z in posterior.predict([(False,) * len(recipe), recipe])[0])
    return lab.table.metric.gain(off, on)


def _again(lab: Lab, chosen: Sequence[Recipe]) -> tuple[Recipe, float, list[Recipe], Array, list[int]]:
    """Re-run `chosen` and the baseline on fresh splits: the best and its gain; arms, scores and splits."""
    splits = list(range(lab.screen, lab.screen + SPLITS))
    arms = [(False,) * lab.table.factors, *chosen]
    again = lab.several(arms, splits)
    responses = lab.scaled(again)
    best = winner(responses[1:], responses[0])
    recipe = arms[0] if best is None else arms[1 + best]
    claim = 0.0 if best is None else float(lab.table.sign * (again[1 + best] - again[0]).mean())
    return recipe, claim, arms, again, splits


def one_at_a_time(lab: Lab, seed: int) -> Outcome:
    """Each technique alone on 3 splits against a 4-run baseline; all that seem to gain are stacked."""
    k, sign = lab.table.factors, lab.table.sign
    nothing = (False,) * k
    level = float(np.mean([lab.train(nothing, i % lab.seen) for i in range(4)]))
    each = (BUDGET - 4) // k
    gains = []
    for j in range(k):
        alone = (*nothing[:j], True, *nothing[j + 1 :])
        gains.append(sign * (float(np.mean([lab.train(alone, i % lab.seen) for i in range(each)])) - level))
    return Outcome(recipe=tuple(g > 0 for g in gains), claim=sum(g for g in gains if g > 0))


def greedy(lab: Lab, seed: int) -> Outcome:
    """Add the technique that gains most, on one split a step beside what there is; stop when none gains."""
    k, sign = lab.table.factors, lab.table.sign
    recipe, claim, step = (False,) * k, 0.0, 0
    while lab.runs + 1 + k - sum(recipe) <= BUDGET and not all(recipe):
        options = [(*recipe[:j], True, *recipe[j + 1 :]) for j in range(k) if not recipe[j]]
        level, *scores = (lab.train(r, step % lab.seen) for r in (recipe, *options))
        gains = sign * (np.array(scores) - level)
        step += 1
        if gains.max() <= 0:
            continue  # another split may see it otherwise, while runs are left
        recipe, claim = options[int(gains.argmax())], claim + float(gains.max())
    return Outcome(recipe=recipe, claim=claim)


def best_of_random(lab: Lab, seed: int) -> Outcome:
    """24 random recipes, each on one split; the best, if above the mean of a 4-run baseline."""
    nothing = (False,) * lab.table.factors
    level = float(np.mean([lab.train(nothing, i % lab.seen) for i in range(4)]))
    chosen = _drawn(lab, BUDGET - 4, seed)
    gains = lab.table.sign * (np.array([lab.train(r, i % lab.seen) for i, r in enumerate(chosen)]) - level)
    best = int(gains.argmax())
    return Outcome(recipe=chosen[best] if gains[best] > 0 else nothing, claim=max(float(gains[best]), 0.0))


def random_again(lab: Lab, seed: int) -> Outcome:
    """16 random recipes, each on one split; the best 3 again on 3 fresh splits, beside the baseline."""
    chosen = _drawn(lab, BUDGET - 4 * SPLITS, seed)
    seen = lab.table.sign * np.array([lab.train(recipe, i % lab.screen) for i, recipe in enumerate(chosen)])
    recipe, claim, *_ = _again(lab, [chosen[i] for i in np.argsort(-seen)[:3]])
    return Outcome(recipe=recipe, claim=claim)


def tpe(lab: Lab, seed: int) -> Outcome:
    """Optuna's TPE over on and off of each technique, the baseline first, all on one split; its best trial."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    k = lab.table.factors
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    study.enqueue_trial({str(j): False for j in range(k)})

    def objective(trial: optuna.Trial) -> float:
        recipe = tuple(trial.suggest_categorical(str(j), [False, True]) for j in range(k))
        return lab.table.sign * lab.train(recipe, 0)

    study.optimize(objective, n_trials=BUDGET)
    best = tuple(bool(study.best_params[str(j)]) for j in range(k))
    return Outcome(recipe=best, claim=study.best_value - study.trials[0].value)


def _drawn(lab: Lab, count: int, seed: int) -> list[Recipe]:
    """Different random recipes, the baseline not among them."""
    k = lab.table.factors
    cells = 1 + np.random.default_rng(seed).choice(2**k - 1, count, replace=False)
    return [recipe_of(row) for row in signs(recipes(k)[cells])]


Strategy = Callable[[Lab, int], Outcome]
DEFAULT = "designed, 31 runs (standard)"
OURS: dict[str, Strategy] = {
    "designed, 16 runs": partial(designed, count=0),
    "designed, 28 runs": partial(designed, count=3),
    DEFAULT: designed,
    "designed, 40 runs": partial(designed, screen=24, count=3),
}
STRATEGIES: dict[str, Strategy] = {
    "one technique at a time": one_at_a_time,
    "greedy stacking": greedy,
    "best of random": best_of_random,
    "random 16, best 3 again": random_again,
    "Optuna TPE": tpe,
    **OURS,
}

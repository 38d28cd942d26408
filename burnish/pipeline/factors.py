"""Which techniques enter the experiment at which levels, and which do not and why."""

from collections.abc import Iterable
from dataclasses import fields, replace

from burnish.errors import BurnishError, Conflict, NotApplicable, UsageError
from burnish.plan import Plan
from burnish.studies.design import MAX_FACTORS, Feasible
from burnish.studies.levels import Factor, Recipe
from burnish.techniques import CATALOGUE, parse

__all__ = [
    "FACTORS",
    "Clash",
    "Factors",
    "applied",
    "clashes",
    "factors",
    "feasible_by",
    "limited_to",
    "norms",
    "rebuilding",
    "rebuilding_names",
    "settles_norm",
    "techniques_of",
]

# One level each, in the order of trust in published results; the gate settles the normalization.
FACTORS = (
    "Augment(strength='standard')",
    "Mixup(alpha=0.2)",
    "LabelSmoothing(alpha=0.1)",
    "Dropout(rate=0.2)",
    "WeightDecay(value=0.05)",
    "Schedule(shape='cosine')",
    "Activation(name='gelu')",
    "ClassBalance()",
)
NORMS = ("BatchNorm()", "GroupNorm()")
NORMALIZATION = "normalization"
GATE = ("Activation(name='gelu')", "Residual()")  # besides the norms
NOT_BY_DEFAULT = {
    "SAM": "two passes a step; ask for it with --only",
    "CutMix": "does what Mixup does, by pieces; ask for it with --only",
    "Loss": "changes what is minimized; ask for it with --only",
    "Residual": "the stability gate tries it; ask for it in the screen with --only",
    "SqueezeExcite": "more parameters and time per step; ask for it with --only",
    "StochasticDepth": "made for networks of many residual branches; ask for it with --only",
    "GradientClip": "enters when training is unstable; ask for it with --only",
    "DenseTopology": "another network, tried in pairs before the screen; ask for it with --only",
    "ResNeXtTopology": "another network, tried in pairs before the screen; ask for it with --only",
    "Deepen": "a larger network, tried in pairs before the screen; ask for it with --only",
    "Widen": "a larger network, tried in pairs before the screen; ask for it with --only",
}
STRENGTHS = {"Augment": 2}  # with mixed levels: so many of the levels that the technique declares
KINDS = ("Loss",)  # levels are of different kinds: asked for by name, all that fit the task are tried
RATES = Factor(name="learning rate", levels=("LearningRate(factor=0.33)", "LearningRate(factor=3.0)"), nuisance=True)
MOST_RECIPES = 20_000  # more combinations are not looked through

Clash = tuple[int, int, int, int]  # factor, level, factor, level that cannot stand together


class Factors:
    """Techniques that apply here, and the reasons of those that do not."""

    def __init__(self) -> None:
        self.usable: list[Factor] = []
        self.not_tried: list[dict[str, str]] = []

    @property
    def techniques(self) -> list[str]:
        """Notations of all levels that can be tried."""
        return [text for factor in self.usable for text in factor.levels]

    def try_on(self, plan: Plan, texts: Iterable[str], *, name: str = "") -> None:
        """Note which of the levels `texts` of one factor apply to `plan`."""
        fitting = tuple(text for text in texts if self._fits(plan, text))
        if fitting:
            self.usable.append(
                Factor(name=name if name and len(fitting) > 1 else _factor_name(fitting), levels=fitting)
            )

    def _fits(self, plan: Plan, text: str) -> bool:
        try:
            plan.then(parse(text))
        except (NotApplicable, Conflict) as reason:
            self.not_tried.append({"technique": repr(parse(text)), "reason": str(reason)})
            return False
        return True


def factors(
    plan: Plan,
    *,
    norm: str | None,
    only: tuple[str, ...] = (),
    mixed: bool = False,
    rates: bool = False,
    fixed_norm: bool = False,
) -> Factors:
    """The factors of the screen for `plan`, at most eleven, normalization first.

    Args:
        plan: The baseline.
        norm: The normalization the gate chose, or None.
        only: Names or notations the user limits the study to; several notations of one technique are its levels.
        mixed: Batch and group norm are one factor with three levels, and so is augmentation.
        rates: The learning rate is varied as well, as a nuisance.
        fixed_norm: The normalization is settled already and does not enter.

    Raises:
        UsageError: a name in `only` is unknown, or there are too many combinations.
    """
    found, wanted = Factors(), limited_to(only, mixed=mixed)
    choices = _norms(wanted, only) if mixed else [norm] if norm and (not only or _name(norm) in wanted) else []
    if choices and not fixed_norm:
        found.try_on(plan, _shown(choices), name=NORMALIZATION)
    default = {_name(text): _levels(text, mixed=mixed) for text in FACTORS}
    for name, texts in (wanted if only else default).items():
        if name not in map(_name, NORMS):
            found.try_on(plan, _shown(texts))
    room = MAX_FACTORS - rates
    for text in (text for factor in found.usable[room:] for text in factor.levels):
        found.not_tried.append({"technique": text, "reason": f"a screen holds {MAX_FACTORS} factors"})
    del found.usable[room:]
    if not only:
        found.not_tried += [{"technique": name, "reason": reason} for name, reason in NOT_BY_DEFAULT.items()]
    if rates and found.usable:
        found.usable.append(replace(RATES, levels=tuple(_shown(RATES.levels))))
    _check_number(found.usable)
    return found


def norms(plan: Plan, only: tuple[str, ...] = ()) -> Factors:
    """The normalizations the gate compares, each a factor of its own."""
    found = Factors()
    for text in _norms(limited_to(only), only):
        found.try_on(plan, _shown([text]))
    return found


def rebuilding(plan: Plan, only: tuple[str, ...]) -> Factors:
    """What `--only` names that changes the whole network: no factor, but tried against the network as it is.

    Raises:
        UsageError: as `limited_to`.
    """
    limited_to(only)
    found = Factors()
    for text in rebuilding_names(only):
        found.try_on(plan, [text])
    return found


def rebuilding_names(only: Iterable[str]) -> list[str]:
    """Notations of what `--only` names that changes the whole network, whether it applies or not."""
    return list(dict.fromkeys(_written(text.strip()) for text in only if _kind(text) == "gate"))


def settles_norm(start: Iterable[str]) -> bool:
    """Whether the techniques `start`, which the screen starts from, hold a normalization."""
    return any(_name(text) in map(_name, NORMS) for text in start)


def limited_to(only: tuple[str, ...], *, mixed: bool = False) -> dict[str, list[str]]:
    """The notations of `--only` by name: more than one where a technique is to have several levels.

    What changes the whole network is no factor and left out; see `rebuilding`.

    Raises:
        UsageError: a name or an argument is unknown, or it is no factor.
    """
    defaults = {_name(text): text for text in FACTORS}
    wanted: dict[str, list[str]] = {}
    for item in only:
        text = item.strip()
        name = _name(text)
        if name not in CATALOGUE:
            raise UsageError(f"--only names an unknown technique {text!r}; one of {', '.join(sorted(CATALOGUE))}")
        kind = CATALOGUE[name].kind
        if kind == "nuisance":
            raise UsageError(f"--only {name}: it is no technique to be judged; --vary-lr varies it beside the others")
        if kind == "gate":
            continue
        if kind != "factor":
            raise UsageError(
                f"--only {name}: it is a {kind}, measured on every run without being asked for; leave it out"
            )
        texts = [text] if "(" in text else _levels(defaults.get(name, f"{name}()"), mixed=mixed)
        known = wanted.setdefault(name, [])
        known += [text for text in map(_written, texts) if text not in known]
    return wanted


def techniques_of(found: Iterable[Factor], recipe: Recipe) -> list[str]:
    """Notations of what is on in `recipe`, in the order of the factors."""
    return [factor.levels[level - 1] for factor, level in zip(found, recipe, strict=True) if level]


def clashes(plan: Plan, found: list[Factor]) -> list[Clash]:
    """Levels of two factors that cannot stand together on `plan`.

    Pairs decide what can be run: trying every combination would build as many networks. Of the pairs those are tried
    that declare a conflict or change the same part of the plan.
    """
    places = [(j, level) for j, factor in enumerate(found) for level in range(1, len(factor.levels) + 1)]
    parts = {(j, level): _changed(plan, found[j].levels[level - 1]) for j, level in places}
    bad = []
    for i, a in places:
        for j, b in places:
            texts = [found[i].levels[a - 1], found[j].levels[b - 1]]
            if i < j and (parts[i, a] & parts[j, b] or _declared(*texts)) and applied(plan, texts) is None:
                bad.append((i, a, j, b))
    return bad


def _changed(plan: Plan, text: str) -> set[str]:
    """Fields of the plan that a technique changes."""
    after = applied(plan, [text])
    names = {field.name for field in fields(plan)} - {"applied"}
    return {name for name in names if getattr(after, name, None) is not getattr(plan, name)}


def _declared(one: str, other: str) -> bool:
    return _name(one) in CATALOGUE[_name(other)].conflicts or _name(other) in CATALOGUE[_name(one)].conflicts


def feasible_by(bad: Iterable[Clash]) -> Feasible:
    """Whether a recipe holds none of the clashes."""
    known = [tuple(clash) for clash in bad]

    def feasible(recipe: Recipe) -> bool:
        return not any(recipe[i] == a and recipe[j] == b for i, a, j, b in known)

    return feasible


def applied(plan: Plan, techniques: list[str]) -> Plan | None:
    """`plan` with `techniques`, or None where they cannot stand together."""
    try:
        return plan.then(*(parse(text) for text in techniques))
    except BurnishError:
        return None


def _norms(wanted: dict[str, list[str]], only: tuple[str, ...]) -> list[str]:
    return [text for norm in NORMS for text in (wanted.get(_name(norm), []) if only else [norm])]


def _levels(text: str, *, mixed: bool) -> list[str]:
    """`text`, or the first levels that its technique declares."""
    name = _name(text)
    if name not in KINDS and not (mixed and name in STRENGTHS):
        return [text]
    kind = CATALOGUE[name]
    return [repr(kind(**level)) for level in kind.levels[: STRENGTHS.get(name)]]


def _written(text: str) -> str:
    return repr(parse(text))


def _shown(texts: Iterable[str]) -> list[str]:
    return [_written(text) for text in texts]


def _factor_name(levels: tuple[str, ...]) -> str:
    """The technique itself where it has one level; else its name alone."""
    return levels[0] if len(levels) == 1 else _name(levels[0])


def _name(text: str) -> str:
    return text.split("(", 1)[0].strip()


def _kind(text: str) -> str:
    return CATALOGUE[_name(text)].kind


def _check_number(found: list[Factor]) -> None:
    count = 1
    for factor in found:
        count *= 1 + len(factor.levels)
    if count > MOST_RECIPES:
        raise UsageError(
            f"{len(found)} factors with so many levels make {count:,} recipes, more than {MOST_RECIPES:,}: name fewer "
            "techniques or levels with --only"
        )

"""Which techniques enter the experiment, and which do not and why."""

from burnish.errors import BurnishError, Conflict, NotApplicable, UsageError
from burnish.plan import Plan
from burnish.studies.design import MAX_FACTORS
from burnish.techniques import CATALOGUE, parse

__all__ = ["FACTORS", "Factors", "applied", "factors", "limited_to", "norms"]

# One level each, in the order of trust in published results; the gate settles the normalization.
FACTORS = (
    "Augment(strength='standard')",
    "Mixup(alpha=0.2)",
    "LabelSmoothing(alpha=0.1)",
    "Dropout(rate=0.2)",
    "WeightDecay(value=0.05)",
    "Schedule(shape='cosine')",
    "Activation(name='gelu')",
)
NORMS = ("BatchNorm()", "GroupNorm()")
GATE_ACTIVATION = "Activation(name='gelu')"
NOT_BY_DEFAULT = {
    "SAM": "two passes a step; ask for it with --only",
    "GradientClip": "enters when training is unstable; ask for it with --only",
}


class Factors:
    """Techniques that apply here, and the reasons of those that do not."""

    def __init__(self) -> None:
        self.usable: list[str] = []
        self.not_tried: list[dict[str, str]] = []

    def try_on(self, plan: Plan, text: str) -> bool:
        """Note whether technique `text` applies to `plan`."""
        technique = parse(text)
        try:
            plan.then(technique)
        except (NotApplicable, Conflict) as reason:
            self.not_tried.append({"technique": repr(technique), "reason": str(reason)})
            return False
        self.usable.append(repr(technique))
        return True


def factors(plan: Plan, *, norm: str | None, only: tuple[str, ...] = ()) -> Factors:
    """The factors of the screen for `plan`, at most eleven, with the gate's `norm` first.

    Args:
        plan: The baseline.
        norm: The normalization the gate chose, or None.
        only: Names or notations the user limits the study to.

    Raises:
        UsageError: a name in `only` is unknown.
    """
    found = Factors()
    wanted = limited_to(only)
    if norm and (not only or _name(norm) in wanted):
        found.try_on(plan, norm)
    for text in FACTORS if not only else wanted.values():
        if text not in found.usable and _name(text) not in ("BatchNorm", "GroupNorm"):
            found.try_on(plan, text)
    for text in found.usable[MAX_FACTORS:]:
        found.not_tried.append({"technique": text, "reason": f"a screen holds {MAX_FACTORS} factors"})
    del found.usable[MAX_FACTORS:]
    if not only:
        found.not_tried += [{"technique": name, "reason": reason} for name, reason in NOT_BY_DEFAULT.items()]
    return found


def norms(plan: Plan, only: tuple[str, ...] = ()) -> Factors:
    """The normalizations the gate compares."""
    found, wanted = Factors(), limited_to(only)
    for text in NORMS:
        if not only or _name(text) in wanted:
            found.try_on(plan, wanted.get(_name(text), text))
    return found


def limited_to(only: tuple[str, ...]) -> dict[str, str]:
    """The notations of `--only` by name.

    Raises:
        UsageError: a name or an argument is unknown, or it is no factor.
    """
    defaults = {_name(text): text for text in FACTORS}
    wanted = {}
    for item in only:
        text = item.strip()
        name = _name(text)
        if name not in CATALOGUE:
            raise UsageError(f"--only names an unknown technique {text!r}; one of {', '.join(sorted(CATALOGUE))}")
        kind = CATALOGUE[name].kind
        if kind != "factor":
            raise UsageError(
                f"--only {name}: it is a {kind}, measured on every run without being asked for; leave it out"
            )
        notation = text if "(" in text else defaults.get(name, f"{name}()")
        parse(notation)
        wanted[name] = notation
    return wanted


def _name(text: str) -> str:
    return text.split("(", 1)[0]


def applied(plan: Plan, techniques: list[str]) -> Plan | None:
    """`plan` with `techniques`, or None where they cannot stand together."""
    try:
        return plan.then(*(parse(text) for text in techniques))
    except BurnishError:
        return None

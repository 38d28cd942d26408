"""What can be found wrong before anything is trained or written: names first, then network and techniques."""

from burnish.diagnosis.preflight import preflight
from burnish.errors import Conflict, NotApplicable, UsageError
from burnish.losses import LOSSES
from burnish.pipeline.factors import limited_to
from burnish.pipeline.logs import check_loggers
from burnish.pipeline.recipe import Recipe
from burnish.pipeline.setup import base_plan, load_data, named_loss
from burnish.plan import Plan
from burnish.records import Finding
from burnish.studies.budget import Budget
from burnish.techniques import parse
from burnish.training.loop import device_for
from burnish.training.optimizers import OPTIMIZERS

__all__ = ["bug_checks", "check_plan", "check_recipe", "checked_plan"]


def checked_plan(recipe: Recipe) -> Plan:
    """The baseline plan of `recipe`, all of it checked but for what needs the network to run.

    Raises:
        UsageError: a name, the data, the network or a technique cannot be used.
    """
    check_recipe(recipe)
    plan = base_plan(recipe, load_data(recipe))
    check_plan(recipe, plan)
    return plan


def check_recipe(recipe: Recipe) -> None:
    """Refuse names that do not exist, before data are read.

    Raises:
        UsageError: a technique, optimizer, loss, budget or device is unknown; the message lists those that are there.
    """
    Budget.parse(recipe.budget)
    for text in recipe.techniques:
        parse(text)
    limited_to(recipe.only)
    if recipe.optimizer is not None and recipe.optimizer not in OPTIMIZERS:
        raise UsageError(f"unknown optimizer {recipe.optimizer!r}; one of {', '.join(OPTIMIZERS)}")
    if recipe.loss is not None:
        named_loss(recipe.loss)
    device_for(recipe.device)
    check_loggers(recipe.log)


def check_plan(recipe: Recipe, plan: Plan) -> None:
    """Refuse a loss for another task, and techniques that do not go together or have nothing to do here.

    Raises:
        UsageError: the message names what does not fit.
    """
    kind = plan.data.task.kind
    if plan.loss is not None and plan.loss.function is None and plan.loss.name not in LOSSES[kind]:
        raise UsageError(f"the loss {plan.loss.name!r} is not for {kind}; one of {', '.join(LOSSES[kind])}")
    try:
        plan.then(*(parse(text) for text in recipe.techniques))
    except (Conflict, NotApplicable) as error:
        raise UsageError(str(error)) from error


def bug_checks(plan: Plan) -> list[Finding]:
    """The findings of the preflight, which stops on bugs.

    Raises:
        UsageError: the network cannot be built, fails, or has outputs of another width.
    """
    plan.probe()
    return preflight(plan)

"""What is predicted. One file per kind of task; `TASKS` is the catalogue."""

from typing import Any

from burnish.errors import UsageError
from burnish.tasks.base import Task as Task
from burnish.tasks.base import described as described
from burnish.tasks.classification import Classification as Classification
from burnish.tasks.multilabel import Multilabel as Multilabel
from burnish.tasks.regression import Regression as Regression

TASKS: dict[str, type[Classification] | type[Multilabel] | type[Regression]] = {
    "classification": Classification,
    "multilabel": Multilabel,
    "regression": Regression,
}


def task_from_json(value: dict[str, Any]) -> Task:
    """Rebuild a task from `task.to_json()`.

    Raises:
        UsageError: the kind is unknown.
    """
    kind = value.get("kind")
    if kind not in TASKS:
        raise UsageError(f"unknown task {kind!r}; one of {', '.join(TASKS)}")
    return TASKS[kind].from_json(value)

"""The main job: the stages in order, each resumable; and the commands that use parts of it."""

from typing import Any

__all__ = ["Recipe", "run"]


def __getattr__(name: str) -> Any:
    if name == "run":
        from burnish.pipeline.main_job import run

        return run
    if name == "Recipe":
        from burnish.pipeline.recipe import Recipe

        return Recipe
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

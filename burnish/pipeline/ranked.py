"""One run by several ranks: all train, the first one measures and writes."""

from typing import Any

from burnish.pipeline import parcel, worker
from burnish.training.ranks import together

__all__ = ["work"]

Json = dict[str, Any]
TOGETHER = ("train",)  # kinds of runs that all ranks share; the others are the first one's alone
_opened: set[str] = set()


def work(shared: Json, payload: Json) -> Json:
    """Carry out the run `payload` together with the other ranks; see `pipeline.worker.work`."""
    context = shared["context"]
    if "parcel" in shared and context["held"] not in _opened:  # the first rank holds the plan already
        worker.keep(context["held"], parcel.unpacked(shared["parcel"]))
        _opened.add(context["held"])
    if payload["kind"] in TOGETHER:
        with together():
            return worker.work(context, payload)
    return worker.work(context, payload) if shared["first"] else {}

"""What several ranks do together in the tests; imported by name in fresh processes."""

import os
import signal
from pathlib import Path

from torch import distributed, nn

from burnish.data import load
from burnish.plan import Averaging, Plan
from burnish.techniques import parse
from burnish.training import fit
from burnish.training.ranks import together

TECHNIQUES = ("SAM(rho=0.05)", "LabelSmoothing(alpha=0.1)", "Mixup(alpha=0.2)", "GradientClip(value=1.0)")


def net():
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 16), nn.ReLU(), nn.Linear(16, 10))


def plan(techniques=(), batch_size=30):
    """62 training rows: the last batch is smaller than the others, and of 30 rows 15 are odd for two ranks."""
    base = Plan(model=net, data=load("digits", max_rows=206), epochs=3, batch_size=batch_size)
    return base.then(*(parse(text) for text in techniques))


def train(shared, payload):
    """Curves, outputs and weights of a training."""
    with together():
        fitted = fit(
            plan(payload["techniques"]), seed=1, shadows=[Averaging(decay=0.9)], checkpoint=Path(payload["checkpoint"])
        )
    weights = {name: value.tolist() for name, value in fitted.model.state_dict().items()}
    shadow = {name: value.tolist() for name, value in fitted.shadows["ema"].state_dict().items()}
    return {"curves": fitted.curves, "outputs": fitted.epoch_outputs, "weights": weights, "shadow": shadow}


def misbehave(shared, payload):
    """Raise in every rank, or end one rank at the first attempt."""
    if payload["do"] == "raise":
        raise ValueError("bad luck")
    mark = Path(payload["mark"])
    if payload["do"] == "die" and distributed.get_rank() and not mark.exists():
        mark.touch()
        os.kill(os.getpid(), signal.SIGKILL)
    distributed.barrier()
    return {"rank": distributed.get_rank(), "size": distributed.get_world_size(), "shared": shared}

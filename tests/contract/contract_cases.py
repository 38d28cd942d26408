"""One line for each technique of the catalogue: what the contract tests apply, and what must be a no-op.

`NO_NEUTRAL` holds the techniques without a neutral strength, with the reason.
"""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from contract_ranks import KINDS, branched, tiny
from safetensors.torch import save_file

import burnish.techniques
from burnish.errors import Conflict, NotApplicable
from burnish.model.zoo import cnn
from burnish.techniques import CATALOGUE, parse


@dataclass(frozen=True)
class Case:
    text: str
    neutral: str | None = None
    model: Callable | None = None  # makes a network that has what the technique works on

    def on(self, plan):
        """The plan with a network that the technique applies to."""
        return plan if self.model is None else replace(plan, model=self.model)

    @property
    def technique(self):
        return parse(self.text)


def weights():
    """A file with weights for every network that the contract is tested on, each under a name of its own."""
    file = Path(tempfile.gettempdir()) / "burnish-contract-weights.safetensors"
    with torch.random.fork_rng():
        torch.manual_seed(99)
        networks = {"digits": cnn((1, 8, 8), 10), **{kind.replace(" ", "_"): tiny(kind).build(99) for kind in KINDS}}
    state = {
        f"{name}.{key}": t.clone() for name, network in networks.items() for key, t in network.state_dict().items()
    }
    partial = file.with_suffix(f".{os.getpid()}")
    save_file(state, partial)
    partial.rename(file)
    return file


CASES = {
    "Activation": Case("Activation(name='gelu')"),
    "Augment": Case("Augment(strength='strong')", neutral="Augment(strength='none')"),
    "BatchNorm": Case("BatchNorm()"),
    "ClassBalance": Case(
        "ClassBalance(beta=1.0, sampling=True, least=1.0)", neutral="ClassBalance(beta=0.0, least=1.0)"
    ),
    "Deepen": Case("Deepen(layers=1)"),
    "CutMix": Case("CutMix(alpha=0.5)", neutral="CutMix(alpha=0.0)"),
    "DenseTopology": Case("DenseTopology(match='parameters')"),
    "Distill": Case("Distill(narrow=0.25)"),
    "Dropout": Case("Dropout(rate=0.2)", neutral="Dropout(rate=0.0)"),
    "EMA": Case("EMA(decay=0.9)", neutral="EMA(decay=0.0)"),
    "EarlyStopping": Case("EarlyStopping(patience=1)"),
    "Ensemble": Case("Ensemble(members=3)"),
    "GradientClip": Case("GradientClip(value=0.1)", neutral="GradientClip(value=0.0)"),
    "GroupNorm": Case("GroupNorm(groups=4)"),
    "LabelSmoothing": Case("LabelSmoothing(alpha=0.2)", neutral="LabelSmoothing(alpha=0.0)"),
    "LearningRate": Case("LearningRate(factor=0.33)", neutral="LearningRate(factor=1.0)"),
    "Loss": Case("Loss(name='focal', gamma=1.0)"),
    "Mixup": Case("Mixup(alpha=0.4)", neutral="Mixup(alpha=0.0)"),
    "Residual": Case("Residual()"),
    "ResNeXtTopology": Case("ResNeXtTopology(match='parameters')"),
    "Prune": Case("Prune(ratio=0.5)"),
    "Quantize": Case("Quantize(agreement=0.0)"),
    "SAM": Case("SAM(rho=0.05)", neutral="SAM(rho=0.0)"),
    "SWA": Case("SWA(start=0.0)"),
    "Schedule": Case("Schedule(shape='linear')", neutral="Schedule(shape='constant', warmup=0.0)"),
    "SqueezeExcite": Case("SqueezeExcite(reduction=4)"),
    "StochasticDepth": Case("StochasticDepth(rate=0.3)", neutral="StochasticDepth(rate=0.0)", model=branched),
    "Transfer": Case(f"Transfer(source={str(weights())!r})"),
    "TemperatureScaling": Case("TemperatureScaling()"),
    "TestTimeAugmentation": Case("TestTimeAugmentation(shift=1)", neutral="TestTimeAugmentation(shift=0, flip=False)"),
    "Threshold": Case("Threshold()"),
    "WeightDecay": Case("WeightDecay(value=0.2)", neutral="WeightDecay(value=0.0)"),
    "Widen": Case("Widen(factor=1.5)"),
}

# They change nothing in a training: they are carried out on what it left.
AFTERWARDS = {"Ensemble", "TemperatureScaling", "Threshold"}

NO_NEUTRAL = {
    "Activation": "an activation has no strength, and the one the network has already is refused",
    "Loss": "a loss has no strength, and the one the plan has already is refused",
    "BatchNorm": "a layer that normalizes has no strength",
    "Residual": "a shortcut has no strength",
    "SqueezeExcite": "gates have no strength that leaves them out",
    "DenseTopology": "another topology has no strength",
    "ResNeXtTopology": "another topology has no strength",
    "Deepen": "a layer more has no strength",
    "Widen": "at least one channel more is added",
    "GroupNorm": "a layer that normalizes has no strength",
    "Transfer": "weights of another training have no strength",
    "SWA": "the mean of the last epoch alone still has batch statistics estimated anew",
    "TemperatureScaling": "it has no strength: it is fitted",
    "Threshold": "it has no strength: it is fitted",
    "Ensemble": "one network is no ensemble",
    "Distill": "a student is another network",
    "Prune": "a share of zero is refused",
    "Quantize": "rounding has no strength",
    "EarlyStopping": "however long the patience, the weights that stay are the best ones, not the last",
}

# What a technique is known not to do, by name and check of the matrix, with the reason.
EXCEPTIONS: dict[tuple[str, str], str] = {}

NAMES = sorted(CATALOGUE)
OTHER_DATA = {"Threshold": "it decides between two classes, and the plan has ten: tests/techniques/test_readouts.py"}
HERE = [name for name in NAMES if name not in OTHER_DATA]
NOT_TECHNIQUES = {"__init__", "notation"}  # files of the folder that are neither a technique nor private


def applied(plan, *techniques):
    """The plan with `techniques`, or why not."""
    try:
        return plan.then(*techniques)
    except (Conflict, NotApplicable) as reason:
        return str(reason)


def files():
    """Names of the technique files."""
    folder = Path(burnish.techniques.__file__).parent
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")} - NOT_TECHNIQUES

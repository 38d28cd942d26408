"""One line for each technique of the catalogue: what the contract tests apply, and what must be a no-op.

`NO_NEUTRAL` holds the techniques without a neutral strength, with the reason.
"""

from dataclasses import dataclass
from pathlib import Path

import burnish.techniques
from burnish.techniques import CATALOGUE, parse


@dataclass(frozen=True)
class Case:
    text: str
    neutral: str | None = None

    @property
    def technique(self):
        return parse(self.text)


CASES = {
    "Activation": Case("Activation(name='gelu')"),
    "Augment": Case("Augment(strength='strong')", neutral="Augment(strength='none')"),
    "BatchNorm": Case("BatchNorm()"),
    "ClassBalance": Case(
        "ClassBalance(beta=1.0, sampling=True, least=1.0)", neutral="ClassBalance(beta=0.0, least=1.0)"
    ),
    "Dropout": Case("Dropout(rate=0.2)", neutral="Dropout(rate=0.0)"),
    "EMA": Case("EMA(decay=0.9)", neutral="EMA(decay=0.0)"),
    "EarlyStopping": Case("EarlyStopping(patience=1)"),
    "GradientClip": Case("GradientClip(value=0.1)", neutral="GradientClip(value=0.0)"),
    "GroupNorm": Case("GroupNorm(groups=4)"),
    "LabelSmoothing": Case("LabelSmoothing(alpha=0.2)", neutral="LabelSmoothing(alpha=0.0)"),
    "LearningRate": Case("LearningRate(factor=0.33)", neutral="LearningRate(factor=1.0)"),
    "Loss": Case("Loss(name='focal', gamma=1.0)"),
    "Mixup": Case("Mixup(alpha=0.4)", neutral="Mixup(alpha=0.0)"),
    "SAM": Case("SAM(rho=0.05)", neutral="SAM(rho=0.0)"),
    "Schedule": Case("Schedule(shape='linear')", neutral="Schedule(shape='constant', warmup=0.0)"),
    "WeightDecay": Case("WeightDecay(value=0.2)", neutral="WeightDecay(value=0.0)"),
}

NO_NEUTRAL = {
    "Activation": "an activation has no strength, and the one the network has already is refused",
    "Loss": "a loss has no strength, and the one the plan has already is refused",
    "BatchNorm": "a layer that normalizes has no strength",
    "GroupNorm": "a layer that normalizes has no strength",
    "EarlyStopping": "however long the patience, the weights that stay are the best ones, not the last",
}

NAMES = sorted(CATALOGUE)
NOT_TECHNIQUES = {"__init__", "notation"}  # files of the folder that are neither a technique nor private


def files():
    """Names of the technique files."""
    folder = Path(burnish.techniques.__file__).parent
    return {path.stem for path in folder.glob("*.py") if not path.stem.startswith("_")} - NOT_TECHNIQUES

"""The catalogue of techniques: one line each. `parse` reads their notation."""

from dataclasses import is_dataclass
from typing import Any

from burnish.techniques._describe import described
from burnish.techniques.activation import Activation as Activation
from burnish.techniques.augment import Augment as Augment
from burnish.techniques.batch_norm import BatchNorm as BatchNorm
from burnish.techniques.class_balance import ClassBalance as ClassBalance
from burnish.techniques.clip import GradientClip as GradientClip
from burnish.techniques.cutmix import CutMix as CutMix
from burnish.techniques.deepen import Deepen as Deepen
from burnish.techniques.dense_topology import DenseTopology as DenseTopology
from burnish.techniques.distill import Distill as Distill
from burnish.techniques.dropout import Dropout as Dropout
from burnish.techniques.early_stopping import EarlyStopping as EarlyStopping
from burnish.techniques.ema import EMA as EMA
from burnish.techniques.ensemble import Ensemble as Ensemble
from burnish.techniques.group_norm import GroupNorm as GroupNorm
from burnish.techniques.label_smoothing import LabelSmoothing as LabelSmoothing
from burnish.techniques.learning_rate import LearningRate as LearningRate
from burnish.techniques.loss import Loss as Loss
from burnish.techniques.mixup import Mixup as Mixup
from burnish.techniques.notation import lookup
from burnish.techniques.notation import parse as parse
from burnish.techniques.prune import Prune as Prune
from burnish.techniques.quantize import Quantize as Quantize
from burnish.techniques.residual import Residual as Residual
from burnish.techniques.resnext_topology import ResNeXtTopology as ResNeXtTopology
from burnish.techniques.sam import SAM as SAM
from burnish.techniques.schedule import Schedule as Schedule
from burnish.techniques.squeeze_excite import SqueezeExcite as SqueezeExcite
from burnish.techniques.stochastic_depth import StochasticDepth as StochasticDepth
from burnish.techniques.swa import SWA as SWA
from burnish.techniques.temperature import TemperatureScaling as TemperatureScaling
from burnish.techniques.test_time_augmentation import TestTimeAugmentation as TestTimeAugmentation
from burnish.techniques.threshold import Threshold as Threshold
from burnish.techniques.transfer import Transfer as Transfer
from burnish.techniques.weight_decay import WeightDecay as WeightDecay
from burnish.techniques.widen import Widen as Widen

CATALOGUE: dict[str, type[Any]] = {
    name: value for name, value in list(globals().items()) if isinstance(value, type) and is_dataclass(value)
}


def describe(name: str) -> dict[str, Any]:
    """What there is to know about the technique called `name`, as plain types (see `_describe.described`).

    Raises:
        UsageError: the name is unknown.

    Example:
        >>> describe("Mixup")["default"]
        'Mixup(alpha=0.2)'
    """
    return described(lookup(name, CATALOGUE))


def catalogue() -> list[dict[str, Any]]:
    """`describe` of every technique, by name."""
    return [describe(name) for name in sorted(CATALOGUE)]

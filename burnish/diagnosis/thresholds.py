"""Where each rule starts to fire: all thresholds in one value, so that they can be calibrated and overridden.

What a comment gives a source is stated there; all else is a heuristic of ours, open to evidence.
"""

import difflib
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace

from burnish.errors import UsageError

__all__ = ["Thresholds"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Thresholds:
    """One number for each decision of a rule. `--threshold NAME=VALUE` overrides one.

    Example:
        >>> Thresholds.parse(["degradation=0.2"]).degradation
        0.2
    """

    # Everywhere: an effect has to exceed this many standard errors.
    standard_errors: float = 2.0

    # R1 start of training (Karpathy 2019; the tolerances are heuristic)
    start_loss_off: float = 0.15  # relative, against the logarithm of the number of classes
    start_loss_ratio: float = 2.0  # regression on standardized values: against the loss of predicting the mean
    fit_error: float = 0.02  # share of one batch's error (or variance) that may remain

    # R2 simple baseline (deepchecks, Simple Model Comparison: gain of at least 0.1 of what is left to gain)
    closed_share: float = 0.1

    # R3 duplicates across splits (cleanlab and deepchecks warn above zero; Barz and Denzler 2020)
    duplicates_warn: float = 0.01  # share of the rows looked at
    duplicates_severe: float = 0.05

    # R4 resolution (arithmetic: the standard error against half the gain that matters)
    resolution_share: float = 0.5

    # R5 underfitting (Ng's bias-variance chart: the largest gap)
    least_error: float = 0.02

    # R6 overfitting (tuning playbook: validation loss rises; deepchecks, train-test degradation 0.1)
    rise_in_errors: float = 2.0
    degradation: float = 0.1

    # R7 budget (tuning playbook: best step in the last 25 % or the first 10 %)
    late: float = 0.75
    early: float = 0.1

    # R8 learning curve (Viering and Loog 2023)
    more_data_gain: float = 0.05  # relative fall of the error that twice the rows should bring

    # R9 imbalance (cleanlab: rarest class under 0.1 / K; deepchecks: class ratio 0.1, spread of scores 0.3)
    rare_share: float = 0.1
    class_ratio: float = 0.1
    class_ratio_seen: float = 0.25  # where the rarest class also has the lowest recall
    recall_spread: float = 0.3

    # R10 metric mismatch
    metrics_apart: float = 0.05
    rank_agreement: float = 0.7  # Kendall's tau of runs and epochs under the two metrics

    # R11 label errors (Northcutt 2021: benchmarks have 3.3 % on average)
    label_errors: float = 0.02

    # R12 and R13 learning rate (tuning playbook, Smith 2017)
    spike: float = 2.0  # training loss of an epoch against the lowest before it
    blown: float = 10.0  # training loss of the last epoch against the loss of knowing nothing
    rate_apart: float = 10.0  # best rate of a short test against the one in use
    update_high: float = 0.025  # of the weights, in one step; CS231n: 0.001, but Adam does well at ten times that
    update_low: float = 1e-4  # CS231n: lower than 0.001 is slow
    rate_gain: float = 0.2  # share of the loss that the better rate takes off in that test

    # R14 gradients
    gradient_ratio: float = 1e-3
    activation_drift: float = 100.0  # a layer's outputs after a few steps against before; healthy layers grow by 15

    # R15 dead units (CS231n: as much as 40 %)
    dead_warn: float = 0.4  # healthy networks trained with Adam have 10 to 32 % (benchmarks/diagnosis)
    dead_severe: float = 0.6

    # R16 batch statistics (Wu and He 2018: batches of 8 and fewer)
    small_batch: float = 8
    mode_difference: float = 0.1
    mode_least_loss: float = 0.02

    # R17 calibration (Guo 2017, Roelofs 2022)
    calibration_error: float = 0.02
    temperature_low: float = 0.9
    temperature_high: float = 1.1

    # R18 corruptions (Hendrycks and Dietterich 2019 for the corruptions)
    corrupted_ratio: float = 2.0  # error at severity 3 against the clean one
    corrupted_rise: float = 0.15

    # R19 seed instability (Jordan 2023: the spread expected of finite test sets)
    spread_factor: float = 2.0

    # R20 over-parameterised, R21 int8
    pruned_share: float = 0.5
    quiet_channels: float = 0.2  # share of the batch-normalized channels that are next to off
    int8_loss: float = 0.005

    # R22 input pipeline (tuning playbook, NVIDIA DALI)
    feed_share: float = 0.1
    replay_gain: float = 1.2  # steps a second with batches that are there already, against as it is
    feed_seconds: float = 5.0  # of a whole training; below that nobody waits

    # R23 shift (Rabanser 2019; deepchecks: label drift 0.15)
    domain_auc: float = 0.55
    domain_auc_severe: float = 0.7
    ks_level: float = 0.05  # before Bonferroni's correction for the number of dimensions
    label_drift: float = 0.15

    # R24 winner's curse
    gain_kept: float = 0.5

    # Data
    leak_power: float = 0.8  # deepchecks: predictive power of a single feature above 0.8
    token_share: float = 0.02  # a token that gives the answer away is in that share of the rows at least
    conflicts: float = 0.005  # share of the rows whose input is there with another label
    missing_share: float = 0.3
    order_ratio: float = 0.7  # distance of neighbouring rows against that of rows at random
    group_power: float = 0.15  # share of the error that rows with the same value take off, beyond rows of the next ones
    odd_files: float = 0.0  # share of the examples that are blank or cannot be read
    input_scale: float = 4.0  # root mean square of a channel or column

    # Network and plan
    class_changed: float = 0.3  # share of a class that augmentation turns into one other class
    skill_gone: float = 0.4  # share of the skill that is gone on augmented rows

    @classmethod
    def parse(cls, given: "Iterable[str] | Mapping[str, float] | Thresholds | None") -> "Thresholds":
        """The thresholds with those `given` as `NAME=VALUE`, or in a mapping, in place of the defaults.

        Raises:
            UsageError: a name is unknown, or a value is no finite number.
        """
        if isinstance(given, Thresholds):
            return given
        pairs = given.items() if isinstance(given, Mapping) else [_pair(text) for text in given or ()]
        known = [f.name for f in fields(cls)]
        return replace(cls(), **{_known(name, known): _number(name, value) for name, value in pairs})


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign:
        raise UsageError(f"--threshold takes NAME=VALUE, got {text!r}; for instance --threshold degradation=0.2")
    return name.strip(), value.strip()


def _known(name: str, known: list[str]) -> str:
    clean = name.replace("-", "_").lower()
    if clean not in known:
        near = difflib.get_close_matches(clean, known, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise UsageError(f"unknown threshold {name!r}{hint}; there are {', '.join(known)}")
    return clean


def _number(name: str, value: object) -> float:
    try:
        number = float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise UsageError(f"the threshold {name} must be a finite number, got {value!r}")
    return number

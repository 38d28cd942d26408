"""What should be named; first written before any result, later changes are told in `benchmarks/README.md`.

For each planted fault the findings that name it: R… is a rule, P… a bug check, D… a data check. A
bug check may also stop the diagnosis with an error, which names the fault just as well. Findings that merely follow
from the fault (a too high rate also fits the training rows badly) are not in its set.
"""

from dataclasses import dataclass

__all__ = ["CALIBRATION", "EXPECTED", "TRUE_FINDINGS", "Expected"]

# Thresholds were tuned on these data sets alone; the others are held out. Of each pair (images, texts, tables) it is
# the one whose name has the smaller SHA-256.
CALIBRATION = ("cifar10", "trec", "adult")

CLASSES = ("digits", "cifar10", "trec", "sst2", "adult")
IMAGES, TEXTS, TABLES = ("digits", "cifar10"), ("trec", "sst2"), ("adult", "kin8nm")
ALL = (*CLASSES, "kin8nm")
FOUR = ("digits", "trec", "adult", "kin8nm")


@dataclass(frozen=True)
class Expected:
    """The findings that name a fault, why, and the data sets it is planted in."""

    names: tuple[str, ...]
    why: str
    data: tuple[str, ...]


EXPECTED: dict[str, Expected] = {
    "labels_flipped_5": Expected(("R11",), "label noise", CLASSES),
    "labels_flipped_20": Expected(("R11",), "label noise", CLASSES),
    "labels_flipped_40": Expected(("R11",), "label noise", CLASSES),
    "labels_shuffled": Expected(("R2", "R11"), "nothing is learned, or all labels are doubted", ALL),
    "leak_in_column": Expected(("D1",), "a column gives the answer away", TABLES),
    "leak_in_token": Expected(("D1",), "a token gives the answer away", TEXTS),
    "duplicates_across_splits": Expected(("R3",), "copies on both sides of the split", ALL),
    "class_cut_to_2_percent": Expected(("R9",), "imbalance", CLASSES),
    "rate_x30": Expected(("R12",), "rate too high", ALL),
    "rate_/300": Expected(("R13",), "rate too low", ALL),
    "sigmoid_stack": Expected(("R14",), "vanishing gradients", (*IMAGES, *TABLES)),
    "dead_relus": Expected(("R15",), "dead units", (*IMAGES, *TABLES, "trec", "sst2")),
    "batch_norm_batches_of_2": Expected(("R16",), "batch statistics of two examples", (*IMAGES, *TABLES)),
    "network_too_small": Expected(("R5",), "underfitting", ("digits", "cifar10", "trec", "kin8nm")),
    "network_too_large": Expected(("R20",), "over-parameterised", ALL),
    "data_3_percent": Expected(("R8",), "too little data", ALL[1:]),
    "inputs_not_normalized": Expected(("R1", "P11"), "loss at the start, or the scale", (*IMAGES, *TABLES)),
    "shift_to_validation": Expected(("R23",), "training and validation differ", ALL),
    "metric_direction": Expected(("R2", "R10", "P10"), "learning makes it worse", FOUR),
    "augmentation_changes_class": Expected(("R5", "P12"), "clean training rows are not fitted", ALL),
    "layers_frozen": Expected(("P4", "R1"), "parameters that are not trained", ("digits", "cifar10", "trec", "kin8nm")),
    "layers_detached": Expected(("P4", "R1"), "parameters without gradient", ("digits", "cifar10", "trec", "kin8nm")),
    "softmax_twice": Expected(("R1", "P8"), "probabilities where logits belong", CLASSES),
    "loss_on_wrong_axis": Expected(("R1", "P9"), "the loss mixes examples", FOUR),
    "dropout_in_evaluation": Expected(("P5",), "random in evaluation mode", ("digits", "trec", "adult")),
    "batch_norm_in_evaluation": Expected(("P6", "R16"), "examples mixed in evaluation mode", ("digits", "adult")),
}

SMALL = "about 700 validation rows cannot show half a point on one split"
OVERFIT = "1,500 training rows are learned by heart: training is far better than validation"
LARGE = "a network of 10⁴ to 10⁵ weights on 1,500 rows has weights to spare; pruning half costs nothing"
LITTLE = "1,500 of the 5,000 to 60,000 rows there are: more rows do bring more"
FRAGILE = "no augmentation: noise and blur cost more than 15 points, or at least double the error"
CONFIDENT = "trained without regularization until training rows fit: overconfident"

# Findings that are true of the healthy case, with the reason: no false alarms.
TRUE_FINDINGS: dict[str, dict[str, str]] = {
    "digits": {"R4": SMALL, "R20": LARGE, "R18": FRAGILE},
    "cifar10": {
        "R3": "CIFAR-10 has about 3 % near duplicates between its splits",
        "R4": SMALL,
        "R5": "a fifth of the training rows is wrong after 12 epochs, 2 % after three times as many",
        "R6": OVERFIT,
        "R8": LITTLE,
        "R17": CONFIDENT,
        "R20": LARGE,
        "R18": FRAGILE,
    },
    "trec": {
        "R2": "a linear model on word counts is as good as a small network on 1,600 questions",
        "R4": SMALL,
        "R6": OVERFIT,
        "R8": LITTLE,
        "R9": "one class of six has 1.2 % of the rows",
        "R10": "accuracy and macro F1 differ by the rare class",
        "R17": CONFIDENT,
        "R20": LARGE,
    },
    "sst2": {
        "R1": "the maximum over the words of fresh convolutions is far from zero: the loss starts a sixth too high",
        "R3": "phrases of the same sentences: some validation phrases equal training phrases but for spaces",
        "R2": "a bag of words is as good as a small network on 1,600 phrases",
        "R4": SMALL,
        "R6": OVERFIT,
        "R8": LITTLE,
        "R11": "a phrase cut out of a sentence keeps the sentence's label range: many are neutral in themselves",
        "R17": CONFIDENT,
        "R20": LARGE,
    },
    "adult": {
        "R10": "24 % positive: macro F1 is well below accuracy",
        "R2": "a linear model on 1,600 rows is as good as a network",
        "R4": SMALL,
        "R5": "income is not determined by these columns: the error that remains is mostly noise",
        "R20": LARGE,
        "D3": "workclass, occupation and native_country have missing values",
    },
    "kin8nm": {
        "R4": SMALL,
        "R5": "RMSE on training rows 0.080 after 25 epochs, 0.065 after three times as many",
        "R6": "the error on validation is a fifth above that on training rows",
        "R8": LITTLE,
        "R18": "each of the eight columns matters, so a missing one costs much",
        "R20": LARGE,
    },
}

"""Where each rule starts to fire. All in one place, so that they can be calibrated.

`source` thresholds are stated in the named source; `heuristic` ones are ours, open to evidence.
"""

# R1 loss at the start, one batch (Karpathy 2019, "A Recipe for Training Neural Networks"; tolerances heuristic)
START_LOSS_OFF = 0.15  # relative, against the logarithm of the number of classes
START_LOSS_RATIO = 2.0  # regression on standardized values: against the loss of predicting the mean
FIT_ROWS, FIT_STEPS, FIT_RATES = 16, 300, (1e-3, 1e-2)
FIT_LEAST_STEPS, FIT_OPERATIONS = 50, 5e12  # below so many steps the operations allowed do not tell anything
FIT_ERROR = 0.02  # share of the batch's error (or variance) that may remain

# R2 simple baseline (deepchecks, "Simple Model Comparison": gain of at least 0.1 of what is left to gain)
CLOSED_SHARE = 0.1
BASELINE_ROWS, BASELINE_FEATURES = 2000, 256

# R3 leakage (cleanlab and deepchecks warn above zero; Barz and Denzler 2020; the percentages are heuristic)
DUPLICATES_WARN, DUPLICATES_SEVERE = 0.01, 0.05

# R4 resolution of the validation set (arithmetic: the standard error against half the gain that matters)
RESOLUTION_SHARE = 0.5

# R5 underfitting (Ng's bias-variance chart: the largest gap; the least error worth mentioning is heuristic)
LEAST_ERROR = 0.02

# R6 overfitting (tuning playbook: validation loss rises; deepchecks, train-test degradation 0.1)
RISE_IN_ERRORS, DEGRADATION = 2.0, 0.1

# R7 budget (tuning playbook: best step in the last 25 % or the first 10 %)
LATE, EARLY, LEAST_EPOCHS = 0.75, 0.1, 8

# R9 imbalance (cleanlab: rarest class under 0.1 / K; deepchecks: class ratio 0.1, spread of scores 0.3)
RARE_SHARE, CLASS_RATIO, RECALL_SPREAD, LEAST_SUPPORT = 0.1, 0.1, 0.3, 5

# R10 metric mismatch (heuristic)
METRICS_APART = 0.05

# R12 and R13 learning rate (tuning playbook; the spike is heuristic)
SPIKE = 2.0  # training loss of an epoch against the lowest before it
BLOWN = 10.0  # training loss of the last epoch against the loss of knowing nothing

# R14 gradients at the start (heuristic)
GRADIENT_RATIO = 1e-3

# R15 dead units (CS231n: "as much as 40 %"; the warning is heuristic)
DEAD_WARN, DEAD_SEVERE, DEAD_ROWS, DEAD_LEAST_ROWS = 0.1, 0.4, 2048, 100

# R16 batch statistics (Wu and He 2018: batches of 8 and fewer; the share is heuristic)
SMALL_BATCH, MODE_DIFFERENCE, MODE_LEAST_LOSS = 8, 0.1, 0.02

# R17 calibration (Guo 2017, Roelofs 2022; the cut-offs are heuristic)
CALIBRATION_ERROR, TEMPERATURES = 0.02, (0.9, 1.1)

# R19 seed instability (Jordan 2023: spread expected of finite test sets; the factor is heuristic)
SPREAD_FACTOR, LEAST_RUNS = 2.0, 3

# Everywhere: an effect has to exceed this many standard errors.
STANDARD_ERRORS = 2.0

"""One technique against the baseline, in pairs: the same splits and initializations with it and without.

On the command line: burnish compare cnn --data digits --with "LabelSmoothing(alpha=0.1)"
"""

import burnish as bu
from burnish.techniques import BatchNorm, LabelSmoothing

base = bu.Plan(model="cnn", data=bu.load("digits", seed=0), epochs=12, batch_size=32)
plan = base.then(BatchNorm(), LabelSmoothing(alpha=0.1))  # `base` stays as it is

before, after = bu.train(base, seeds=range(3)), bu.train(plan, seeds=range(3))
comparison = bu.compare(before, after)

print(comparison)  # the gain with its interval, and what it costs in time and size
for without, with_it in comparison.pairs:
    print(f"  {without:.4f} -> {with_it:.4f}")

"""Which techniques pay? A designed experiment from Python, on a small table so that it takes seconds.

On the command line: burnish study --data wine.csv --budget quick --only "Dropout,WeightDecay,Schedule"
"""

from sklearn.datasets import load_wine
from torch import nn

import burnish as bu
from burnish.plan import Optimizer


def make_net(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """A multilayer perceptron."""
    return nn.Sequential(nn.Linear(inputs[0], 32), nn.ReLU(), nn.Linear(32, outputs))


data = bu.load(load_wine(return_X_y=True), task="classification", seed=0)
base = bu.Plan(model=make_net, data=data, epochs=20, batch_size=32, optimizer=Optimizer(lr=1e-2))
study = bu.study(base, only=("Dropout", "WeightDecay", "Schedule"), budget="quick", out="runs/wine-study")

for effect in study["screening"]["effects"]:
    there = effect["at_baseline"]
    print(f"{effect['technique']}: {there['value']:+.4f} [{there['low']:+.4f}, {there['high']:+.4f}], {effect['word']}")
print(study["confirmation"]["verdict"], "-", study["confirmation"]["note"])
print("report:", bu.report("runs/wine-study"))

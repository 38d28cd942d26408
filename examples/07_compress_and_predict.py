"""From a whole job to a small file that serves: the job, a requirement, predictions without torch.

On the command line: burnish run --data digits --out runs/small, then
burnish compress runs/small --require "bytes<=60_000" and burnish predict runs/small digits.npz
"""

import numpy as np
from sklearn.datasets import load_digits
from torch import nn

import burnish as bu
from burnish.exporting.package import predict_files


def make_net(outputs: int) -> nn.Module:
    """A multilayer perceptron on 8 x 8 images."""
    return nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, outputs))


base = bu.Plan(model=make_net, data=bu.load("digits", seed=0), epochs=8, batch_size=32)
recipe = bu.Recipe(budget="quick", only=("LabelSmoothing",))
report = bu.run(recipe, plan=base, out="runs/small")  # run again, it gives the same result at once
print(report["verdict"]["text"])

small = bu.compress("runs/small", plan=base, require="bytes<=30_000", max_drop=0.05)
print(f"{small['chosen']}: {small['path']}")
bu.export("runs/small", "digits.onnx")  # with digits.json, which says how to feed it

images, labels = load_digits(return_X_y=True)
np.savez("digits.npz", inputs=images[:10].reshape(-1, 8, 8, 1).astype(np.uint8))
for row, label in zip(predict_files("runs/small", ["digits.npz"]), labels, strict=False):
    print(f"{row['prediction']} with probability {row['probability']:.2f}; it is a {label}")

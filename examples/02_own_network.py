"""A network of one's own: any function that returns a `torch.nn.Module`.

It may ask for `inputs` (shape of one example) and `outputs` (width of the output), or take nothing. In a file of
its own it works on the command line too, and in worker processes:

    burnish run examples/02_own_network.py:make_net --data digits
"""

import torch
from torch import Tensor, nn

import burnish as bu
from burnish.techniques import Activation


class Net(nn.Module):
    """Two convolutions and two linear layers, as in many a tutorial."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, 16, 3, padding=1)
        self.second = nn.Conv2d(16, 32, 3, padding=1)
        self.hidden = nn.LazyLinear(64)
        self.head = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = nn.functional.max_pool2d(nn.functional.relu(self.first(x)), 2)
        x = nn.functional.max_pool2d(nn.functional.relu(self.second(x)), 2)
        return self.head(nn.functional.relu(self.hidden(x.flatten(1))))


def make_net(inputs: tuple[int, ...], outputs: int) -> nn.Module:
    """A fresh network; Burnish sets the seed before it calls this."""
    net = Net(inputs[0], outputs)
    net(torch.zeros(1, *inputs))  # settles the lazy layer
    return net


if __name__ == "__main__":
    base = bu.Plan(model=make_net, data=bu.load("digits", seed=0), epochs=12, batch_size=32)
    gelu = base.then(Activation(name="gelu"))  # functional calls are found too
    print(bu.inspect(gelu))
    print(bu.train(base, seeds=range(2)).score)

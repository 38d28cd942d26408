"""LSTMs with a projection, spelled out for ONNX, whose operator has none: exporters silently leave it out."""

import copy

import torch
from torch import Tensor, nn

__all__ = ["spelled_out"]

State = tuple[Tensor, Tensor]


def spelled_out(network: nn.Module) -> nn.Module:
    """`network`, or where it holds projected LSTMs a copy that computes the same step by step.

    The steps are written out one by one, so the graph grows with the length of the sequence.
    """
    if not any(isinstance(module, nn.LSTM) and module.proj_size for module in network.modules()):
        return network
    network = copy.deepcopy(network)
    known: dict[nn.Module, nn.Module] = {}
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.LSTM) and child.proj_size:
                setattr(parent, name, known.setdefault(child, _StepByStep(child)))
    return network


class _StepByStep(nn.Module):
    """What `nn.LSTM` computes, from its own weights, for padded batches.

    Source: Sak, Senior and Beaufays 2014, "Long Short-Term Memory Based Recurrent Neural Network Architectures",
    arXiv:1402.1128; gate order and shapes as `torch.nn.LSTM` documents them.
    """

    def __init__(self, layer: nn.LSTM) -> None:
        super().__init__()
        self.layer = layer
        self.directions = 2 if layer.bidirectional else 1

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        sequence = inputs.transpose(0, 1) if self.layer.batch_first else inputs
        if state is None:
            count, batch = self.layer.num_layers * self.directions, sequence.shape[1]
            zeros = (inputs.new_zeros(count, batch, width) for width in (self.layer.proj_size, self.layer.hidden_size))
            state = (next(zeros), next(zeros))
        hidden, cells = [], []
        for i in range(self.layer.num_layers):
            found = []
            for j in range(self.directions):
                place = i * self.directions + j
                outputs, last = self._passed(sequence, (state[0][place], state[1][place]), i, backwards=j == 1)
                found.append(outputs)
                hidden.append(last[0])
                cells.append(last[1])
            sequence = torch.cat(found, 2)
        outputs = sequence.transpose(0, 1) if self.layer.batch_first else sequence
        return outputs, (torch.stack(hidden), torch.stack(cells))

    def _passed(self, sequence: Tensor, state: State, layer: int, *, backwards: bool) -> tuple[Tensor, State]:
        """One layer in one direction over `(T, B, F)`."""
        suffix = f"_l{layer}{'_reverse' if backwards else ''}"
        names = ("weight_ih", "weight_hh", "weight_hr")
        into, recurrent, projected = (getattr(self.layer, f"{name}{suffix}").T for name in names)  # once, not each step
        given = sequence @ into
        if self.layer.bias:
            given = given + getattr(self.layer, f"bias_ih{suffix}") + getattr(self.layer, f"bias_hh{suffix}")
        (h, c), outputs = state, []
        steps = range(len(sequence))
        for t in reversed(steps) if backwards else steps:
            i, f, g, o = (given[t] + h @ recurrent).chunk(4, 1)
            c = f.sigmoid() * c + i.sigmoid() * g.tanh()
            h = (o.sigmoid() * c.tanh()) @ projected
            outputs.append(h)
        return torch.stack(outputs[::-1] if backwards else outputs), (h, c)

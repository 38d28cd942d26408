"""Members and their combination as one network, which is saved, exported and distilled like any other."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from burnish.ensembling.combination import SMALLEST, TIE, Combination
from burnish.errors import UsageError

__all__ = ["EnsembleNetwork", "WithSpread"]


class EnsembleNetwork(nn.Module):
    """What `combination` makes of the outputs of `members`, as outputs that decode to it: logits or values.

    Members all see the same inputs. Their number, kinds and widths are free; the width of their outputs is not.
    """

    weights: Tensor
    coefficients: Tensor
    intercepts: Tensor

    def __init__(self, members: Sequence[nn.Module], combination: Combination) -> None:
        super().__init__()
        if len(members) != len(combination.weights) or not members:
            raise UsageError(f"the combination is for {len(combination.weights)} members, got {len(members)}")
        self.members = nn.ModuleList(members)
        self.kind, self.method = combination.kind, combination.method
        self.register_buffer("weights", torch.tensor(combination.weights, dtype=torch.float32))
        self.register_buffer("coefficients", torch.tensor(combination.coefficients, dtype=torch.float32))
        self.register_buffer("intercepts", torch.tensor(combination.intercepts, dtype=torch.float32))

    def forward(self, inputs: Tensor) -> Tensor:
        return self.combined(torch.stack([member(inputs) for member in self.members]))

    def combined(self, outputs: Tensor) -> Tensor:
        """One table `(B, outputs)` from those of the members, `(members, B, outputs)`."""
        if self.method == "stack":
            return self._stacked(outputs)
        if self.kind == "regression":
            return self._mean(outputs)
        tables = outputs.sigmoid() if self.kind == "multilabel" else outputs.softmax(2)
        mean = self._mean(tables)
        if self.method == "vote":
            mean = (1 - TIE) * self._mean(self._ballots(tables)) + TIE * mean
        if self.kind == "classification":
            return mean.clamp(SMALLEST, 1).log()
        certain = mean.clamp(SMALLEST, 1 - SMALLEST)
        return certain.log() - (1 - certain).log()

    def _mean(self, tables: Tensor) -> Tensor:
        return (tables * self.weights[:, None, None]).sum(0)

    def _ballots(self, tables: Tensor) -> Tensor:
        if self.kind == "multilabel":
            return (tables >= 0.5).to(tables.dtype)
        return nn.functional.one_hot(tables.argmax(2), tables.shape[2]).to(tables.dtype)

    def _stacked(self, outputs: Tensor) -> Tensor:
        if self.kind == "classification":
            logs = outputs.softmax(2).clamp(SMALLEST, 1).log()
            return torch.cat(list(logs.unbind(0)), 1) @ self.coefficients.T + self.intercepts
        if self.kind == "multilabel":
            certain = outputs.sigmoid().clamp(SMALLEST, 1 - SMALLEST)
            outputs = certain.log() - (1 - certain).log()
        return (outputs * self.coefficients.T[:, None, :]).sum(0) + self.intercepts


class WithSpread(nn.Module):
    """An ensemble of values that also says how far apart its members are: `(values, spread)`, both `(B, outputs)`.

    The spread is the standard deviation over members, each counted once, on the scale of the outputs.
    """

    def __init__(self, ensemble: EnsembleNetwork) -> None:
        super().__init__()
        self.ensemble = ensemble

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor]:
        outputs = torch.stack([member(inputs) for member in self.ensemble.members])
        return self.ensemble.combined(outputs), outputs.std(0)

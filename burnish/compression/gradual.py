"""Pruning while training: channels fall silent one by one, and are cut out when the training is over.

The network keeps its size until then, so that weights can move away from the channels that go. What is cut at the end
computes exactly what the silenced network computed.

Source: Zhu and Gupta 2017, arXiv:1710.01878 (the cubic schedule); He et al. 2018, arXiv:1808.06866 (soft filter
pruning).
"""

from typing import Any

from torch import nn

from burnish.compression.channels import Inputs
from burnish.compression.knife import silence
from burnish.compression.proof import prepared, proved
from burnish.compression.prune import Cut, Pruned, find_cut, result_of
from burnish.compression.subject import Subject, workable
from burnish.errors import NotApplicable

__all__ = ["Gradual"]


class Gradual:
    """Silences about the share `ratio` of the channels of a network over `steps` steps of its training.

    Args:
        model: The network that is to be trained; it is not modified before the first step.
        inputs: A few network inputs, as for `prune`.
        ratio: Share of channels to remove in the end.
        steps: Number of steps until all of them are silent; further steps keep them so.
        options: Further arguments of `prune`.

    Raises:
        NotApplicable: nothing can be removed.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.Linear(4, 32), nn.ReLU(), nn.Linear(32, 3))
        >>> gradual = Gradual(net, torch.randn(8, 4), 0.5, steps=2)
        >>> for _ in range(2):
        ...     gradual.step(net)  # after optimizer.step()
        >>> gradual.finish(net).model[0].out_features
        16
    """

    def __init__(self, model: nn.Module, inputs: Inputs, ratio: float, *, steps: int, **options: Any) -> None:
        if steps < 1:
            raise ValueError(f"steps must be at least 1, got {steps}")
        self.found = find_cut(model, inputs, ratio, **options)
        self.steps, self.done = steps, 0

    def step(self, model: nn.Module) -> None:
        """Silence what should be silent by now; call it after every step of the optimizer."""
        self.done += 1
        silence(model, self.found.subject.groups, self.silent())

    def silent(self) -> dict[str, list[int]]:
        """Channels that are silent now, by group; many at first, few towards the end."""
        share = 1 - (1 - min(self.done / self.steps, 1)) ** 3
        return {root: gone[: round(share * len(gone))] for root, gone in self.found.removed.items()}

    def finish(self, model: nn.Module) -> Pruned:
        """Cut `model`, which has been trained, and prove the cut again with its weights.

        Raises:
            NotApplicable: the proof fails.
        """
        old = self.found.subject
        source = workable(model)
        proof = prepared(source, old.proof.inputs)
        trial = proved(proof, old.groups, self.found.removed)
        if trial.model is None:
            raise NotApplicable(f"the trained network cannot be cut: {trial.reason}")
        subject = Subject(source=source, groups=old.groups, refused=old.refused, proof=proof, found_by=old.found_by)
        found = Cut(subject=subject, removed=self.found.removed, trial=trial, excluded=self.found.excluded)
        return result_of(model, found)

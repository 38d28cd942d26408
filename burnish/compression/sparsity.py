"""Sparsity: single weights set to zero.

This makes a file compress better and nothing else: no kernel of ONNX Runtime or PyTorch on a processor skips zeros, so
a sparse network is neither smaller in memory nor faster.

Source: Han et al. 2015, arXiv:1506.02626; over all layers at once, Frankle and Carbin 2019, arXiv:1803.03635.
"""

import copy
import zlib
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable

__all__ = ["Sparse", "sparsify", "zipped_bytes"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Sparse:
    """A network with zeros.

    Attributes:
        model: The network, of the old size; fine-tune it, with `hold` after every step, before it is judged.
        masks: By parameter, which weights may be other than zero.
        sparsity: Share of the weights of its layers that are zero.
        layers: By parameter, the share that is zero.
    """

    model: nn.Module
    masks: dict[str, Tensor] = field(repr=False)
    sparsity: float
    layers: dict[str, float]

    @torch.no_grad()
    def hold(self, model: nn.Module) -> None:
        """Set the zeros of `model` in place; call it after every step of the optimizer."""
        parameters = dict(model.named_parameters())
        for name, mask in self.masks.items():
            parameters[name].mul_(mask.to(parameters[name].device))


def sparsify(model: nn.Module, sparsity: float) -> Sparse:
    """Set the share `sparsity` of the weights of all layers to zero, the smallest ones over the whole network.

    Args:
        model: Any network; it is not modified. Biases, norms and other vectors are left alone.
        sparsity: Share of weights to set to zero, in (0, 1).

    Raises:
        ValueError: `sparsity` is out of range.
        NotApplicable: the network has no weights to set to zero.

    Example:
        >>> found = sparsify(nn.Linear(10, 10), 0.8)
        >>> round(found.sparsity, 2), int((found.model.weight == 0).sum())
        (0.8, 80)
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"sparsity must be between 0 and 1, got {sparsity}")
    sparse = copy.deepcopy(model)
    weights = {name: p.detach() for name, p in sparse.named_parameters() if p.ndim > 1 and p.is_floating_point()}
    if not weights:
        raise NotApplicable("the network has no matrices of weights to set to zero")
    sizes = torch.cat([value.abs().flatten().float().cpu() for value in weights.values()])
    dead = torch.zeros(len(sizes), dtype=torch.bool)
    dead[sizes.argsort(stable=True)[: round(sparsity * len(sizes))]] = True
    masks, first = {}, 0
    for name, value in weights.items():
        masks[name] = ~dead[first : first + value.numel()].view(value.shape)
        first += value.numel()
    found = Sparse(
        model=sparse,
        masks=masks,
        sparsity=float(dead.float().mean()),
        layers={name: 1 - float(mask.float().mean()) for name, mask in masks.items()},
    )
    found.hold(sparse)
    return found


def zipped_bytes(path: Path) -> int:
    """Size of a file once it is compressed, which is what zeros are good for."""
    return len(zlib.compress(Path(path).read_bytes(), 9))

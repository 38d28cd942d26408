"""Parts of a network that are not trained, for good or until an epoch.

A frozen normalization computes as in evaluation: with batch statistics the function of a frozen layer would depend on
the batch, and its running statistics would move although nothing of it is trained.

Source: gradual unfreezing, Howard and Ruder 2018, arXiv:1801.06146.
"""

from torch import nn

from burnish.model.roles import is_norm

__all__ = ["Thawing", "frozen_norms"]


def frozen_norms(network: nn.Module, prefixes: tuple[str, ...]) -> tuple[str, ...]:
    """Paths of normalization layers under `prefixes`, or whose parameters are all exempt from training."""
    return tuple(
        path for path, module in network.named_modules() if is_norm(module) and _frozen(path, module, prefixes)
    )


def _frozen(path: str, module: nn.Module, prefixes: tuple[str, ...]) -> bool:
    own = list(module.parameters(recurse=False))
    return f"{path}.".startswith(prefixes) or (bool(own) and not any(p.requires_grad for p in own))


class Thawing:
    """Freezes what an epoch does not train, at its begin.

    Args:
        network: In training; its optimizer holds every parameter that is trained in any epoch.
        freeze: Prefixes of what is never trained.
        thaw: Prefixes of what is trained from an epoch on.
    """

    def __init__(self, network: nn.Module, freeze: tuple[str, ...], thaw: tuple[tuple[str, int], ...]) -> None:
        self.network, self.freeze, self.thaw = network, freeze, thaw
        self.trained = [(name, p) for name, p in network.named_parameters() if p.requires_grad]

    def begin(self, epoch: int) -> None:
        """Set `requires_grad` for `epoch`, from 0, and put frozen normalization into evaluation mode."""
        waiting = tuple(prefix for prefix, first in self.thaw if epoch < first)
        if self.thaw:
            for name, parameter in self.trained:
                parameter.requires_grad_(not name.startswith(waiting))
        for path in frozen_norms(self.network, (*self.freeze, *waiting)):
            self.network.get_submodule(path).eval()

"""Surgery on networks that somebody else wrote: layers replaced or added, the network given left as it was."""

from dataclasses import dataclass

from torch import Tensor

__all__ = ["Probe"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Probe:
    """What an edit may look at.

    Attributes:
        inputs: At most 64 training rows as network input, `(B, *input_shape)`.
        trained: The network's weights are to be kept, so an edit should start close to its function.
    """

    inputs: Tensor
    trained: bool = False

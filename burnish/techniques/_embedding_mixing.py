"""Mixup of texts: what is blended are the embeddings of two texts, inside the network.

Tokens have no in-between. So the batch transform only says what is to be blended with what, and a hook on the embedding
that reads the tokens does it, in training mode alone. The hook holds nothing: networks stay copies, and weights and
exports are those of the network without it.

Source: Guo, Mao and Zhang, "Augmenting Data with Mixup for Sentence Classification", 2019, arXiv:1905.08941.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from burnish.errors import NotApplicable
from burnish.model.surgery import Probe
from burnish.plan import BatchContext
from burnish.techniques._mixing import drawn_shares, mixed_targets
from burnish.training.ranks import current

__all__ = ["EmbeddingMixing", "with_blending"]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Blend:
    """The blend of the batch that is being trained on: its tokens, those of the partners, the share of the first."""

    tokens: Tensor
    partners: Tensor
    share: Tensor


_under_way: list[_Blend] = []  # one at most: that of the last batch


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddingMixing:
    """The batch transform: blends the targets, and leaves word of how to blend the embeddings.

    Attributes:
        alpha: Both parameters of the Beta distribution the shares are drawn from.
    """

    alpha: float

    mixes: ClassVar[bool] = True

    def __call__(self, inputs: Tensor, targets: Tensor, context: BatchContext) -> tuple[Tensor, Tensor]:
        partner = torch.randperm(len(inputs), generator=context.generator).to(inputs.device)
        share = drawn_shares(len(inputs), self.alpha, context).to(inputs.device)
        _under_way[:] = [_Blend(tokens=inputs, partners=inputs[partner], share=share)]
        return inputs, mixed_targets(targets, partner, share, context)


def with_blending(model: nn.Module, probe: Probe) -> nn.Module:
    """`model` with a hook on each embedding that reads the tokens.

    Raises:
        NotApplicable: no `nn.Embedding` does.
    """
    found = _readers(model, probe.inputs)
    if not found:
        raise NotApplicable(
            "mixup of texts blends embeddings, and no nn.Embedding of the network reads the tokens as they come in"
        )
    for embedding in found:
        embedding.register_forward_hook(_blended)
    return model


def _readers(model: nn.Module, tokens: Tensor) -> list[nn.Embedding]:
    """The embeddings that are called with the tokens of the batch."""
    found: list[nn.Embedding] = []

    def look(module: nn.Embedding, given: tuple[Any, ...]) -> None:
        if given[0].shape == tokens.shape and torch.equal(given[0], tokens) and module not in found:
            found.append(module)

    hooks = [m.register_forward_pre_hook(look) for m in model.modules() if isinstance(m, nn.Embedding)]
    modes = [(m, m.training) for m in model.modules()]
    try:
        with torch.no_grad():
            model.eval()(tokens)
    finally:
        for hook in hooks:
            hook.remove()
        for module, mode in modes:
            module.training = mode
    return found


def _blended(module: nn.Embedding, given: tuple[Any, ...], embedded: Tensor) -> Tensor | None:
    """The embeddings of the batch blended with those of the partners; None leaves them as they are."""
    if not module.training or not _under_way:
        return None
    blend, tokens = _mine(_under_way[0]), given[0]
    if tokens.shape != blend.tokens.shape or not torch.equal(tokens, blend.tokens):
        return None
    others = nn.functional.embedding(
        blend.partners, module.weight, module.padding_idx, module.max_norm, module.norm_type
    )
    share = blend.share.to(embedded).view(-1, *[1] * (embedded.ndim - 1))
    return torch.lerp(others, embedded, share)


def _mine(blend: _Blend) -> _Blend:
    """The rows of this process, where several train together."""
    tokens, partners, _ = current().part(blend.tokens, blend.partners)
    share, _, _ = current().part(blend.share, blend.share)
    return _Blend(tokens=tokens, partners=partners, share=share)

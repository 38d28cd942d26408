"""Whole attention heads as units that can be cut.

A head is cut out of the projections that make its queries, keys and values and out of the one that takes its output.
PyTorch's own attention is replaced by one that is free in its number of heads. Of other modules three forms are
known: one linear layer for queries, keys and values, two, or three. Which attributes hold the number of heads is
guessed, and every guess is tried out; what no guess fits is refused with the reason.

Source: Michel, Levy and Neubig, "Are Sixteen Heads Really Better than One?", NeurIPS 2019, arXiv:1905.10650.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from burnish.compression.attention import FewerHeads

__all__ = ["Attention", "attentions", "forms", "head_owners", "take_heads"]

COUNTS = ("num_heads", "n_heads", "n_head", "heads", "nhead", "num_attention_heads", "nheads", "h")
TOGETHER = (
    *("qkv", "in_proj", "c_attn", "to_qkv", "qkv_proj", "query_key_value", "queries_keys_values", "Wqkv", "W_pack"),
)
APART = (  # keys and values may come from one layer
    ("q", "k", "v"),
    ("q_proj", "k_proj", "v_proj"),
    ("to_q", "to_k", "to_v"),
    ("query", "key", "value"),
    ("wq", "wk", "wv"),
    ("q_lin", "k_lin", "v_lin"),
    ("W_q", "W_k", "W_v"),
    ("q", "kv"),
    ("to_q", "to_kv"),
    ("q_proj", "kv_proj"),
)
OUTPUTS = (
    "projection",
    "proj",
    "out_proj",
    "to_out",
    "o_proj",
    "c_proj",
    "out",
    "dense",
    "wo",
    "out_lin",
    "output",
    "W_o",
    "o",
)
WIDTHS = ("attn_dim", "inner_dim", "all_head_size", "inner", "attention_dim")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attention:
    """An attention whose heads can be cut.

    Attributes:
        path: Its module.
        heads: Number of heads.
        head: Width of one.
        inputs: Paths below it of the layers that make queries, keys and values.
        output: Path below it of the layer that takes the heads' outputs; empty for `nn.MultiheadAttention`.
        order: How one layer orders its outputs: `qkv` first, or `heads` first.
        counts: Attributes that hold the number of heads.
        widths: Attributes that hold heads times width.
    """

    path: str
    heads: int
    head: int
    inputs: tuple[str, ...] = ()
    output: str = ""
    order: str = "qkv"
    counts: tuple[str, ...] = ("num_heads",)
    widths: tuple[str, ...] = ()

    @property
    def sides(self) -> set[tuple[str, str]]:
        """Layers and sides whose channels only go with a head."""
        inputs = {(_joined(self.path, name), "out") for name in self.inputs}
        return inputs | ({(_joined(self.path, self.output), "in")} if self.output else set())


def attentions(model: nn.Module) -> tuple[list[Attention], dict[str, str]]:
    """The attentions of `model` with the first guess of their form, and the reason for each that has none."""
    found, refused = [], {}
    for path, module in model.named_modules():
        if isinstance(module, nn.MultiheadAttention | FewerHeads):
            reason = "" if isinstance(module, FewerHeads) else _native_reason(module)
            if reason:
                refused[path] = reason
            else:
                found.append(Attention(path=path, heads=module.num_heads, head=module.head_dim))
            continue
        form = _form(path, module)
        if isinstance(form, Attention):
            found.append(form)
        elif form:
            refused[path] = form
    return found, refused


def forms(attention: Attention, module: nn.Module) -> Iterator[Attention]:
    """Guesses of an attention's form, the likelier ones first."""
    if not attention.output:
        yield attention
        return
    inner = attention.heads * attention.head
    every = tuple(name for name, value in vars(module).items() if type(value) is int and value == inner)
    known = tuple(name for name in every if name in WIDTHS)
    for order in ("qkv", "heads") if len(attention.inputs) < 3 else ("qkv",):
        for widths in dict.fromkeys((known, (), every)):
            yield replace(attention, order=order, widths=widths)


def head_owners(attention: Attention, module: nn.Module) -> list[tuple[str, Tensor]]:
    """By parameter below `module`, the head that each element belongs to, as `owners` gives for channels."""
    heads = torch.arange(attention.heads).repeat_interleave(attention.head)
    if not attention.output:
        rows = heads.repeat(3)
        found = [("in_proj_weight", rows[:, None]), ("in_proj_bias", rows), ("out_proj.weight", heads[None, :])]
        return [
            item for item in found if item[0] != "in_proj_bias" or getattr(module, "in_proj_bias", None) is not None
        ]
    found = []
    for name in attention.inputs:
        layer = module.get_submodule(name)
        assert isinstance(layer, nn.Linear)
        rows = _rows(heads, layer.out_features // len(heads), attention)
        found.append((f"{name}.weight", rows[:, None]))
        if layer.bias is not None:
            found.append((f"{name}.bias", rows))
    found.append((f"{attention.output}.weight", heads[None, :]))
    for name, value in module.named_parameters(recurse=False):  # position biases and temperatures, one for each head
        axes = [axis for axis, size in enumerate(value.shape) if size == attention.heads]
        if len(axes) == 1:
            shape = [1] * value.ndim
            shape[axes[0]] = -1
            found.append((name, torch.arange(attention.heads).view(shape)))
    return found


def _rows(heads: Tensor, parts: int, attention: Attention) -> Tensor:
    """The head of each output of a layer that makes `parts` of queries, keys and values."""
    if attention.order == "qkv":
        return heads.repeat(parts)
    return heads.view(attention.heads, -1).repeat(1, parts).flatten()


def take_heads(attention: Attention, model: nn.Module, gone: int) -> None:
    """Set the attributes of an attention whose weights have been cut by `gone` heads."""
    module = model.get_submodule(attention.path)
    for name in attention.counts:
        setattr(module, name, attention.heads - gone)
    for name in attention.widths:
        setattr(module, name, (attention.heads - gone) * attention.head)
    for name in (*attention.inputs, attention.output or "out_proj"):
        layer = module.get_submodule(name)
        assert isinstance(layer.weight, Tensor)
        layer.out_features, layer.in_features = layer.weight.shape  # type: ignore[assignment]


def _native_reason(module: nn.MultiheadAttention) -> str:
    if not module._qkv_same_embed_dim:
        return "keys or values of another width than queries"
    if module.bias_k is not None or module.add_zero_attn:
        return "extra keys and values"
    if type(module).forward is not nn.MultiheadAttention.forward:
        return f"{type(module).__name__} computes attention in a way of its own"
    return "" if module.num_heads > 1 else "it has a single head"


def _form(path: str, module: nn.Module) -> Attention | str | None:
    """The form of a module that looks like attention, the reason why it has none, or None where it does not look so."""
    counts = tuple(name for name in COUNTS if type(vars(module).get(name)) is int and vars(module)[name] > 1)
    if not counts:
        return None
    linears = {name: layer for name, layer in module.named_modules() if isinstance(layer, nn.Linear)}
    together = next(((name,) for name in TOGETHER if name in linears), None)
    inputs = together or next((names for names in APART if all(name in linears for name in names)), None)
    if inputs is None:
        return None
    heads = vars(module)[counts[0]]
    widths = [linears[name].out_features for name in inputs]
    inner, rest = divmod(sum(widths), 3)
    if rest or inner % heads or any(width % inner for width in widths):
        return "queries, keys and values differ in width"
    output = next((n for n in linears if n.split(".")[0] in OUTPUTS and linears[n].in_features == inner), None)
    if output is None:
        return "no linear layer inside takes the heads' outputs"
    same = tuple(name for name in counts if vars(module)[name] == heads)
    return Attention(path=path, heads=heads, head=inner // heads, inputs=inputs, output=output, counts=same)


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name

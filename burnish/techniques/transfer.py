"""Start from weights that another training left, instead of from noise.

What a network learned on much data serves on little: its first layers see edges and words that all tasks share. The
weights that fit are taken over layer by layer, the head is new, and what is below it may stay frozen, thaw from the top
down, or learn at rates that fall with the distance from the head, so that what was learned is not overwritten.

Helps: few examples, and a source trained on much data of a like kind.
Does not: the source knows another kind of data, or there is enough of one's own; a frozen body fits only close tasks.
Costs: saves training; the network is the source's size.

Sources: Yosinski et al., "How transferable are features in deep neural networks?", NeurIPS 2014, arXiv:1411.1792;
Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification", ACL 2018, arXiv:1801.06146.
"""

import copy
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any, ClassVar

from torch import nn

from burnish.errors import NotApplicable, UsageError
from burnish.model.build import probe_inputs
from burnish.model.foreign import Foreign, foreign
from burnish.model.roles import is_norm
from burnish.model.surgery import Probe
from burnish.model.transfer import CHANNELS, Report, ends, parts, place
from burnish.plan import Plan

__all__ = ["Transfer", "transfer"]

HEADS = ("new", "keep")
NETWORKS = ("auto", "own", "source")
NOT_FROZEN, BODY, NORMS = "none", "body", "norms"


def transfer(
    model: nn.Module, source: str, *, probe: Probe, head: str = "new", channels: str = "auto"
) -> tuple[nn.Module, Report]:
    """Return a copy of `model` with the weights of `source` that fit, and what became of every tensor.

    Args:
        model: Any network. It is not modified.
        source: A safetensors or weights-only file, a run directory, `timm:NAME`, `hf:NAME` or a folder of Hugging Face.
        probe: Inputs to run it on, from which its first layer and its head are known.
        head: `new`, or `keep` to take over the head's weights too.
        channels: How the first layer's input channels are adapted: `auto`, `sum`, `mean` or `replicate`.

    Raises:
        NotApplicable: nothing of the source fits; the message names the closest names.
        UsageError: the source cannot be read.

    Example:
        >>> import tempfile, torch
        >>> from safetensors.torch import save_file
        >>> def net(channels, outputs):
        ...     return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, outputs))
        >>> with tempfile.NamedTemporaryFile(suffix=".safetensors") as file:
        ...     save_file(net(3, 10).state_dict(), file.name)
        ...     _, report = transfer(net(1, 2), file.name, probe=Probe(inputs=torch.randn(2, 1, 8, 8)))
        >>> print(report)
        tensors: 1 loaded, 1 adapted, 2 left
        0 (weight): adapted, 3 input channels to 1
        0 (bias): loaded
        3 (weight, bias): left, the head is new
    """
    network, found = copy.deepcopy(model), foreign(source)
    first, last = ends(network, probe.few)
    keep_head, where = head == "keep", found.name
    report = place(network, found.state, first=first, head=last, keep_head=keep_head, channels=channels, where=where)
    return network, report


@dataclass(frozen=True, slots=True, kw_only=True)
class _Placed:
    """The surgery: the weights of a source are put into a fresh network."""

    source: str
    head: str
    channels: str
    digest: str
    gives_weights: ClassVar[bool] = True

    def __call__(self, model: nn.Module, probe: Probe) -> nn.Module:
        return transfer(model, self.source, probe=probe, head=self.head, channels=self.channels)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """Weights of another network as the start. Changes: `plan.model, plan.freeze, plan.thaw, plan.rates`.

    Attributes:
        source: A safetensors or weights-only file, a run directory, `timm:NAME`, `hf:NAME` or a folder of Hugging Face;
            empty for the weights that the network has already.
        head: `new`, or `keep` for a source trained on the same outputs.
        channels: How input channels are adapted: `auto` as timm does, `sum`, `mean` or `replicate`.
        freeze: `none`, `body` (all but the head), `norms`, or beginnings of parameter names separated by commas.
        unfreeze: Epochs after which the next part from the top thaws; 0 trains all parts from the start.
        decay: What the learning rate is multiplied by for each part away from the head; 1 changes nothing.
        network: `own` puts the weights into the plan's network, `source` takes the network they belong to; `auto` takes
            the latter for names of timm and Hugging Face.
    """

    source: str = ""
    head: str = "new"
    channels: str = "auto"
    freeze: str = NOT_FROZEN
    unfreeze: int = 0
    decay: float = 1.0
    network: str = "auto"

    kind: ClassVar[str] = "gate"
    levels: ClassVar[tuple[dict[str, Any], ...]] = ({}, {"freeze": BODY}, {"unfreeze": 1, "decay": 0.385})
    conflicts: ClassVar[tuple[str, ...]] = ()
    citation: ClassVar[str] = "Yosinski et al. 2014, arXiv:1411.1792; Howard and Ruder 2018, arXiv:1801.06146"
    modalities: ClassVar[tuple[str, ...]] = ("image", "text", "table", "series")
    tasks: ClassVar[tuple[str, ...]] = ("classification", "regression")
    alters_serving: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, known in (("head", HEADS), ("channels", CHANNELS), ("network", NETWORKS)):
            if getattr(self, name) not in known:
                raise ValueError(f"{name} must be one of {', '.join(known)}, got {getattr(self, name)!r}")
        if self.unfreeze < 0:
            raise ValueError(f"unfreeze must be 0 or more epochs, got {self.unfreeze}")
        if not (isfinite(self.decay) and 0 < self.decay <= 1):
            raise ValueError(f"decay must be above 0 and at most 1, got {self.decay}")
        if self.freeze == BODY and (self.unfreeze or self.decay != 1):
            raise ValueError("freeze='body' trains the head alone: leave out unfreeze and decay, or freeze")

    def __call__(self, plan: Plan) -> Plan:
        if self.source:
            return self._paced(self._with_weights(plan))
        if not (plan.source.trained or any(getattr(edit, "gives_weights", False) for edit in plan.edits)):
            raise NotApplicable(
                f"{plan.source.name} has fresh weights and no source is named: give source='weights.safetensors', "
                "a run directory, 'timm:NAME' or 'hf:NAME'"
            )
        if self.freeze == NOT_FROZEN and not self.unfreeze and self.decay == 1:
            raise NotApplicable("the network keeps its weights as it is: give freeze, unfreeze or decay, or a source")
        return self._paced(plan)

    def report(self, plan: Plan) -> Report:
        """What becomes of every tensor of the plan's network.

        Raises:
            NotApplicable: nothing fits.
            UsageError: there is no source.
        """
        if not self.source:
            raise UsageError("without a source nothing is taken over; give Transfer(source=...)")
        changed = self._with_weights(plan)
        before = replace(changed, edits=changed.edits[:-1]).probe()
        probe = Probe(inputs=probe_inputs(plan.data))
        return transfer(before, self.source, probe=probe, head=self.head, channels=self.channels)[1]

    def told(self, plan: Plan) -> list[str]:
        """The report as lines for people, before a training with `plan`; empty without a source."""
        return [f"{self.source}: {line}" for line in str(self.report(plan)).splitlines()] if self.source else []

    def _with_weights(self, plan: Plan) -> Plan:
        found = foreign(self.source)
        if found.data and found.data == plan.data.fingerprint:
            raise NotApplicable(
                f"{self.source} was trained on these data, so some of its training rows would be validated on; go on "
                "from it with --checkpoint, which keeps the splits, or transfer to other data"
            )
        if self.network == "source" or (self.network == "auto" and found.named):
            plan = _of_source(plan, found)
        return plan.edit_model(_Placed(source=self.source, head=self.head, channels=self.channels, digest=found.digest))

    def _paced(self, plan: Plan) -> Plan:
        """`plan` with what is frozen, thaws later, or learns more slowly."""
        if self.freeze == NOT_FROZEN and not self.unfreeze and self.decay == 1:
            return plan
        model, few = plan.probe(), Probe(inputs=probe_inputs(plan.data)).few
        from_top = list(enumerate(reversed(parts(model, few))))
        thaw = tuple((p, d * self.unfreeze) for d, part in from_top for p in part if d * self.unfreeze)
        rates = tuple((p, self.decay**d) for d, part in from_top for p in part if d and self.decay != 1)
        frozen = _prefixes(model, self.freeze, ends(model, few)[1])
        return replace(plan, freeze=(*plan.freeze, *frozen), thaw=(*plan.thaw, *thaw), rates=(*plan.rates, *rates))


def _of_source(plan: Plan, found: Foreign) -> Plan:
    """`plan` with the network that the weights of `found` belong to."""
    from burnish.techniques.notation import parse

    if found.network is None:
        raise NotApplicable(
            f"{found.name} has weights alone, or a network that only the process had that made it: give the network, "
            "and network='own'"
        )
    if found.named and _has_words(plan):
        raise NotApplicable(
            f"{found.name} reads the numbers of its own tokenizer, and these data have words: hand over its tokens as "
            "whole numbers, load((tokens, labels), modality='text')"
        )
    if found.network.identity() == plan.source.identity():
        return plan
    bare = Plan(model=found.network, data=plan.data)
    for text in found.techniques:
        changed = bare.then(parse(text))
        bare = changed if changed.edits != bare.edits else bare
    return replace(plan, model=found.network, edits=bare.edits)


def _has_words(plan: Plan) -> bool:
    """Whether tokens stand for words of these data; those handed over as numbers have names that begin with #."""
    words = plan.data.preparation.vocabulary
    return plan.data.modality == "text" and bool(words) and not words[-1].startswith("#")


def _prefixes(model: nn.Module, freeze: str, head: frozenset[str]) -> tuple[str, ...]:
    """Beginnings of the names of all parameters that `freeze` stands for."""
    if freeze == NOT_FROZEN:
        return ()
    if freeze == NORMS:
        found = tuple(f"{path}." for path, module in model.named_modules() if is_norm(module))
    elif freeze == BODY:
        found = tuple(_without(model, "", head))
    else:
        found = tuple(part.strip() for part in freeze.split(",") if part.strip())
        names = [name for name, _ in model.named_parameters()]
        unknown = [prefix for prefix in found if not any(name.startswith(prefix) for name in names)]
        if unknown:
            raise UsageError(
                f"freeze={freeze!r}: no parameter begins with {unknown[0]!r}; there are {', '.join(names[:6])}"
            )
    if not found or not head:
        raise NotApplicable(
            f"freeze={freeze!r}: the network has no such layers, or no head that can be told from the rest"
        )
    return found


def _without(module: nn.Module, path: str, head: frozenset[str]) -> list[str]:
    """Beginnings of the names of all parameters outside the head."""
    if path in head:
        return []
    if not any(name.startswith(f"{path}." if path else "") for name in head):
        return [f"{path}."]
    inside = f"{path}." if path else ""
    own = [f"{inside}{name}" for name, _ in module.named_parameters(recurse=False)]
    return own + [
        p for name, child in module.named_children() for p in _without(child, f"{path}.{name}".lstrip("."), head)
    ]

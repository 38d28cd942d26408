"""Trained networks of others: a file of weights, a run directory, a name of timm or Hugging Face.

Nothing is ever unpickled.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from burnish.errors import UsageError
from burnish.ledger import Ledger
from burnish.model.checkpoint import file_hash, read_state
from burnish.model.sources import ModelSource, as_source

__all__ = ["Foreign", "HuggingFace", "foreign", "hf_network"]

TIMM, HF = "timm:", "hf:"
PADDING = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Foreign:
    """Weights from elsewhere.

    Attributes:
        name: As it was written.
        state: Names to tensors, on the CPU.
        digest: Changes when the weights do.
        network: Makes the network they belong to; None where only weights are known.
        techniques: What was applied to that network, in their notation.
        data: Fingerprint of the data it was trained on; empty where that is not known.
        named: It is the name of a network, not of weights for one that the user brings.
    """

    name: str
    state: Mapping[str, Tensor]
    digest: str
    network: ModelSource | None = None
    techniques: tuple[str, ...] = ()
    data: str = ""
    named: bool = False


def foreign(text: str) -> Foreign:
    """What `text` names: `timm:NAME`, `hf:NAME`, a folder of Hugging Face or of a run, or a file of weights.

    Raises:
        UsageError: there is no such thing here, or it cannot be read.
    """
    path = Path(text.removeprefix(HF)).expanduser()
    if text.startswith(TIMM):
        return _timm(text)
    if text.startswith(HF) or (path / "config.json").is_file():
        return _hugging_face(text, path)
    if path.is_dir():
        return _run(text, path)
    return Foreign(name=text, state=read_state(path), digest=file_hash(path))


def _run(text: str, path: Path) -> Foreign:
    """The network that a job shipped, or the first finished run of `train`."""
    ledger = Ledger(path)
    runs = [run for run in ledger.runs() if run.status == "done"]
    shipped = path / "model.safetensors"
    kept = [(run, ledger.run_directory(run.id) / "weights.safetensors") for run in runs]
    kept = [(run, file) for run, file in kept if file.is_file()]
    if shipped.is_file():
        file, told = shipped, _told(path / "model.json")
    elif kept:
        run, file = kept[0]
        told = {"techniques": run.techniques}
    else:
        raise UsageError(
            f"{text} holds no weights: neither model.safetensors nor a finished run that kept its own; name a "
            "directory made by `burnish run` or `burnish train --out`, or a file of weights"
        )
    source = told.get("source") or {}
    return Foreign(
        name=text,
        state=read_state(file),
        digest=file_hash(file),
        network=ModelSource.from_json(source) if source.get("factory") else None,
        techniques=tuple(told.get("techniques", ())),
        data=runs[0].data if runs else "",
    )


def _told(file: Path) -> dict[str, Any]:
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


@lru_cache(maxsize=2)  # a network is built several times for one training
def _timm(text: str) -> Foreign:
    source = as_source(text)
    try:
        import timm

        network = timm.create_model(text.removeprefix(TIMM), pretrained=True)
    except ImportError as error:
        raise UsageError(f"{text} needs timm: pip install 'burnish[timm]'") from error
    except Exception as error:  # no network, no such name, no pretrained weights: each its own type
        raise _unavailable(text, error) from error
    state = {name: tensor.detach() for name, tensor in network.state_dict().items()}
    return Foreign(name=text, state=state, digest=_digest(state), network=source, named=True)


@lru_cache(maxsize=2)
def _hugging_face(text: str, path: Path) -> Foreign:
    place = str(path) if path.is_dir() else text.removeprefix(HF)
    transformers = _transformers(text)
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        body = _class_for(transformers, config).from_pretrained(place, use_safetensors=True)
    except Exception as error:
        raise _unavailable(text, error) from error
    state = {f"body.{name}": tensor.detach() for name, tensor in body.state_dict().items()}
    network = ModelSource(name=text, factory=hf_network, arguments={"place": place})
    return Foreign(name=text, state=state, digest=_digest(state), network=network, named=True)


class HuggingFace(nn.Module):
    """A network of Hugging Face as `inputs -> logits`.

    Text: tokens `(B, T)` of the network's own tokenizer with 0 for padding; the mean over the words goes through a
    linear head. Images: `(B, C, H, W)`, with the network's own head.
    """

    def __init__(self, body: nn.Module, outputs: int, *, text: bool) -> None:
        super().__init__()
        self.body = body
        if text:
            self.head = nn.Linear(body.config.hidden_size, outputs)  # type: ignore[arg-type, union-attr]

    def forward(self, x: Tensor) -> Tensor:
        if x.is_floating_point():
            return self.body(pixel_values=x).logits
        tokens = x.long()
        there = (tokens != PADDING).long()
        words = self.body(input_ids=tokens, attention_mask=there).last_hidden_state
        weights = there.unsqueeze(-1).to(words.dtype)
        return self.head((words * weights).sum(1) / weights.sum(1).clamp(min=1))


def hf_network(place: str, inputs: tuple[int, ...], outputs: int) -> HuggingFace:
    """The architecture of that name or folder of Hugging Face, with fresh weights.

    Raises:
        UsageError: transformers is not installed, or has no such network.
    """
    transformers = _transformers(place)
    try:
        config = transformers.AutoConfig.from_pretrained(place)
        text = len(inputs) == 1
        if not text:
            config.num_labels, config.num_channels = outputs, inputs[0]
        config._attn_implementation = "eager"  # plain operations, which export
        return HuggingFace(_class_for(transformers, config).from_config(config), outputs, text=text)
    except Exception as error:
        raise _unavailable(place, error) from error


def _class_for(transformers: Any, config: Any) -> Any:
    image = hasattr(config, "num_channels") and not hasattr(config, "vocab_size")
    return transformers.AutoModelForImageClassification if image else transformers.AutoModel


def _transformers(text: str) -> Any:
    try:
        import transformers
    except ImportError as error:
        needed = "is of Hugging Face and needs transformers: pip install 'burnish[transformers]'"
        raise UsageError(f"{text} {needed}") from error
    return transformers


def _unavailable(text: str, error: Exception) -> UsageError:
    return UsageError(
        f"{text} cannot be had: {type(error).__name__}: {' '.join(str(error).split())[:200]}; is the name right, with "
        "pretrained weights as safetensors, and is it here or can it be downloaded?"
    )


def _digest(state: Mapping[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name}{tuple(tensor.shape)}".encode())
        flat = tensor.contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().tobytes() if flat.numel() else b"")
    return digest.hexdigest()[:16]

"""From a source to a network: created from a seed, edits replayed, its output checked."""

import contextlib
import functools
import hashlib
import random
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from burnish.data.tensors import network_tensor
from burnish.errors import BurnishError, UsageError
from burnish.model.account import Account, differences, listening
from burnish.model.sources import ModelSource
from burnish.model.surgery import Probe
from burnish.tasks import Task

if TYPE_CHECKING:
    from burnish.data.data import Data

__all__ = ["accounts", "build", "check_output", "probe_inputs", "probed"]

PROBE_ROWS = 64
KEPT = 8  # probed networks kept in memory

_kept: OrderedDict[Any, tuple[nn.Module, Any]] = OrderedDict()


def build(source: ModelSource, data: "Data", edits: Sequence[Any], seed: int) -> nn.Module:
    """The network of `source` for `data` and `seed`, with `edits` replayed in order.

    All randomness comes from `seed`; the state of torch's, numpy's and Python's generators is left as it was.

    Raises:
        UsageError: the network cannot be created.
        NotApplicable: an edit has nothing to do.
    """
    probe = Probe(inputs=probe_inputs(data), trained=source.trained)
    with _isolated(seed):
        network = _created(source, data, probe)
        for edit in edits:
            network, probe = edit(network, probe=probe), _after(probe, edit)
    return network


def accounts(source: ModelSource, data: "Data", edits: Sequence[tuple[str, Sequence[Any]]]) -> tuple[Account, ...]:
    """What techniques, given by notation with their edits, do to the network of seed 0, in order."""
    probe, found = Probe(inputs=probe_inputs(data), trained=source.trained), []
    with _isolated(0):
        network = _created(source, data, probe)
        for technique, steps in edits:
            before = network
            with listening() as heard:
                for edit in steps:
                    network, probe = edit(network, probe=probe), _after(probe, edit)
            told = [(path, words) for kind, path, words in heard if kind == "changed"]
            kept = dict.fromkeys((path, words) for kind, path, words in heard if kind == "left")
            seen = differences(before, network)
            found.append(Account(technique=technique, changed=(*seen, *told), left=tuple(kept)))
    return tuple(found)


def _after(probe: Probe, edit: Any) -> Probe:
    """From an edit that brings weights on, the network's weights are to be kept."""
    return replace(probe, trained=probe.trained or getattr(edit, "gives_weights", False))


def _created(source: ModelSource, data: "Data", probe: Probe) -> nn.Module:
    info = {"vocabulary": len(data.preparation.vocabulary)}
    network = source.create(data.input_shape, data.task.outputs, info)
    _materialize(network, probe.inputs, data.task)
    return network


def probed(source: ModelSource, data: "Data", edits: Sequence[Any]) -> nn.Module:
    """The network of seed 0, checked against the task, built once and kept: for looking at, not for training.

    Raises:
        UsageError: the network cannot be created, fails on the data, or has the wrong output.
        NotApplicable: an edit has nothing to do.
    """
    inputs = probe_inputs(data)
    digest = hashlib.sha256(inputs.contiguous().numpy().tobytes()).hexdigest()
    key = (source.identity(), digest, tuple(inputs.shape), data.task.outputs, tuple(map(_edit_key, edits)))
    if key not in _kept:
        network = build(source, data, edits, 0)
        check_output(network, inputs[:2], data.task)
        _kept[key] = (network, tuple(edits))  # the edits live on, so that no other object can take their identity
    _kept.move_to_end(key)
    while len(_kept) > KEPT:
        _kept.popitem(last=False)
    return _kept[key][0]


def probe_inputs(data: "Data") -> Tensor:
    """At most 64 training rows as network input, evenly spaced, so that sorted data give more than one class."""
    return network_tensor(data.preparation, data.train.inputs_of(PROBE_ROWS))


def check_output(model: nn.Module, example: Tensor, task: Task) -> None:
    """See that `model` computes `(B, outputs)` real numbers from `example`, a batch of B network inputs.

    Raises:
        UsageError: it fails, or its output has another form; the message says what was expected.
    """
    output = _forward(model, example)
    if not isinstance(output, Tensor):
        raise UsageError(
            f"the network returns a {type(output).__name__}, where one tensor of shape (batch, {task.outputs}) is "
            "needed: return the logits alone, or wrap the network in a module that picks them"
        )
    expected = (len(example), task.outputs)
    if tuple(output.shape) != expected:
        raise UsageError(_width_message(tuple(output.shape), expected, task))
    if not output.is_floating_point():
        raise UsageError(f"the network returns {output.dtype} numbers; logits or values as floating point are needed")


def _forward(model: nn.Module, example: Tensor) -> Any:
    modes = [(m, m.training) for m in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            return model(example)
    except BurnishError:
        raise
    except Exception as error:
        raise UsageError(
            f"the network fails on a batch of shape {tuple(example.shape)} ({example.dtype}, evaluation mode): "
            f"{type(error).__name__}: {error}; is its first layer made for inputs of shape {tuple(example.shape[1:])}, "
            "and does forward work for any number of examples?"
        ) from error
    finally:
        for module, training in modes:
            module.training = training


def _width_message(shape: tuple[int, ...], expected: tuple[int, int], task: Task) -> str:
    names = ", ".join(task.names[:6]) + (", ..." if len(task.names) > 6 else "")
    what = f"{task.outputs} classes" if task.kind == "classification" else f"{task.outputs} values to predict"
    start = f"the network gives outputs of shape {shape} for {expected[0]} example(s), the task has {what} ({names})"
    if len(shape) == 1 and expected[0] == 1:
        return f"{start}: keep the batch dimension, {expected}, also of a single example; drop the squeeze"
    if len(shape) == 1 and task.outputs == 1:
        return f"{start}: keep the last dimension, {expected}; drop the squeeze at its end"
    if len(shape) != 2:
        return f"{start}: pool or flatten to {expected} before the last layer"
    return (
        f"{start}: make its last layer {task.outputs} wide, for instance by taking `outputs` in the factory: "
        "def make_net(outputs): ..."
    )


def _materialize(network: nn.Module, inputs: Tensor, task: Task) -> None:
    """Lazy layers learn their width from the first batch; without it they have no weights to look at."""
    if any(is_lazy(p) for p in [*network.parameters(), *network.buffers()]):
        _forward(network, inputs[:2])


def _edit_key(edit: Any) -> Any:
    if isinstance(edit, functools.partial):
        return (edit.func, repr(edit.args), repr(sorted(edit.keywords.items())))
    try:
        hash(edit)
    except TypeError:
        return id(edit)
    return edit


@contextlib.contextmanager
def _isolated(seed: int) -> Iterator[None]:
    """All generators seeded, and put back afterwards."""
    python, legacy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        np.random.seed(seed % 2**32)
        random.seed(seed)
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)

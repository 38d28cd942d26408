"""Groups of channels found by marking channels and looking where the marks arrive.

Every output channel of a layer is marked with NaN in some rows of a batch of equal rows. What works element by element
hands NaN on, through any reshaping, shuffling, splitting or joining; layers with weights are told to swallow it. So the
rows in which an input channel of a later layer is NaN spell out where it comes from. Unlike a trace of operations this
needs no knowledge of what the operations between two layers are, and it sees through recurrent layers.

Up to the marked layer all rows are equal, and where the network allows it there is only one: images are large before
the layers with many channels.
"""

import copy
from collections import defaultdict
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode
from torch.utils._pytree import tree_leaves, tree_map

from burnish.compression.channels import Group, Inputs, called
from burnish.compression.components import OUTPUT, Slot, grouped
from burnish.compression.owners import channels_of, depthwise
from burnish.errors import NotApplicable
from burnish.model.tracing import plain_attention

__all__ = ["marked_groups"]

SPEAKING = (nn.Linear, _ConvNd, nn.Embedding, nn.EmbeddingBag, nn.RNNBase)
HEARING = (nn.Linear, _ConvNd, nn.RNNBase, nn.MultiheadAttention)
ALIKE = (nn.Linear, _ConvNd)  # where the work is: done for one row instead of all
SCALING = (_NormBase, nn.GroupNorm, nn.LayerNorm, nn.PReLU)
ROWS = 256  # marked in one pass


def marked_groups(model: nn.Module, inputs: Inputs) -> list[Group]:
    """The groups of channels of `model`, found by marking them.

    Raises:
        NotApplicable: the network does not treat the rows of a batch alike, or fails.
    """
    probe = copy.deepcopy(model).eval()
    try:
        with plain_attention(), torch.no_grad():
            heard = _heard(probe, inputs)
    except NotApplicable:
        raise
    except Exception as error:  # whatever the network's forward raises on repeated rows
        raise NotApplicable(f"the channels of the network cannot be followed: {error or type(error)}") from error
    return grouped(model, {path: (record.found, record.scaled) for path, record in heard.items()})


# -- following ------------------------------------------------------------------------------------


@dataclass(kw_only=True)
class _Pass:
    """Where the channels of one layer arrive.

    Attributes:
        layer: The layer.
        units: Its channels that are marked in the pass at hand, one in each row.
        late: Whether the batch has one row until the layer speaks, and only then one for each unit.
        found: By slot of a layer that hears, the channels that arrive there.
        scaled: By slot of a layer that works channel by channel, the channels that pass through it.
    """

    layer: str
    units: tuple[int, ...] = ()
    late: bool = False
    found: dict[Slot, set[int]] = field(default_factory=lambda: defaultdict(set))
    scaled: dict[Slot, set[int]] = field(default_factory=lambda: defaultdict(set))


def _heard(probe: nn.Module, inputs: Inputs) -> "dict[str, _Pass]":
    """By layer that speaks: the slots in which each of its channels arrives."""
    one = tree_map(lambda x: x[:1] if isinstance(x, Tensor) else x, inputs)
    names = {module: path for path, module in probe.named_modules()}
    found = {}
    for module, path in names.items():
        if not isinstance(module, SPEAKING) or depthwise(module):
            continue
        total = channels_of(module)
        whole = found[path] = _Pass(layer=path)
        for first in range(0, total, ROWS):
            units = tuple(range(first, min(first + ROWS, total)))
            part = _late(probe, names, one, path, units) or _passed(probe, names, one, _Pass(layer=path, units=units))
            for target, notes in ((whole.found, part.found), (whole.scaled, part.scaled)):
                for slot, heard in notes.items():
                    target[slot] |= heard
    return found


def _late(
    probe: nn.Module, names: dict[nn.Module, str], one: Inputs, path: str, units: tuple[int, ...]
) -> _Pass | None:
    """A pass with one row until layer `path` speaks; None where the network takes the size of a batch as given."""
    if isinstance(probe.get_submodule(path), nn.RNNBase) or len(units) == 1:
        return None
    try:
        with _Rows(len(units)):
            return _passed(probe, names, one, _Pass(layer=path, units=units, late=True))
    except Exception:  # whatever comes of one row meeting several; with all rows from the start it is found out
        return None


def _passed(probe: nn.Module, names: dict[nn.Module, str], one: Inputs, record: _Pass) -> _Pass:
    """`record` with what one forward of all its units shows."""
    rows = 1 if record.late else len(record.units)
    handles = _watch(probe, names, record)
    try:
        _note_output(called(probe, tree_map(partial(_repeat, rows=rows), one)), record)
    finally:
        for handle in handles:
            handle.remove()
    return record


class _Rows(TorchFunctionMode):
    """One row joined with several, and several added to one in place, as broadcasting does it elsewhere."""

    JOINING = (torch.cat, torch.concat, torch.concatenate, torch.stack)
    IN_PLACE: ClassVar = {Tensor.__iadd__: Tensor.add, Tensor.__imul__: Tensor.mul, Tensor.__isub__: Tensor.sub}

    def __init__(self, rows: int) -> None:
        super().__init__()
        self.rows = rows

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in self.JOINING and args:
            args = (self._alike(args[0]), *args[1:])
        elif func in self.IN_PLACE and isinstance(args[1], Tensor) and args[0].numel() < args[1].numel():
            func = self.IN_PLACE[func]
        return func(*args, **(kwargs or {}))

    def _alike(self, values: Any) -> Any:
        most = max((len(v) for v in values if v.ndim), default=0)
        return [
            v.repeat(self.rows, *[1] * (v.ndim - 1)) if v.ndim and len(v) * self.rows == most else v for v in values
        ]


def _repeat(x: Any, *, rows: int) -> Any:
    return x.expand(rows, *x.shape[1:]).contiguous() if isinstance(x, Tensor) else x


@dataclass
class _Seen:
    """What a layer's last input held: its marks, and how many rows it had before they were cut to one."""

    marks: Tensor | None = None
    rows: int = 0


def _watch(probe: nn.Module, names: dict[nn.Module, str], record: _Pass) -> list[Any]:
    handles = []
    for module, path in names.items():
        if not isinstance(module, (*SPEAKING, *HEARING, *SCALING)):
            continue
        seen = _Seen()
        handles.append(module.register_forward_pre_hook(_before(module, path, record, seen)))
        handles.append(module.register_forward_hook(_after(module, path, record, seen)))
    return handles


def _before(module: nn.Module, path: str, record: _Pass, seen: _Seen) -> Any:
    """Note which channels of the input are marked, and hand the layer a clean one."""

    def hook(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        given = args[0]
        value = given.data if isinstance(given, PackedSequence) else given
        if not value.is_floating_point():
            return args
        seen.marks, seen.rows = None, len(value)
        if not _any_marked(args):  # cheap, and true of most layers in most passes
            return (_first(value, record), *args[1:]) if isinstance(module, ALIKE) else args
        marks = value.isnan()
        if marks.any():
            seen.marks = marks
            target = record.scaled if _passes(module) else record.found
            _note(target, path, marks.movedim(_axis(module, value), -1), _batch(module, value, record), record)
        if isinstance(given, PackedSequence):
            return given._replace(data=_clean(value)), *args[1:]
        cleaned = tree_map(_clean, args)
        return (_first(cleaned[0], record), *cleaned[1:]) if isinstance(module, ALIKE) else cleaned

    return hook


def _after(module: nn.Module, path: str, record: _Pass, seen: _Seen) -> Any:
    """Mark the channels of the layer whose turn it is; of a layer that works channel by channel, hand marks on."""

    def hook(_: nn.Module, args: tuple[Any, ...], output: Any) -> Any:
        if isinstance(module, ALIKE) and seen.rows:
            output = output.repeat(seen.rows // len(args[0]), *[1] * (output.ndim - 1))
        if path == record.layer:
            mark = _marked_recurrent if isinstance(module, nn.RNNBase) else _marked
            return mark(module, output, record)  # type: ignore[arg-type]
        marks = seen.marks
        if _passes(module) and marks is not None:
            if not isinstance(module, nn.LayerNorm) and marks.ndim > 2:
                marks = marks.flatten(2).any(2).view(*marks.shape[:2], *[1] * (marks.ndim - 2))
            return output.masked_fill(marks.expand(output.shape), float("nan"))
        return output

    return hook


def _marked(module: nn.Module, output: Tensor, record: _Pass) -> Tensor:
    """Row i of the batch with channel i of this pass set to NaN."""
    rows, axis = len(record.units), _axis(module, output)
    if record.late:
        output = output.repeat(rows, *[1] * (output.ndim - 1))
    batch = _batch(module, output, record)
    view = output.clone().movedim((batch, axis), (0, -1)).contiguous()
    parts_ = view.view(rows, -1, *view.shape[1:]) if view.shape[0] != rows else view[:, None]
    index = torch.arange(rows)
    parts_.movedim(-1, 1)[index, torch.tensor(record.units)] = float("nan")
    return view.movedim((0, -1), (batch, axis))


def _marked_recurrent(module: nn.RNNBase, output: Any, record: _Pass) -> Any:
    """Units are marked where they are heard: the last layer's in the sequence, all of them in the states."""
    sequence, state = output
    packed = isinstance(sequence, PackedSequence)
    if module.proj_size:
        return output  # hidden units do not leave the layer
    states = state if isinstance(state, tuple) else (state,)
    directions, width = (2 if module.bidirectional else 1), module.hidden_size
    below = (module.num_layers - 1) * directions * width
    if packed or states[0].ndim != 3:
        raise NotApplicable("packed sequences and single examples cannot be followed through a recurrent layer")
    sequence = sequence.clone()
    by_row = sequence if module.batch_first else sequence.transpose(0, 1)
    states = tuple(s.clone() for s in states)
    for row, unit in enumerate(record.units):
        if unit >= below:
            by_row[row, :, unit - below] = float("nan")
        for value in states:
            value[unit // width, row, unit % width] = float("nan")
    return sequence, (states if isinstance(state, tuple) else states[0])


def _note(target: dict[Slot, set[int]], path: str, marks: Tensor, batch: int, record: _Pass) -> None:
    """`marks` has its channels last; put down from which of the marked units each of them comes."""
    rows = len(record.units)
    shape = marks.movedim(batch, 0)
    flat = shape.reshape(rows, -1, shape.shape[-1]).any(1)
    for row, channel in flat.nonzero().tolist():
        target[path, channel].add(record.units[row])


def _note_output(output: Any, record: _Pass) -> None:
    rows = len(record.units)
    for value in tree_leaves(output):
        if record.late and isinstance(value, Tensor) and value.ndim and len(value) not in (1, rows):
            raise NotApplicable("a batch of one row is not treated like one of several")
        if isinstance(value, Tensor) and value.is_floating_point() and value.isnan().any():
            marks = value.isnan()
            lines = marks.reshape(rows, -1).any(1) if len(marks) % rows == 0 else marks.any().expand(rows)
            record.found[OUTPUT, 0].update(record.units[row] for row in lines.nonzero().flatten().tolist())


def _any_marked(args: tuple[Any, ...]) -> bool:
    """Whether anything is NaN: a sum is NaN then, and costs one pass and no memory."""
    values = (x for x in tree_leaves(args) if isinstance(x, Tensor) and x.is_floating_point())
    return any(bool(value.sum().isnan()) for value in values)


def _first(value: Tensor, record: _Pass) -> Tensor:
    """What one row's worth of `value` stands for all of: only where marks are matters, not the numbers beside them."""
    rows = len(record.units)
    return value[: len(value) // rows] if value.ndim > 1 and len(value) % rows == 0 else value


def _clean(value: Any) -> Any:
    return torch.nan_to_num(value) if isinstance(value, Tensor) and value.is_floating_point() else value


def _passes(module: nn.Module) -> bool:
    return isinstance(module, SCALING) or depthwise(module)


def _axis(module: nn.Module, value: Tensor) -> int:
    """The axis of channels of a layer's inputs or outputs."""
    if isinstance(module, (_ConvNd, _NormBase, nn.GroupNorm, nn.PReLU)) and value.ndim > 1:
        return 1
    return value.ndim - 1


def _batch(module: nn.Module, value: Tensor, record: _Pass) -> int:
    """The axis of examples, which may be flattened together with another one."""
    rows = len(record.units)
    if record.late:
        if len(value) % rows:
            raise NotApplicable("a batch of one row is not treated like one of several")
        return 0
    if isinstance(module, nn.RNNBase | nn.MultiheadAttention) and value.ndim == 3:
        return 0 if module.batch_first else 1
    channels = _axis(module, value)
    axes = [axis for axis in (0, 1) if axis < value.ndim and axis != channels and value.shape[axis] % rows == 0]
    if not axes:
        raise NotApplicable("rows of a batch are not treated alike")
    exact = [axis for axis in axes if value.shape[axis] == rows]
    return (exact or axes)[0]

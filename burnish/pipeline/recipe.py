"""What a user asked for: the flags of the command line as one frozen value."""

import dataclasses
import difflib
import math
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from burnish.compression.frontier import parse_requirements
from burnish.diagnosis.thresholds import Thresholds
from burnish.errors import UsageError
from burnish.ledger import Ledger

__all__ = ["Recipe"]

SEEDS = 2**32
PLACES = re.compile(r"local|ray|ray://[^/\s]+|[^/:\s]+:[0-9]+")
LEVELS = ("two", "mixed")
PRECISIONS = ("float32", "bf16")
# What a number must be, and how that is said; None always fits.
RANGES: dict[str, tuple[Callable[[float], bool], str]] = {
    "epochs": (lambda value: value >= 1, "at least 1"),
    "batch_size": (lambda value: value >= 1, "at least 1"),
    "max_rows": (lambda value: value >= 1, "at least 1"),
    "lr": (lambda value: 0 < value < math.inf, "above 0 and finite"),
    "min_gain": (lambda value: 0 <= value < math.inf, "0 or more and finite"),
    "max_drop": (lambda value: 0 <= value < math.inf, "0 or more and finite"),
    "target_score": (math.isfinite, "finite"),
    "seed": (lambda value: 0 <= value < SEEDS, f"from 0 to {SEEDS - 1}"),
    "ensemble": (lambda value: value == 0 or 2 <= value <= 20, "0 (one network ships) or from 2 to 20"),
    "ranks": (lambda value: value >= 1, "at least 1"),
    "workers": (lambda value: value >= 0, "0 (as many as suit the machine) or more"),
    "screen": (lambda value: 4 <= value <= 200, "from 4 to 200"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """All that decides the result of a job; the same recipe in the same directory is the same job.

    Attributes:
        network: `file.py:factory`, `package.module:factory`, a zoo name, or None for the default of the modality.
        data: A name, a folder, a file, or `file.py:function`.
        checkpoint: Weights to start from, safetensors or weights-only.
        techniques: Techniques by their notation, for `train` and `compare`.
        against: Techniques of the other side, for `compare`; without them it is the baseline.
        only: Names of techniques the study is limited to; several notations of one technique are its levels.
        loss: The name of a loss, or `file.py:function`; None takes the task's own.
        levels: `two`, every technique off or on, or `mixed`: normalization and augmentation have three levels.
        vary_lr: Vary the learning rate beside the techniques, as a nuisance.
        screen: Runs of the screening design; None takes the budget's.
        epochs, batch_size, lr: None lets the pilot choose.
        precision: `float32` or `bf16`, of forward passes in training.
        budget: `quick`, `standard`, `thorough`, or a time such as `20m`.
        min_gain: Smallest gain that matters; for errors without a bound, as a share of the baseline's.
        max_drop: Largest loss of the primary metric a compression step may cost.
        require: Size and latency asked for, such as `latency_ms<=2, bytes<=500_000`.
        ensemble: Members to train and ship as one where that passes the veto; 0 only says what one would bring.
        max_rows: Cap on training and validation rows; None takes the budget's.
        threshold: Thresholds of the diagnosis as `NAME=VALUE`, in place of its own.
        resplit: Vouches that a trained network has seen none of the rows, so that they may be split anew.
        workers: Runs at the same time; 0 takes one for each core, or fewer where runs have several threads.
        log: Viewers that runs and results are written for: `tensorboard`, `mlflow`.
        ranks: Processes that do each run together, by DDP; under torchrun as many as it started.
        on: Where runs are carried out: `local`, `ray`, or the address of a Ray cluster.
    """

    network: str | None = None
    data: str | None = "digits"
    checkpoint: str | None = None
    techniques: tuple[str, ...] = ()
    against: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    levels: str = "two"
    vary_lr: bool = False
    screen: int | None = None
    metric: str | None = None
    task: str | None = None
    target: str | None = None
    modality: str | None = None
    group: str | None = None
    time: str | None = None
    seed: int = 0
    epochs: int | None = None
    batch_size: int | None = None
    optimizer: str | None = None
    lr: float | None = None
    loss: str | None = None
    precision: str = "float32"
    device: str = "auto"
    workers: int = 0
    budget: str = "standard"
    min_gain: float = 0.005
    max_drop: float = 0.01
    target_score: float | None = None
    require: str | None = None
    ensemble: int = 0
    max_rows: int | None = None
    threshold: tuple[str, ...] = ()
    resplit: bool = False
    on: str = "local"
    ranks: int = 1
    log: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name, (fits, expected) in RANGES.items():
            value = getattr(self, name)
            if value is not None and not fits(value):
                raise UsageError(f"--{name.replace('_', '-')} must be {expected}, got {value}")
        if self.levels not in LEVELS:
            raise UsageError(f"--levels {self.levels!r} is unknown; one of {', '.join(LEVELS)}")
        if self.precision not in PRECISIONS:
            raise UsageError(f"--precision {self.precision!r} is unknown; one of {', '.join(PRECISIONS)}")
        if self.require:
            parse_requirements(self.require)  # a wish that cannot be read is refused before anything is spent
        if not PLACES.fullmatch(self.on):
            raise UsageError(
                f"--on {self.on!r} is unknown; it is local (worker processes), ray (a Ray of its own on this machine, "
                "or the one that RAY_ADDRESS names), ray://HOST:PORT, or HOST:PORT of a Ray cluster"
            )
        if self.ranks > 1 and self.on != "local":
            raise UsageError(f"--ranks {self.ranks} and --on {self.on} exclude one another: ranks need local processes")
        object.__setattr__(self, "techniques", tuple(self.techniques))
        object.__setattr__(self, "only", tuple(self.only))
        object.__setattr__(self, "against", tuple(self.against))
        object.__setattr__(self, "threshold", tuple(self.threshold))
        Thresholds.parse(self.threshold)
        object.__setattr__(self, "log", tuple(self.log))

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> "Recipe":
        """A recipe from flag names (with `-` or `_`) and their values.

        Raises:
            UsageError: a key is unknown; the message names the nearest one.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        clean: dict[str, Any] = {}
        for key, value in values.items():
            name = key.replace("-", "_")
            name = {"with": "techniques"}.get(name, name)
            if name not in known:
                near = difflib.get_close_matches(name, known, 1)
                hint = f" (did you mean {near[0]!r}?)" if near else ""
                raise UsageError(f"the recipe has an unknown key {key!r}{hint}; known are {', '.join(known)}")
            clean[name] = tuple(value) if isinstance(value, list) else value
        return cls(**clean)

    @classmethod
    def recorded(cls, root: Path) -> "Recipe":
        """The recipe that directory `root` was started with."""
        known = {field.name for field in dataclasses.fields(cls)}
        return cls.from_mapping({key: value for key, value in Ledger(root).recipe().items() if key in known})

    def to_json(self) -> dict[str, Any]:
        """All values that differ from the defaults, plus those that name the job."""
        values = dataclasses.asdict(self)
        return {key: list(value) if isinstance(value, tuple) else value for key, value in values.items()}

    def command(self, verb: str = "run", out: str | None = None) -> str:
        """The shell command that gives this recipe."""
        parts = ["burnish", verb] + ([_quoted(self.network)] if self.network else [])
        defaults = {field.name: field.default for field in dataclasses.fields(self)}
        for key, value in self.to_json().items():
            if key == "network" or value in (None, [], defaults[key]):
                continue
            flag = "with" if key == "techniques" else key.replace("_", "-")
            for item in value if isinstance(value, list) else [value]:
                parts += [f"--{flag}", _quoted(str(item))]
        return " ".join(parts + (["--out", _quoted(out)] if out else []))


def _quoted(text: str) -> str:
    """`text` for a shell, which must not carry out what it holds."""
    plain = not any(c in text for c in '"$`\\!')
    return f'"{text}"' if plain and any(c in text for c in " ()<>,*") else shlex.quote(text)

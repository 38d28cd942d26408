"""Where randomness comes from: every source is derived from the run's seed and a name.

Nothing depends on how much randomness was used before, so a run that is
resumed at an epoch draws what the undisturbed run drew.
"""

import contextlib
import hashlib
import random
from collections.abc import Iterator

import numpy as np
import torch

__all__ = ["derive", "generator", "kept_randomness", "seed_everything"]


def derive(seed: int, *names: object) -> int:
    """A 63-bit seed for the purpose `names` of run `seed`.

    Example:
        >>> derive(0, "order", 1) == derive(0, "order", 1), derive(0, "order", 1) == derive(0, "order", 2)
        (True, False)
    """
    text = "/".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: object) -> torch.Generator:
    """A CPU generator seeded with `derive(seed, *names)`."""
    return torch.Generator().manual_seed(derive(seed, *names))


@contextlib.contextmanager
def kept_randomness() -> Iterator[None]:
    """Whatever is drawn or seeded inside, afterwards all generators go on as if nothing had been."""
    python, legacy = random.getstate(), np.random.get_state()
    devices = range(torch.cuda.device_count()) if torch.cuda.is_initialized() else ()
    with torch.random.fork_rng(devices=devices):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(legacy)


def seed_everything(seed: int, *names: object) -> None:
    """Seed torch, numpy and random; dropout and the user's own code draw from these."""
    value = derive(seed, *names)
    torch.manual_seed(value)
    np.random.seed(value % 2**32)  # noqa: NPY002 - users' networks and datasets may use the global generator
    random.seed(value)

"""The most memory that a training takes: of this process, or of the accelerator it runs on."""

import torch

from burnish.exporting.memory import forget_peak, resident_peak
from burnish.training.loop import device_for

__all__ = ["start_watching", "training_peak"]


def start_watching(device: str) -> None:
    """Let the peak start anew, so that an earlier training of the same process does not count."""
    place = device_for(device)
    if place.type == "cuda":
        torch.cuda.reset_peak_memory_stats(place)
    else:
        forget_peak()


def training_peak(device: str) -> int | None:
    """Bytes at the most since `start_watching`; None where the system does not tell.

    On CUDA what was allocated for tensors, else all of this process: Python, torch and the data as well.
    """
    place = device_for(device)
    if place.type == "cuda":
        return int(torch.cuda.max_memory_allocated(place))
    return resident_peak() or None

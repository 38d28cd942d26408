"""Stored rows -> network inputs as tensors: the torch twin of `Preparation.network_input`."""

import numpy as np
import torch

from burnish.data.preparation import Preparation

__all__ = ["network_tensor"]


def network_tensor(preparation: Preparation, stored: np.ndarray, device: torch.device | str = "cpu") -> torch.Tensor:
    """What the network sees for the stored rows `stored`, on `device`.

    Images arrive as `uint8` NHWC and leave as `float32` NCHW in channels-last memory, normalized on the
    device, so that a quarter of the bytes travel. Equal to `preparation.network_input` to rounding.
    """
    tensor = torch.from_numpy(np.require(stored, requirements=["C", "W"])).to(device, non_blocking=True)
    if preparation.modality == "text":
        return tensor.long()
    if preparation.modality == "image" and preparation.channels_last:
        tensor = tensor.permute(0, 3, 1, 2)
    tensor = tensor.float()
    if preparation.mean is None:
        return tensor
    shape = (1, -1, *([1] * (tensor.ndim - 2)))
    mean = torch.tensor(preparation.mean, device=device).view(shape)
    std = torch.tensor(preparation.std, device=device).view(shape)
    return tensor.sub_(mean).div_(std) if stored.dtype == np.uint8 else (tensor - mean) / std

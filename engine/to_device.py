"""Copies to a GPU that no step waits for."""

from __future__ import annotations

import torch
from torch import Tensor


def to_device(tensor: Tensor, device: torch.device | str) -> Tensor:
    """The tensor on `device`; itself if it is there. From the CPU to a GPU it goes by way of pinned memory, because a
    copy out of pageable memory stops the process until it is done.
    """
    device = torch.device(device)
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)

"""Precision as a property of networks: what goes in and comes out is float32, whatever is computed inside."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor, nn


class MixedPrecision(nn.Module):
    """Base of networks and heads whose matrix products may be computed in bfloat16. Everything around them, such as
    softmax, losses and statistics, stays in the precision that it has.
    """

    precision: str = "float32"  # a run's machine sets it

    def autocast(self, inputs: Tensor) -> AbstractContextManager[Any]:
        rounded = self.precision == "bfloat16"
        return torch.autocast(inputs.device.type, dtype=torch.bfloat16) if rounded else nullcontext()

    def widened(self, outputs: Tensor) -> Tensor:
        """float32 instead of bfloat16; any other type as it is."""
        return outputs.float() if outputs.dtype == torch.bfloat16 else outputs


def set_precision(module: nn.Module, precision: str) -> None:
    """For every network and head in `module`."""
    for one in module.modules():
        if isinstance(one, MixedPrecision):
            one.precision = precision

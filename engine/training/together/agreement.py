"""Whether the processes of a run still have the same state: what each repeats must have come out alike in all."""

from __future__ import annotations

import torch
from torch import nn

from engine.errors import FewLabError
from engine.processes.group import Processes


def check_agreement(method: nn.Module, processes: Processes, step: int) -> None:
    """Raises FewLabError, in every process, if a parameter or buffer differs between two of them."""
    state = method.state_dict()
    # Sums of the same numbers in the same order are the same bits, and bits compare also where they are no numbers.
    own = torch.stack([value.detach().double().sum() for value in state.values()]).view(torch.int64)
    every = processes.gather(own[None], [1] * processes.size)
    differs = (every != every[0]).any(0).tolist()
    if any(differs):
        name = next(name for name, is_other in zip(state, differs, strict=True) if is_other)
        raise FewLabError(
            f"After step {step} the processes of this run no longer agree, first in {name}: resume it from its last"
            " checkpoint, on processors of one kind, or in one process."
        )

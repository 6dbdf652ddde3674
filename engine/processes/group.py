"""The processes that train one run together, and what they send one another."""

from __future__ import annotations

import atexit
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch._C._distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from engine.errors import ConfigError, FewLabError
from engine.processes.environment import here, process_count

PATIENCE = timedelta(days=365)
"""How long a process waits for the others: a run that a person has paused goes on when that person likes."""
_FAILED = "failed"


class LostProcess(FewLabError):
    """Another process of the run has ended, or failed with the sentence that this error has."""


class Processes:
    """This process among those that `torchrun` started together.

    rank: its place among all, 0 the first, which leads. local_rank, local_size: its place among those of this machine,
    and their number. Whatever is sent must be sent by all of them, in the same order. Everything here raises
    LostProcess if one of the others is gone.
    """

    def __init__(self, store: Store, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.local_rank, self.local_size = here()
        self.in_step = False  # whether this process is somewhere within a step, where others may wait for it
        self._notes = PrefixStore("fewlab-notes", store)
        # Messages go by way of gloo whatever the tensors go by: a GPU has nothing to do with them.
        dist.init_process_group("gloo", store=store, rank=rank, world_size=size, timeout=PATIENCE)
        self._tensors: Any = None  # the group that tensors go by; None: that of the messages

    @property
    def leads(self) -> bool:
        return self.rank == 0

    def use(self, is_cuda: bool) -> None:
        """From here on tensors are on GPUs, or on the CPU."""
        if is_cuda and self._tensors is None:
            self._tensors = dist.new_group(backend="nccl")
        elif not is_cuda:
            self._tensors = None

    # messages

    def tell(self, code: int, value: Any = None) -> None:
        """From the first process to all others, which `hear` it. The value is sent only if it is not None."""
        with self._sending():
            dist.broadcast(torch.tensor([code, int(value is not None)]), 0)
            if value is not None:
                dist.broadcast_object_list([value], 0)

    def hear(self) -> tuple[int, Any]:
        """What the first process tells: a code and a value, None where there is none."""
        with self._sending():
            head = torch.zeros(2, dtype=torch.int64)
            dist.broadcast(head, 0)
            code, follows = head.tolist()
            values: list[Any] = [None]
            if follows:
                dist.broadcast_object_list(values, 0)
        return code, values[0]

    # tensors

    def gather(self, rows: Tensor, counts: Sequence[int]) -> Tensor:
        """The rows of all processes, [sum(counts), ...], in the order of their ranks. rows: [counts[rank], ...]."""
        most = max(counts)
        # Of one length: gloo takes no others.
        padded = rows.new_zeros((most, *rows.shape[1:]))
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        with self._sending():
            dist.all_gather(parts, padded, group=self._tensors)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    def sum_(self, tensor: Tensor) -> Tensor:
        """The sum over all processes, in place. tensor: contiguous."""
        with self._sending():
            dist.all_reduce(tensor, group=self._tensors)
        return tensor

    # the end

    def fail(self, sentence: str) -> None:
        """This process cannot go on: the others find the sentence instead of an answer."""
        with suppress(RuntimeError):
            if not self._notes.check([_FAILED]):
                self._notes.set(_FAILED, sentence)
        self.leave()

    def leave(self) -> None:
        global _joined
        _joined = None
        with suppress(RuntimeError, AssertionError):
            dist.destroy_process_group()

    @contextmanager
    def _sending(self) -> Iterator[None]:
        try:
            yield
        except (RuntimeError, ValueError) as error:  # gloo and nccl say nothing more precise
            raise LostProcess(self._noted()) from error

    def _noted(self) -> str:
        with suppress(RuntimeError):
            if self._notes.check([_FAILED]):
                return self._notes.get(_FAILED).decode()
        return "Another process of this run has ended: start all of them again and resume the run."


_joined: Processes | None = None
_times = 0


def join() -> Processes | None:
    """The processes that were started together with this one; None where it was started alone.

    Raises ConfigError if they do not find one another.
    """
    global _joined, _times
    if process_count() == 1:
        return None
    if _joined is None:
        _times += 1  # those that have left one another after a failure meet again at another place
        try:
            store, rank, size = next(rendezvous("env://", timeout=timedelta(minutes=10)))
            _joined = Processes(PrefixStore(f"fewlab-{_times}", store), rank, size)
        except (RuntimeError, ValueError) as error:
            raise ConfigError(
                f"The {process_count()} processes of this run did not find one another ({type(error).__name__}): start"
                " them with `torchrun`, or train in one process."
            ) from error
        atexit.register(_joined.leave)
    return _joined

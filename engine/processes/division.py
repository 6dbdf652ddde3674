"""Networks whose batch is divided among processes: each computes some of the rows, and all get the outputs of all.

What stands around the networks, such as losses, tables and queues, sees whole batches and is repeated by every process.
So a method is the same in one process and in several, and knows nothing of them (docs/decisions/0024).
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from engine.errors import ConfigError
from engine.processes.group import Processes
from engine.processes.whole_batch_norm import WholeBatchNorm


class Share(NamedTuple):
    """This process's rows of a batch that all of them divide: `counts[rank]` rows, behind those of lower ranks."""

    processes: Processes
    counts: Sequence[int]

    @property
    def total(self) -> int:
        return sum(self.counts)

    @property
    def own(self) -> slice:
        start = sum(self.counts[: self.processes.rank])
        return slice(start, start + self.counts[self.processes.rank])

    def gather(self, rows: Tensor) -> Tensor:
        """The rows of all processes; rows: the own ones. No gradient flows back."""
        return self.processes.gather(rows, self.counts)


_under_way: Share | None = None
_parts: int | None = None


def share_under_way() -> Share | None:
    """Within the forward pass of a network whose batch is divided: this process's share. None elsewhere."""
    return _under_way


@contextmanager
def whole_parts(count: int) -> Iterator[None]:
    """Batches are divided between `count` equal parts of consecutive rows, never within one."""
    global _parts
    before, _parts = _parts, count
    try:
        yield
    finally:
        _parts = before


def counts_of(total: int, size: int, parts: int | None = None) -> list[int]:
    """How many of `total` rows each of `size` processes takes: as evenly as whole parts allow, lower ranks more."""
    parts = parts or max(total, 1)
    if total % parts:
        raise ConfigError(f"A batch of {total} images cannot be cut into {parts} equal groups.")
    whole, more = divmod(parts, size)
    return [(whole + (rank < more)) * (total // parts) for rank in range(size)]


@contextmanager
def divided(networks: Iterable[nn.Module], processes: Processes | None) -> Iterator[None]:
    """Inside, each of these networks takes its part of a batch for itself, and gives out the whole one.

    A network maps rows to rows, [N, ...] to [N, ...], and mixes them in batch norm alone. Gradients flow back as they
    would in one process: those of inputs are whole in every process, those of the networks' parameters are parts whose
    sum `sum_gradients` takes. In one process nothing changes.
    """
    if processes is None:
        yield
        return
    held = list(networks)
    for network in held:
        network.forward = functools.partial(_divided_pass, processes, network)
    try:
        yield
    finally:
        for network in held:
            del network.forward


def sum_gradients(networks: Iterable[nn.Module], processes: Processes) -> None:
    """Of the networks' parameters, once all processes have gone backward."""
    parameters = {id(p): p for network in networks for p in network.parameters() if p.grad is not None}
    gradients = [p.grad for p in parameters.values() if p.grad is not None]
    if not gradients:
        return
    together = processes.sum_(torch.cat([gradient.reshape(-1) for gradient in gradients]))
    ends = list(itertools.accumulate(gradient.numel() for gradient in gradients))
    for gradient, end in zip(gradients, ends, strict=True):
        gradient.copy_(together[end - gradient.numel() : end].view(gradient.shape))


def _divided_pass(processes: Processes, network: nn.Module, *inputs: Any, **more: Any) -> Any:
    global _under_way
    forward = type(network).forward
    if _under_way is not None:  # a network within a network, which has its part already
        return forward(network, *inputs, **more)
    total = len(inputs[0])
    share = Share(processes, counts_of(total, processes.size, _parts))
    states = _states_of_chance(inputs[0].device)
    _under_way = share
    try:
        with WholeBatchNorm(processes):
            outputs = forward(
                network,
                *(_part(value, share) for value in inputs),
                **{name: _part(value, share) for name, value in more.items()},
            )
    finally:
        _under_way = None
    if not isinstance(outputs, Tensor) or len(outputs) != share.counts[processes.rank]:
        raise ConfigError(
            f"{type(network).__name__} does not give one row for each image, so several processes cannot divide its"
            " batch: train in one process."
        )
    if not all(map(torch.equal, states, _states_of_chance(inputs[0].device))):
        raise ConfigError(
            f"{type(network).__name__} draws random numbers, such as those of dropout, which several processes would"
            " draw otherwise than one: turn that off, or train in one process."
        )
    gathered: Tensor = _Gather.apply(outputs, share)
    return gathered


def _part(value: Any, share: Share) -> Any:
    if not isinstance(value, Tensor):
        return value
    if len(value) != share.total:
        raise ConfigError(
            f"A network was given {share.total} rows and {len(value)} rows at once, which several processes cannot"
            " divide: train in one process."
        )
    if value.requires_grad:
        return _Part.apply(value, share)
    return value[share.own]


def _states_of_chance(device: torch.device) -> list[Tensor]:
    states = [torch.default_generator.get_state()]
    return [*states, torch.cuda.get_rng_state(device)] if device.type == "cuda" else states


class _Part(torch.autograd.Function):
    """Own rows of what all have; backward, the gradients of all rows."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, share: Share) -> Tensor:
        ctx.share = share
        return rows[share.own].clone()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        share: Share = ctx.share
        return share.gather(gradient), None


class _Gather(torch.autograd.Function):
    """The rows of all; backward, the gradients of own ones. Every process takes the same loss of them, so none has to
    ask the others for their gradients.
    """

    @staticmethod
    def forward(ctx: Any, rows: Tensor, share: Share) -> Tensor:
        ctx.own = share.own
        return share.gather(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient[ctx.own].contiguous(), None

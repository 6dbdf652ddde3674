"""Batch norm as a stated decision per forward pass."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext

import torch
from torch import Tensor, nn

from engine.processes.division import share_under_way, whole_parts


@contextmanager
def bn_stats_frozen(*modules: nn.Module) -> Iterator[None]:
    """Batch norm normalizes with the batch's statistics as before, but leaves its running ones untouched."""
    norms = _tracking_norms(modules)
    for norm in norms:
        norm.track_running_stats = False
    try:
        yield
    finally:
        for norm in norms:
            norm.track_running_stats = True


@contextmanager
def bn_in_groups(groups: int, *modules: nn.Module) -> Iterator[None]:
    """In train mode, batch norm normalizes each of so many consecutive, equal parts of the batch with their own
    statistics, as it does where each lies on a device of its own (MoCo, He et al. 2020, arXiv:1911.05722, section 3.3).

    The running statistics move once, by the mean of the parts' statistics. The batch must be a multiple of `groups`;
    processes that divide it take whole parts.
    """
    norms = _tracking_norms(modules) if groups > 1 else []
    for norm in norms:
        norm.forward = functools.partial(_in_groups, norm, groups)  # type: ignore[method-assign]  # for these passes
    try:
        with whole_parts(groups) if groups > 1 else nullcontext():
            yield
    finally:
        for norm in norms:
            del norm.forward


def _in_groups(norm: nn.modules.batchnorm._BatchNorm, groups: int, inputs: Tensor) -> Tensor:
    if not norm.training:
        return type(norm).forward(norm, inputs)
    mean, var, count = (norm.get_buffer(name) for name in ("running_mean", "running_var", "num_batches_tracked"))
    momentum = norm.momentum if norm.momentum is not None else 1 / (int(count) + 1)
    share = share_under_way()
    parts = inputs.split((len(inputs) if share is None else share.total) // groups) if len(inputs) else ()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    moved = [(mean.clone(), var.clone()) for _ in parts]
    normalized = [
        # Not F.batch_norm, which takes the rows of all processes while they divide a batch.
        torch.batch_norm(
            part, norm.weight, norm.bias, *statistics, True, momentum, norm.eps, torch.backends.cudnn.enabled
        )
        for part, statistics in zip(parts, moved, strict=True)
    ]
    with torch.no_grad():
        count.add_(1)
        for number, ours in enumerate((mean, var)):
            of_parts = [statistics[number] for statistics in moved] or [torch.zeros_like(ours)]
            theirs = torch.stack(of_parts)
            ours.copy_(theirs.mean(0) if share is None else share.processes.sum_(theirs.sum(0)) / groups)
    return torch.cat(normalized) if normalized else inputs


def _tracking_norms(modules: tuple[nn.Module, ...]) -> list[nn.modules.batchnorm._BatchNorm]:
    return [
        m
        for module in modules
        for m in module.modules()
        if isinstance(m, nn.modules.batchnorm._BatchNorm) and m.track_running_stats
    ]

"""Batch norm with the statistics of a whole batch of which each process has some rows, on any device.

torch's SyncBatchNorm does the same on GPUs alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class Group(Protocol):
    """Who has the other rows."""

    size: int

    def gather(self, rows: Tensor, counts: list[int]) -> Tensor: ...

    def sum_(self, tensor: Tensor) -> Tensor: ...


class WholeBatchNorm(TorchFunctionMode):
    """Inside, every batch norm in train mode is that of the whole batch, whichever module asks for it."""

    def __init__(self, group: Group) -> None:
        super().__init__()
        self._group = group

    def __torch_function__(
        self, func: Callable[..., Any], types: Iterable[type], args: Any = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is F.batch_norm and kwargs.get("training"):
            del kwargs["training"]
            return whole_batch_norm(self._group, *args, **kwargs)
        return func(*args, **kwargs)


def whole_batch_norm(
    group: Group,
    inputs: Tensor,
    running_mean: Tensor | None,
    running_var: Tensor | None,
    weight: Tensor | None = None,
    bias: Tensor | None = None,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Tensor:
    """`F.batch_norm` in train mode of the rows of all processes; the own ones of it.

    inputs: [N, C, ...], N may be 0. Running statistics move in place, in every process alike. The gradients of weight
    and bias are those of the own rows, and their sum over processes is what one process has. Raises ValueError if there
    is one value per channel in all.
    """
    mean, var, count = _statistics(group, inputs)
    # Asked only where it can be: reading a number off a GPU waits for it.
    if inputs.numel() <= inputs.shape[1] and int(count) == 1:
        raise ValueError(f"Expected more than 1 value per channel when training, got input size {inputs.shape}")
    with torch.no_grad():
        for running, statistic in ((running_mean, mean), (running_var, var * (count / (count - 1)))):
            if running is not None:
                running.mul_(1 - momentum).add_(statistic.to(running.dtype), alpha=momentum)
    outputs: Tensor = _Normalize.apply(inputs, mean, var, weight, bias, eps, count, group)
    return outputs


@torch.no_grad()
def _statistics(group: Group, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Mean and biased variance of every channel over all rows of all processes, float64 [C], and how many values that
    were, 0-d.
    """
    own = inputs.numel() // inputs.shape[1]
    rows = inputs.new_zeros((1, 1 + 2 * inputs.shape[1]), dtype=torch.float64)
    if own:
        wide = inputs if inputs.dtype == torch.float64 else inputs.float()
        var, mean = torch.var_mean(wide, _all_but_channels(inputs), correction=0)
        rows = torch.cat((mean.new_tensor([own]), mean, var)).double()[None]
    every = group.gather(rows, [1] * group.size)
    counts, means, variances = every[:, :1], *every[:, 1:].chunk(2, 1)  # [P, 1], [P, C], [P, C]
    count = counts.sum()
    mean = (counts * means).sum(0) / count
    # Around the common mean (Chan et al. 1983): a mean of squares less a squared mean would lose the digits.
    var = (counts * (variances + (means - mean).square())).sum(0) / count
    return mean, var, count


class _Normalize(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        mean: Tensor,
        var: Tensor,
        weight: Tensor | None,
        bias: Tensor | None,
        eps: float,
        count: Tensor,
        group: Group,
    ) -> Tensor:
        kind = torch.float64 if inputs.dtype == torch.float64 else torch.float32
        scale = (var + eps).rsqrt()
        ctx.save_for_backward(inputs, mean.to(kind), scale.to(kind), weight)
        ctx.count, ctx.group = count, group
        return F.batch_norm(inputs, mean.to(kind), var.to(kind), weight, bias, training=False, eps=eps)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, mean, scale, weight = ctx.saved_tensors
        shape = (1, -1, *(1,) * (inputs.ndim - 2))
        wide = gradient.to(mean.dtype)
        centered = inputs.to(mean.dtype) - mean.view(shape)
        dims = _all_but_channels(inputs)
        own_sum, own_product = wide.sum(dims), (wide * centered).sum(dims) * scale  # [C] each
        along = None
        if ctx.needs_input_grad[0]:
            sums = ctx.group.sum_(torch.stack((own_sum, own_product)).double()) / ctx.count
            factor = scale if weight is None else scale * weight.to(mean.dtype)
            shift, slope = -factor * sums[0].to(mean.dtype), -factor * scale * sums[1].to(mean.dtype)
            along = torch.addcmul(shift.view(shape), wide, factor.view(shape))
            along = along.addcmul_(centered, slope.view(shape)).to(inputs.dtype)
        of_weight = own_product.to(weight.dtype) if weight is not None and ctx.needs_input_grad[3] else None
        of_bias = own_sum.to(weight.dtype if weight is not None else wide.dtype) if ctx.needs_input_grad[4] else None
        return along, None, None, of_weight, of_bias, None, None, None


def _all_but_channels(inputs: Tensor) -> list[int]:
    return [0, *range(2, inputs.ndim)]

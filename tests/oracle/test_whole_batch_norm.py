"""Batch norm of a batch that processes divide, against torch's own of the whole batch.

Threads stand for the processes: what they send one another goes through a list.
"""

from __future__ import annotations

import copy
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import Tensor, nn

from engine.methods.parts.batch_norm import bn_stats_frozen
from engine.processes.whole_batch_norm import WholeBatchNorm


class Table:
    """Where each thread lays down what it sends, and takes what the others have."""

    def __init__(self, size: int) -> None:
        self.size = size
        self._sent = [torch.empty(0)] * size
        self._all_there = threading.Barrier(size, timeout=30)

    def exchanged(self, rank: int, tensor: Tensor) -> list[Tensor]:
        self._sent[rank] = tensor.clone()
        self._all_there.wait()
        every = list(self._sent)
        self._all_there.wait()
        return every


class Seat:
    def __init__(self, table: Table, rank: int) -> None:
        self._table, self._rank, self.size = table, rank, table.size

    def gather(self, rows: Tensor, counts: list[int]) -> Tensor:
        assert len(rows) == counts[self._rank]
        return torch.cat(self._table.exchanged(self._rank, rows))

    def sum_(self, tensor: Tensor) -> Tensor:
        return tensor.copy_(torch.stack(self._table.exchanged(self._rank, tensor)).sum(0))


def passed(norm: nn.Module, inputs: Tensor, upstream: Tensor) -> list[Tensor]:
    """Outputs, and gradients of the inputs and of weight and bias, for the gradient `upstream` of the outputs."""
    inputs = inputs.clone().requires_grad_()
    outputs = norm(inputs)
    outputs.backward(upstream)
    assert inputs.grad is not None
    of_parameters = [parameter.grad for parameter in norm.parameters() if parameter.grad is not None]
    return [outputs.detach(), inputs.grad, *of_parameters]


def divided(norm: nn.Module, inputs: Tensor, upstream: Tensor, counts: list[int]) -> list[list[Tensor]]:
    """The same in as many threads as there are counts, each with its rows and with the norm in a copy of its own."""
    table = Table(len(counts))
    starts = [sum(counts[:rank]) for rank in range(len(counts))]

    def one(rank: int) -> list[Tensor]:
        rows = slice(starts[rank], starts[rank] + counts[rank])
        own = copy.deepcopy(norm)
        with WholeBatchNorm(Seat(table, rank)):
            return [*passed(own, inputs[rows], upstream[rows]), *own.buffers()]

    with ThreadPoolExecutor(len(counts)) as threads:
        return list(threads.map(one, range(len(counts))))


@pytest.mark.parametrize("counts", [[4, 4], [5, 3], [3, 3, 2], [8, 0]], ids=str)
@pytest.mark.parametrize("kind", ["2d", "1d", "cumulative", "plain", "frozen"])
def test_forward_backward_and_running_statistics_are_those_of_the_whole_batch(kind: str, counts: list[int]) -> None:
    chance = torch.Generator().manual_seed(3)
    shape = (8, 5) if kind == "1d" else (8, 5, 3, 4)
    inputs = 3 + 2 * torch.randn(shape, generator=chance, dtype=torch.float64)
    upstream = torch.randn(shape, generator=chance, dtype=torch.float64)
    made: dict[str, nn.Module] = {
        "1d": nn.BatchNorm1d(5),
        "cumulative": nn.BatchNorm2d(5, momentum=None),
        "plain": nn.BatchNorm2d(5, affine=False, eps=0.1),
    }
    norm = made.get(kind, nn.BatchNorm2d(5, momentum=0.3)).double()
    for parameter in norm.parameters():
        nn.init.normal_(parameter, generator=chance)

    whole = copy.deepcopy(norm)
    if kind == "frozen":
        with bn_stats_frozen(whole, norm):
            expected = passed(whole, inputs, upstream)
            parts = divided(norm, inputs, upstream, counts)
    else:
        expected = passed(whole, inputs, upstream)
        parts = divided(norm, inputs, upstream, counts)

    together = [torch.cat([part[number] for part in parts]) for number in (0, 1)]
    together += [torch.stack([part[number] for part in parts]).sum(0) for number in range(2, len(expected))]
    for ours, theirs in zip(together, expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-10, atol=1e-12)
    for part in parts:
        for ours, theirs in zip(part[len(expected) :], whole.buffers(), strict=True):
            torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


def test_a_mean_far_from_zero_costs_no_digits() -> None:
    """A mean of squares less a squared mean has none left here."""
    inputs = 10_000 + torch.randn((64, 3, 4, 4), generator=torch.Generator().manual_seed(4))
    upstream = torch.ones_like(inputs)
    exact = passed(nn.BatchNorm2d(3).double(), inputs.double(), upstream.double())[0]
    parts = divided(nn.BatchNorm2d(3), inputs, upstream, [32, 32])
    ours = torch.cat([part[0] for part in parts])
    theirs = passed(nn.BatchNorm2d(3), inputs, upstream)[0]
    assert (ours - exact).abs().max() <= 2 * (theirs - exact).abs().max() + 1e-4


def test_bfloat16_is_normalized_with_statistics_in_float32() -> None:
    inputs = (5 + torch.randn((16, 3, 4, 4), generator=torch.Generator().manual_seed(5))).bfloat16()
    upstream = torch.randn(inputs.shape, generator=torch.Generator().manual_seed(6)).bfloat16()
    whole = nn.BatchNorm2d(3)
    expected = passed(whole, inputs, upstream)
    parts = divided(nn.BatchNorm2d(3), inputs, upstream, [9, 7])
    for number in (0, 1):
        ours = torch.cat([part[number] for part in parts])
        assert ours.dtype == torch.bfloat16
        torch.testing.assert_close(ours, expected[number], rtol=2e-2, atol=2e-2)
    for ours, theirs in zip(parts[0][4:], whole.buffers(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


def test_one_value_per_channel_is_refused_as_torch_refuses_it() -> None:
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        divided(nn.BatchNorm1d(3), torch.ones(1, 3), torch.ones(1, 3), [1, 0])


def test_in_eval_mode_nothing_is_sent() -> None:
    norm = nn.BatchNorm1d(3).eval()
    inputs = torch.randn((4, 3), generator=torch.Generator().manual_seed(7))
    with WholeBatchNorm(Seat(Table(2), 0)):  # nobody sits at the other seat
        assert torch.equal(norm(inputs), nn.BatchNorm1d(3).eval()(inputs))

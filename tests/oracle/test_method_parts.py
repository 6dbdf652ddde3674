"""Parts that methods share, against loops in float64, scipy and lists."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import stats
from torch import nn

from engine.methods.parts.draws import beta, normal, permutation
from engine.methods.parts.ema import cosine_momentum, ema_, frozen_copy
from engine.methods.parts.feature_queue import FeatureQueue


def network(seed: int) -> nn.Sequential:
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    made.train()(torch.rand(4, 1, 6, 6))
    return made


def test_ema_moves_every_parameter_and_floating_buffer_by_the_same_share_and_copies_counters() -> None:
    target, source = network(0), network(1)
    nn.Module.__call__(source, torch.rand(4, 1, 6, 6))
    before = {name: value.double().clone() for name, value in target.state_dict().items()}
    ema_(target, source, 0.9)
    for name, value in target.state_dict().items():
        theirs = source.state_dict()[name]
        expected = theirs.double() if name.endswith("tracked") else 0.9 * before[name] + 0.1 * theirs.double()
        torch.testing.assert_close(value.double(), expected, atol=1e-7, rtol=1e-6)
    assert int(target[1].get_buffer("num_batches_tracked")) == 2


def test_ema_without_buffers_leaves_the_targets_own_statistics() -> None:
    target, source = network(0), network(1)
    mean, weight = target.get_buffer("1.running_mean").clone(), target.get_parameter("0.weight").detach().clone()
    ema_(target, source, 0.5, buffers=False)
    assert torch.equal(target.get_buffer("1.running_mean"), mean)
    assert not torch.equal(target.get_parameter("0.weight"), weight)


def test_ema_of_a_network_without_parameters_does_nothing() -> None:
    ema_(nn.Identity(), nn.Identity(), 0.9)


def test_a_frozen_copy_takes_no_gradient_and_is_another_tensor() -> None:
    source = network(0)
    copied = frozen_copy(source)
    assert not any(parameter.requires_grad for parameter in copied.parameters())
    assert all(a.data_ptr() != b.data_ptr() for a, b in zip(copied.parameters(), source.parameters(), strict=True))


@pytest.mark.parametrize(
    ("progress", "momentum"), [(0.0, 0.99), (0.25, 1 - 0.01 * 0.8535533906), (0.5, 0.995), (1.0, 1)]
)
def test_the_momentum_of_targets_rises_along_a_cosine(progress: float, momentum: float) -> None:
    assert cosine_momentum(0.99, progress) == pytest.approx(momentum, abs=1e-10)


# Below 0.2, a noticeable share of the draws is so near to 1 that no float tells them apart.
@pytest.mark.parametrize("alpha", [0.2, 0.75, 1.0, 16.0])
def test_beta_draws_have_the_distribution_of_scipy(alpha: float) -> None:
    drawn = beta(alpha, 4000, torch.Generator().manual_seed(3), torch.empty(0, dtype=torch.float64)).numpy()
    assert drawn.dtype == np.float64
    assert (drawn >= 0).all()
    assert (drawn <= 1).all()
    assert stats.kstest(drawn, stats.beta(alpha, alpha).cdf).pvalue > 0.01
    again = beta(alpha, 4000, torch.Generator().manual_seed(3), torch.empty(0, dtype=torch.float64)).numpy()
    assert np.array_equal(drawn, again)


def test_beta_draws_of_a_vanishing_alpha_are_shares() -> None:
    drawn = beta(1e-4, 500, torch.Generator().manual_seed(0), torch.empty(0))
    assert torch.isfinite(drawn).all()
    assert ((drawn >= 0) & (drawn <= 1)).all()


def test_normal_draws_have_the_distribution_of_scipy_and_the_shape_asked_for() -> None:
    drawn = normal(torch.empty(50, 80, dtype=torch.float64), torch.Generator().manual_seed(1))
    assert drawn.shape == (50, 80)
    assert drawn.dtype == torch.float64
    assert stats.kstest(drawn.flatten().numpy(), stats.norm.cdf).pvalue > 0.01


def test_a_permutation_has_every_row_once() -> None:
    order = permutation(40, torch.Generator().manual_seed(1), torch.empty(0))
    assert sorted(order.tolist()) == list(range(40))
    assert order.tolist() != list(range(40))


def test_a_queue_holds_the_newest_rows_in_the_place_of_the_oldest() -> None:
    queue = FeatureQueue(5, 2)
    assert queue.rows.norm(dim=1).tolist() == pytest.approx([1.0] * 5)
    newest: list[list[float]] = []
    for start, count in ((0, 2), (2, 2), (4, 3), (7, 1)):
        rows = [[float(n), -float(n)] for n in range(start, start + count)]
        queue.push(torch.tensor(rows))
        newest = [*newest, *rows][-5:]
    assert sorted(queue.rows.tolist()) == sorted(newest)
    assert int(queue.position) == 8 % 5
    queue.push(torch.tensor([[float(n), 0.0] for n in range(100, 112)]))
    assert sorted(queue.rows[:, 0].tolist()) == [107, 108, 109, 110, 111]


def test_a_queue_takes_no_gradient() -> None:
    queue = FeatureQueue(4, 3)
    queue.push(torch.ones(2, 3, requires_grad=True) * math.pi)
    assert not queue.rows.requires_grad

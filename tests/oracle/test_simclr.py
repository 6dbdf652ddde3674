"""NT-Xent and the figures of an embedding: worked numbers, a slow loop, lightly's own code, and the mistakes that are
public.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.analysis.collapse import collapse_warning
from engine.backbones.small_cnn import SmallCNN
from engine.errors import ShapeError
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.parts.embedding_metrics import embedding_metrics
from engine.methods.parts.losses import nt_xent
from engine.methods.self_supervised.simclr import SimCLR, swapped_masks
from tests.oracle.fixtures_embeddings import A, B
from tests.oracle.wrong_nt_xent import WRONG, everything_a_positive


def spread(embedding: NDArray[np.float64]) -> float:
    """Chen & He 2021, section 4: mean std of the normalized coordinates, times √D, in float64."""
    rows = embedding / np.linalg.norm(embedding, axis=1, keepdims=True)
    return float(rows.std(0, ddof=1).mean() * embedding.shape[1] ** 0.5)


def effective_rank(embedding: NDArray[np.float64]) -> float:
    """RankMe (Garrido et al. 2023) from the singular values themselves, where the method takes eigenvalues."""
    values = np.linalg.svd(embedding, compute_uv=False)
    share = values / values.sum() + 1e-7
    return float(np.exp(-(share * np.log(share)).sum()))


def random_pair(seed: int, count: int = 6, size: int = 5) -> tuple[Tensor, Tensor]:
    chance = torch.Generator().manual_seed(seed)
    first, second = (torch.randn(count, size, generator=chance, dtype=torch.float64) for _ in range(2))
    return first, second


def slow(first: Tensor, second: Tensor, temperature: float) -> float:
    rows = [*first.tolist(), *second.tolist()]

    def similar(a: list[float], b: list[float]) -> float:
        return sum(x * y for x, y in zip(a, b, strict=True)) / math.hypot(*a) / math.hypot(*b) / temperature

    total, count = 0.0, len(first)
    for i, row in enumerate(rows):
        others = sum(math.exp(similar(row, rows[k])) for k in range(2 * count) if k != i)
        total -= math.log(math.exp(similar(row, rows[(i + count) % (2 * count)])) / others)
    return total / (2 * count)


@pytest.mark.parametrize(("temperature", "expected"), [(0.5, 0.999425919488), (0.1, 0.549183352164)])
def test_the_loss_of_four_images_is_the_worked_number(temperature: float, expected: float) -> None:
    assert nt_xent(A, B, temperature).item() == pytest.approx(expected, abs=1e-11)
    assert nt_xent(B, A, temperature).item() == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("temperature", [0.07, 0.5, 2.0])
def test_the_loss_agrees_with_a_slow_loop(seed: int, temperature: float) -> None:
    first, second = random_pair(seed)
    assert nt_xent(first, second, temperature).item() == pytest.approx(slow(first, second, temperature), rel=1e-12)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_the_loss_and_its_gradient_agree_with_lightly(seed: int, temperature: float) -> None:
    from lightly.loss import NTXentLoss

    ours, theirs = ([part.clone().requires_grad_() for part in random_pair(seed, 8, 16)] for _ in range(2))
    loss, expected = nt_xent(ours[0], ours[1], temperature), NTXentLoss(temperature=temperature)(*theirs)
    assert loss.item() == pytest.approx(expected.item(), rel=1e-10)
    loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    expected.backward()
    for mine, other in zip(ours, theirs, strict=True):
        assert mine.grad is not None
        assert other.grad is not None
        assert torch.allclose(mine.grad, other.grad, atol=1e-10)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.__name__)
def test_no_public_mistake_gives_the_right_number(wrong: Callable[[Tensor, Tensor, float], Tensor]) -> None:
    value = wrong(A, B, 0.5).item()
    assert value == pytest.approx(WRONG[wrong], abs=1e-11)
    assert abs(value - 0.999425919488) > 0.05


def test_embeddings_that_are_all_equal_cost_ln_of_all_choices_and_nothing_with_the_mistake() -> None:
    same = torch.ones(4, 3, dtype=torch.float64)
    assert (
        nt_xent(same, same, 0.5).item()
        == pytest.approx(math.log(7), abs=1e-12)
        == pytest.approx(1.945910149055, abs=1e-12)
    )
    assert everything_a_positive(same, same, 0.5).item() == pytest.approx(0, abs=1e-12)


def test_the_mistake_that_can_be_chosen_is_the_public_one() -> None:
    for temperature in (0.1, 0.5):
        assert swapped_masks(A, B, temperature).item() == pytest.approx(
            everything_a_positive(A, B, temperature).item(), abs=1e-11
        )
    assert swapped_masks(A, B, 0.5).item() == pytest.approx(1.910213649347, abs=1e-11)


def test_length_and_order_of_the_rows_do_not_matter() -> None:
    first, second = random_pair(1)
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    assert nt_xent(7 * first[order], 0.1 * second[order], 0.5).item() == pytest.approx(
        nt_xent(first, second, 0.5).item(), rel=1e-12
    )


def test_two_images_are_enough_and_half_precision_is_computed_in_float32() -> None:
    first, second = (part[:2].bfloat16() for part in random_pair(2))
    with torch.autocast("cpu", torch.bfloat16):
        loss = nt_xent(first, second, 0.1)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(nt_xent(first.double(), second.double(), 0.1).item(), rel=1e-5)


def test_views_of_different_images_are_refused() -> None:
    with pytest.raises(ShapeError) as refused:
        nt_xent(A, B[:3], 0.5)
    assert str(refused.value) == "first and second must have one shape [N, D], but have [4, 3] and [3, 3]."


def test_a_step_costs_the_loss_of_its_two_projections_and_moves_every_part() -> None:
    method = SimCLR(
        SimCLR.Params(temperature=0.2), SmallCNN(SmallCNN.Params(), 1, 8), TaskSpec(10, 1, 8, {}, 6)
    ).train()
    views = torch.rand(2, 6, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    result = method.step(
        {"unlabeled": StreamBatch(torch.arange(6), torch.arange(6), None, {"simclr": views})}, StepContext(0, 0, 10)
    )
    projected = method.projection(method.backbone(torch.cat((views[0], views[1]))))
    assert result.loss.item() == pytest.approx(
        slow(projected[:6].detach().double(), projected[6:].detach().double(), 0.2), rel=1e-4
    )
    result.loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    for name, parameter in method.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


def test_the_figures_of_an_embedding_are_the_worked_numbers() -> None:
    figures = {name: value.item() for name, value in embedding_metrics(A, B).items()}
    assert figures["embedding/spread"] == pytest.approx(0.611308454315 / 0.577350269190, abs=1e-9)
    assert figures["embedding/rank"] == pytest.approx(2.705799771213, abs=1e-9)
    assert figures["embedding/alignment"] == pytest.approx(0.321693349687, abs=1e-9)
    assert figures["embedding/uniformity"] == pytest.approx(-2.332394614090, abs=1e-9)
    assert spread(A.numpy()) == pytest.approx(figures["embedding/spread"], abs=1e-12)
    assert effective_rank(A.numpy()) == pytest.approx(figures["embedding/rank"], abs=1e-9)


@pytest.mark.parametrize(("count", "size"), [(40, 6), (6, 40)])
def test_live_figures_equal_the_stored_ones_for_any_shape(count: int, size: int) -> None:
    first, second = random_pair(4, count, size)
    figures = embedding_metrics(first, second)
    assert figures["embedding/spread"].item() == pytest.approx(spread(first.numpy()), rel=1e-9)
    assert figures["embedding/rank"].item() == pytest.approx(effective_rank(first.numpy()), rel=1e-4)


def test_a_collapsed_embedding_has_no_spread_and_one_direction() -> None:
    one_point = np.tile(np.array([[3.0, 4.0, 0.0]]), (5, 1))
    assert spread(one_point) == pytest.approx(0, abs=1e-12)
    assert effective_rank(one_point) == pytest.approx(1, abs=1e-4)


@pytest.mark.parametrize(
    ("spreads", "ranks", "words"),
    [
        ([0.78], [66], None),  # before the first step nothing can have collapsed
        ([0.78, 0.98], [66, 22], None),  # digits, as it should go
        ([0.30], [9], None),  # an untrained network may be bunched
        ([0.30, 0.28], [9, 8], None),
        ([0.30, 0.20], [9, 8], "its std fell from 0.30 to 0.20"),
        ([0.78, 0.05], [66, 6], "its std fell from 0.78 to 0.05"),
        ([0.78, 0.70], [66, 6], "its rank fell from 66 to 6"),
        ([0.78, 0.05, 0.97], [66, 6, 30], None),  # it recovered
    ],
)
def test_the_warning_judges_by_the_untrained_network(
    spreads: list[float], ranks: list[float], words: str | None
) -> None:
    warning = collapse_warning(spreads, ranks)
    assert warning is None if words is None else words in str(warning)
    if not ranks or words is None or "spread" in words:
        assert (collapse_warning(spreads) is None) == (words is None)

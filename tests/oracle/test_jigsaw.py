"""Jigsaw's tiles and permutations: loops over single tiles, the paper's pixels, and the mistakes that are public."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.backbones.small_cnn import SmallCNN
from engine.errors import ConfigError
from engine.methods.self_supervised.jigsaw import (
    Cuts,
    Jigsaw,
    cut,
    permutation_table,
    shuffled,
    standardized,
)
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views


def solve(method: Any, tiles: Tensor) -> Tensor:
    logits: Tensor = method.orders(method.tile_features(tiles))
    return logits


def distances(table: NDArray[np.int64]) -> list[int]:
    return [sum(x != y for x, y in zip(a, b, strict=True)) for a, b in itertools.combinations(table.tolist(), 2)]


def by_the_sum(count: int) -> NDArray[np.int64]:
    """The paper's rule: the next permutation has the largest sum of distances."""
    every = np.array(list(itertools.permutations(range(9))), dtype=np.int8)
    chosen, total = [0], np.zeros(len(every))
    for _ in range(count - 1):
        total += (every != every[chosen[-1]]).sum(1)
        total[chosen[-1]] = -np.inf
        chosen.append(int(total.argmax()))
    return every[chosen].astype(np.int64)


def test_permutations_of_nine_tiles_are_far_apart_each_from_each() -> None:
    table = permutation_table(9, 24)
    assert all(sorted(row) == list(range(9)) for row in table.tolist())
    assert len({tuple(row) for row in table.tolist()}) == 24
    assert min(distances(table)) >= 7
    assert np.mean(distances(table)) > 8.2
    assert min(distances(by_the_sum(24))) <= 3  # which the sum of distances does not see


def test_four_tiles_have_24_permutations_and_the_first_four_share_no_place() -> None:
    table = permutation_table(4, 100)
    assert sorted(map(tuple, table.tolist())) == sorted(itertools.permutations(range(4)))
    assert distances(table[:4]) == [4] * 6


@pytest.mark.parametrize(
    ("size", "grid", "cell", "tile"), [(8, 2, 4, 3), (28, 3, 9, 7), (32, 3, 10, 8), (225, 3, 75, 64)]
)
def test_cells_and_tiles_are_the_papers_on_its_images_and_scaled_on_others(
    size: int, grid: int, cell: int, tile: int
) -> None:
    method = built(Jigsaw, SmallCNN(SmallCNN.Params(), 1, size), size=size)
    assert (method.grid, method.cell, method.tile) == (grid, cell, tile)


def test_a_tile_lies_anywhere_in_its_cell_and_nowhere_else() -> None:
    method = built(Jigsaw, SmallCNN(SmallCNN.Params(), 1, 32), size=32)
    cuts = method._cuts(400, 1, torch.Generator().manual_seed(0))
    assert cuts.top.shape == cuts.left.shape == (400, 9, 1)
    for place in range(9):
        row, column = divmod(place, 3)  # a division that does not round down cuts from other places
        for starts, number in ((cuts.top, row), (cuts.left, column)):
            # A window of 30 pixels in 32, and a tile of 8 in a cell of 10: 0 to 2 each.
            assert set(starts[:, place, 0].tolist()) == {10 * number + offset for offset in range(5)}


def test_colors_are_shifted_against_each_other_within_the_cell_on_large_images_alone() -> None:
    large = built(Jigsaw, SmallCNN(SmallCNN.Params(), 3, 225), size=225)._cuts(50, 3, torch.Generator().manual_seed(0))
    apart = (large.top.amax(2) - large.top.amin(2)).flatten()
    assert set(apart.tolist()) == {0, 1, 2, 3, 4}
    assert int((large.top % 75).max()) <= 11
    small = built(Jigsaw, SmallCNN(SmallCNN.Params(), 3, 32), size=32)._cuts(50, 3, torch.Generator().manual_seed(0))
    assert torch.equal(small.top.amax(2), small.top.amin(2))


def test_tiles_are_cut_where_it_is_said_and_presented_in_the_order_that_is_said() -> None:
    images = torch.arange(2 * 36.0).view(2, 1, 6, 6)
    corners = [(0, 0), (0, 3), (3, 1), (4, 4)]
    top, left = (torch.tensor([[[corner[axis]] for corner in corners]] * 2) for axis in (0, 1))
    tiles = cut(images, Cuts(top, left), 2)
    for number, (row, column) in enumerate(corners):
        assert torch.equal(tiles[:, number], images[:, :, row : row + 2, column : column + 2])
    presented = shuffled(tiles, torch.tensor([[2, 0, 3, 1], [0, 1, 2, 3]]))
    assert torch.equal(presented[0], tiles[0, [2, 0, 3, 1]])
    assert torch.equal(presented[1], tiles[1])


def test_each_tile_gets_mean_0_and_deviation_1_in_each_channel_and_a_blank_one_stays_blank() -> None:
    tiles = torch.rand(2, 4, 3, 5, 5, generator=torch.Generator().manual_seed(0)) * 7 + 3
    tiles[0, 1] = 0.3
    even = standardized(tiles)
    assert torch.isfinite(even).all()
    assert even[0, 1].abs().max() < 1e-5
    rest = torch.cat((even[0, [0, 2, 3]], even[1])).flatten(2)
    torch.testing.assert_close(rest.mean(2), torch.zeros(7, 3), atol=1e-5, rtol=0)
    torch.testing.assert_close(rest.std(2), torch.ones(7, 3))


def test_the_network_sees_tiles_as_they_were_standardized_whatever_the_images_normalization() -> None:
    method, seen = built(Jigsaw), list[Tensor]()
    method.backbone.mean.fill_(0.3)
    method.backbone.std.fill_(0.2)
    method.backbone.blocks.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    tiles = torch.rand(6, 4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    solve(method, tiles)
    expected = torch.nn.functional.interpolate(standardized(tiles).flatten(0, 1), (8, 8), mode="bilinear")
    torch.testing.assert_close(seen[0], expected, atol=1e-5, rtol=1e-5)


def test_brightness_and_contrast_of_single_tiles_do_not_help() -> None:
    method = built(Jigsaw).eval()
    tiles = torch.rand(6, 4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    scaled = tiles * torch.tensor([1.0, 2.0, 0.5, 3.0]).view(1, 4, 1, 1, 1) + 0.7
    torch.testing.assert_close(solve(method, scaled), solve(method, tiles), atol=1e-4, rtol=1e-4)


def test_a_step_is_the_cross_entropy_of_the_permutation_and_moves_every_part(monkeypatch: pytest.MonkeyPatch) -> None:
    method, images = built(Jigsaw), random_views()
    given: list[Tensor] = []
    tile_features = method.tile_features

    def seeing(tiles: Tensor) -> Any:
        given.append(tiles)
        return tile_features(tiles)

    monkeypatch.setattr(method, "tile_features", seeing)
    result = method.step(batch_of(image=images), FIRST_STEP)
    chance = FIRST_STEP.rng("puzzle")
    chosen = torch.randint(24, (6,), generator=chance)
    tiles = method._tiles(images, chance)
    for image in range(6):
        order = method.table[chosen[image]].tolist()
        assert torch.equal(given[0][image], torch.stack([tiles[image, tile] for tile in order]))
    logits = solve(method, given[0]).detach().double()
    expected = -np.mean([torch.log_softmax(row, 0)[k].item() for row, k in zip(logits, chosen.tolist(), strict=True)])
    assert result.loss.item() == pytest.approx(expected, rel=1e-4)
    assert_moves_every_part(method, result.loss)


def test_a_network_that_sees_nothing_is_at_ln_of_all_permutations() -> None:
    method = built(Jigsaw)
    for parameter in method.head.parameters():
        torch.nn.init.zeros_(parameter)
    loss = method.step(batch_of(image=random_views()), FIRST_STEP).loss
    assert loss.item() == pytest.approx(math.log(24), abs=1e-5)


def test_every_tile_goes_through_the_same_network_alone() -> None:
    method = built(Jigsaw).eval()
    tiles = torch.rand(6, 4, 1, 3, 3, generator=torch.Generator().manual_seed(0))
    seen: list[Tensor] = []
    method.tile_layer.register_forward_hook(lambda module, inputs, output: seen.append(output))
    solve(method, tiles)
    solve(method, tiles.flip(1))
    straight, turned = (outputs.view(6, 4, -1) for outputs in seen)
    torch.testing.assert_close(straight.flip(1), turned, atol=1e-5, rtol=1e-4)


def test_three_of_ten_color_images_are_grey() -> None:
    method = built(Jigsaw, SmallCNN(SmallCNN.Params(), 3, 32), size=32)
    images = torch.rand(400, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    tiles = method._tiles(images, torch.Generator().manual_seed(1))
    grey = (tiles.amax(2) - tiles.amin(2)).flatten(1).amax(1) == 0
    assert 0.22 < grey.double().mean() < 0.38


def test_people_see_the_image_and_a_puzzle_of_its_tiles() -> None:
    images = random_views()
    shown = built(Jigsaw).show(batch_of(image=images))
    assert list(shown) == ["image", "puzzle"]
    assert (shown["puzzle"][:, :, [3, 7]] == 0).all()
    assert (shown["puzzle"][:, :, :3, :3] > 0).all()


def test_images_too_small_for_tiles_are_refused_in_a_sentence() -> None:
    with pytest.raises(ConfigError) as refused:
        built(Jigsaw, SmallCNN(SmallCNN.Params(), 1, 5), size=5, tiles="3x3")
    assert str(refused.value) == (
        "Images of 5 pixels leave tiles of one pixel: set method.tiles to 2x2 or choose larger images."
    )

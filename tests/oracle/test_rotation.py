"""Rotations against torchvision's and numpy's, and the loss of a step against a loop over single images."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from engine.methods.parts.rotations import rotations
from engine.methods.self_supervised.rotation import Rotation
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views


def test_an_image_is_turned_counterclockwise_by_quarters() -> None:
    image = torch.tensor([[1.0, 2.0], [3.0, 4.0]])[None, None]
    assert [turned[0, 0].tolist() for turned in rotations(image)] == [
        [[1, 2], [3, 4]],
        [[2, 4], [1, 3]],
        [[4, 3], [2, 1]],
        [[3, 1], [4, 2]],
    ]


def test_rotations_are_numpys_and_keep_every_pixel_as_it_is() -> None:
    images = torch.rand(3, 2, 7, 7, generator=torch.Generator().manual_seed(0))
    for turn, turned in enumerate(rotations(images)):
        assert np.array_equal(turned.numpy(), np.rot90(images.numpy(), turn, (2, 3)))
        assert torch.equal(turned.flatten(2).sort(2).values, images.flatten(2).sort(2).values)


def test_rotations_are_torchvisions() -> None:
    from torchvision.transforms.functional import rotate

    images = random_views()
    for turn, turned in enumerate(rotations(images)):
        assert torch.equal(turned, rotate(images, 90 * turn))


def slow(method: Rotation, images: Tensor) -> float:
    """Every image four times in one batch, each copy with its own number of turns; the mean over all of them."""
    turned = [np.rot90(image.numpy(), turn, (1, 2)).copy() for turn in range(4) for image in images]
    logits = method.head(method.backbone(torch.from_numpy(np.stack(turned)))).detach().double()
    labels = [turn for turn in range(4) for _ in images]
    return float(np.mean([-torch.log_softmax(row, 0)[k].item() for row, k in zip(logits, labels, strict=True)]))


def test_a_step_classifies_all_four_rotations_of_every_image_and_moves_every_part() -> None:
    method, images = built(Rotation), random_views()
    seen: list[int] = []
    method.backbone.register_forward_hook(lambda module, inputs, output: seen.append(len(inputs[0])))
    result = method.step(batch_of(image=images), FIRST_STEP)
    assert seen == [4 * len(images)]  # one rotation for each image is what weaker copies do
    assert result.loss.item() == pytest.approx(slow(method, images), rel=1e-5)
    assert_moves_every_part(method, result.loss)


def test_a_network_that_sees_nothing_is_at_a_quarter_and_ln_4() -> None:
    method = built(Rotation)
    for parameter in method.head.parameters():
        torch.nn.init.zeros_(parameter)
    result = method.step(batch_of(image=random_views()), FIRST_STEP)
    assert result.loss.item() == pytest.approx(math.log(4), abs=1e-6) == pytest.approx(1.386294, abs=1e-6)
    assert result.scalars["rotation/accuracy"].item() == 0.25


def test_people_see_the_four_rotations() -> None:
    images = random_views()
    shown = built(Rotation).show(batch_of(image=images))
    assert [Rotation.view_titles[name] for name in shown] == ["0°", "90°", "180°", "270°"]
    assert torch.equal(shown["rotation_3"], images.flip(2, 3))

"""MAE's patches, masks and loss: worked numbers, a slow loop, lightly's patches, and what a network must not see."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from engine.backbones.vit_tiny import ViTTiny
from engine.errors import ConfigError
from engine.methods.self_supervised.mae import MAE, patchify, random_mask, reconstruction_loss, unpatchify
from tests.oracle.fixtures_steps import FIRST_STEP, assert_moves_every_part, batch_of, built, random_views

IMAGE = torch.tensor([[0, 1, 2, 3], [4, 5, 6, 8], [9, 7, 5, 3], [1, 0, 2, 4]], dtype=torch.float64)[None, None]
PREDICTED = torch.tensor([[0.1 * k, -0.2, 0.3, 0.0] for k in range(4)], dtype=torch.float64)[None]
HIDDEN = torch.tensor([[True, False, True, True]])


def encoder(**settings: object) -> ViTTiny:
    params = {"width": 48, "depth": 2, "positions": "fixed", **settings}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        return ViTTiny(ViTTiny.Params.model_validate(params), 1, 8)


def mae(**settings: Any) -> MAE:
    method: MAE = built(MAE, encoder(), decoder_width=32, **settings)
    return method


def slow(predicted: Tensor, patches: Tensor, hidden: Tensor, normalize: bool, degrees: int = 1) -> float:
    errors = []
    for image in range(len(patches)):
        for k, patch in enumerate(patches[image].tolist()):
            if not hidden[image, k]:
                continue
            mean, size = sum(patch) / len(patch), len(patch)
            deviation = math.sqrt(sum((value - mean) ** 2 for value in patch) / (size - degrees) + 1e-6)
            target = [(value - mean) / deviation for value in patch] if normalize else patch
            errors.append(sum((a - b) ** 2 for a, b in zip(predicted[image, k].tolist(), target, strict=True)) / size)
    total: float = sum(errors)
    return total / len(errors)


def test_the_loss_of_one_image_is_the_worked_number() -> None:
    patches = patchify(IMAGE, 2)
    raw, normalized = (reconstruction_loss(PREDICTED, patches, HIDDEN, normalize).item() for normalize in (False, True))
    assert raw == pytest.approx(18.426666666667, abs=1e-11)
    assert normalized == pytest.approx(0.749568439608, abs=1e-11)
    assert slow(PREDICTED, patches, HIDDEN, True) == pytest.approx(normalized, abs=1e-11)


def test_the_biased_variance_and_visible_patches_in_the_mean_are_noticed() -> None:
    patches = patchify(IMAGE, 2)
    assert slow(PREDICTED, patches, HIDDEN, True, degrees=0) == pytest.approx(0.992797861143, abs=1e-11)
    every = reconstruction_loss(PREDICTED, patches, torch.ones_like(HIDDEN), True).item()
    assert every == pytest.approx(0.737999877100, abs=1e-11)


def test_patches_are_lightlys_and_give_the_image_back() -> None:
    from lightly.models import utils

    images = torch.rand(2, 3, 12, 12, generator=torch.Generator().manual_seed(0))
    patches = patchify(images, 4)
    assert torch.equal(patches, utils.patchify(images, 4))
    assert torch.equal(unpatchify(patches, 4, 3), images)
    assert patchify(IMAGE, 2)[0].tolist() == [[0, 1, 4, 5], [2, 3, 6, 8], [9, 7, 1, 0], [5, 3, 2, 4]]


def test_a_mask_hides_as_many_patches_of_each_image_wherever_they_are() -> None:
    hidden, visible = random_mask(2000, 16, 4, torch.Generator().manual_seed(0))
    assert (hidden.sum(1) == 12).all()
    assert torch.equal(visible, visible.sort(1).values)
    assert not hidden.gather(1, visible).any()
    shares = hidden.double().mean(0)
    assert (shares - 0.75).abs().max() < 0.04  # four standard deviations
    assert len({tuple(row) for row in visible.tolist()}) > 1000


@pytest.mark.parametrize(("masked", "visible"), [(0.75, 4), (0.5, 8), (0.99, 1), (0.01, 15), (0.9, 2)])
def test_at_least_one_patch_is_visible_and_one_hidden(masked: float, visible: int) -> None:
    hidden, seen = mae(masked=masked)._mask(random_views(), torch.Generator().manual_seed(0))
    assert seen.shape == (6, visible)
    assert int((~hidden).sum()) == 6 * visible


def test_the_encoder_sees_nothing_of_the_hidden_patches_and_the_loss_nothing_of_the_visible_ones() -> None:
    method, images = mae(), random_views()
    hidden, visible = method._mask(images, FIRST_STEP.rng("mask"))
    patches = patchify(images, 2)
    blank = unpatchify(torch.where(hidden[:, :, None], torch.rand_like(patches), patches), 2, 4)
    network = method.backbone
    assert isinstance(network, ViTTiny)
    assert torch.equal(network(images, visible), network(blank, visible))
    assert not torch.equal(network(images), network(blank))
    predicted = torch.rand(patches.shape, requires_grad=True)
    reconstruction_loss(predicted, patches, hidden, False).backward()  # type: ignore[no-untyped-call]  # torch's
    assert predicted.grad is not None
    assert torch.equal(predicted.grad.abs().sum(2) > 0, hidden)


def test_positions_of_visible_patches_are_their_own() -> None:
    """Tokens of a part of the patches are those that the whole image has there."""
    network, images = encoder(), random_views()
    visible = torch.tensor([[3, 7, 12]]).expand(6, -1)
    whole, part = network.tokens(images), network.tokens(images, visible)
    assert torch.equal(part[:, 1:], whole[:, 1:][:, [3, 7, 12]])
    assert torch.equal(part[:, 0], whole[:, 0])


@pytest.mark.parametrize("normalize", [False, True])
def test_a_step_costs_the_loss_of_its_reconstruction_and_moves_every_part(normalize: bool) -> None:
    method, images = mae(normalize_patches=normalize), random_views()
    method.backbone.mean.fill_(0.4)
    method.backbone.std.fill_(0.25)
    result = method.step(batch_of(crop=images), FIRST_STEP)
    hidden, visible = method._mask(images, FIRST_STEP.rng("mask"))
    predicted = method.decoder(method.backbone(images, visible), visible).detach().double()
    targets = patchify((images.double() - 0.4) / 0.25, 2)
    assert result.loss.item() == pytest.approx(slow(predicted, targets, hidden, normalize), rel=1e-4)
    assert_moves_every_part(method, result.loss)


def test_people_see_the_visible_patches_and_a_reconstruction_with_them_in_it() -> None:
    method, images = mae(), random_views()
    shown = method.show(batch_of(crop=images))
    assert list(shown) == ["image", "masked", "rebuilt"]
    grey = patchify(shown["masked"], 2).eq(0.5).all(2)
    assert (grey.sum(1) == 12).all()
    same = (patchify(shown["rebuilt"], 2) - patchify(images, 2)).abs().amax(2) < 1e-5
    assert torch.equal(same, ~grey)
    assert list(mae(normalize_patches=True).show(batch_of(crop=images))) == ["image", "masked", "rebuilt_normalized"]


def test_a_perfect_network_would_rebuild_the_image_also_of_normalized_patches(monkeypatch: pytest.MonkeyPatch) -> None:
    method, images = mae(normalize_patches=True), random_views()
    targets = method._targets(images)
    perfect = (targets - targets.mean(2, keepdim=True)) / (targets.var(2, keepdim=True) + 1e-6).sqrt()
    monkeypatch.setattr(method.decoder, "forward", lambda encoded, visible: perfect)
    shown = method.show(batch_of(crop=images))
    torch.testing.assert_close(shown["rebuilt_normalized"], images, atol=1e-5, rtol=1e-5)


def test_what_leaves_nothing_to_hide_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        built(MAE, encoder(patch=8))
    assert str(refused.value) == (
        "mae hides some of an image's patches, and backbone.patch 8 leaves 1 of 64 values: choose another."
    )
    with pytest.raises(ConfigError) as refused:
        MAE.Params.parse({"decoder_width": 40})
    assert str(refused.value) == "method.decoder_width is 40 but must be a multiple of 16: choose 48."

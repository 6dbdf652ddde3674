"""The semi-supervised variational autoencoder: worked numbers, closed forms, and which weights which term has."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn import functional as F

from engine.backbones.pixels import Pixels
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.generative.vae_m2 import VAEM2, gaussian_divergence, unlabeled_bound

NOW = StepContext(0, 3, 10)


def built(labeled: int = 6, unlabeled: int = 24, **params: Any) -> VAEM2:
    torch.manual_seed(0)
    counts = {"labeled": labeled, "unlabeled_only": unlabeled}
    settings = VAEM2.Params(**{"latent": 4, "hidden": 16, **params})
    return VAEM2(settings, Pixels(Pixels.Params(), 1, 8), TaskSpec(3, 1, 8, counts, 2))


def images(count: int, seed: int = 0) -> Tensor:
    return torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed))


def batch(unlabeled: int = 3) -> dict[str, StreamBatch]:
    parts = {
        "labeled": StreamBatch(torch.tensor([10, 11]), torch.tensor([0, 1]), torch.tensor([2, 0]), {"plain": images(2)})
    }
    if unlabeled:
        ids = torch.arange(20, 20 + unlabeled)
        parts["unlabeled"] = StreamBatch(ids, ids - 20, None, {"plain": images(unlabeled, 1)})
    return parts


def test_the_bound_of_an_unlabeled_image_sums_over_classes_and_adds_the_entropy() -> None:
    logits = torch.tensor([[1, 0, 0.5]], dtype=torch.float64)
    elbos = torch.tensor([[-100, -103, -101]], dtype=torch.float64)
    bound = float(unlabeled_bound(logits, elbos))
    assert bound == pytest.approx(-99.8459757187, abs=1e-9)
    assert bound <= float(elbos.logsumexp(1)) == pytest.approx(-99.6509877832, abs=1e-9)
    assert float(unlabeled_bound(elbos, elbos)) == pytest.approx(-99.6509877832, abs=1e-9)  # where q is the posterior
    without_entropy = float((logits.softmax(1) * elbos).sum())
    assert bound - without_entropy == pytest.approx(1.0201913367, abs=1e-9)


def test_the_divergence_is_that_of_torch() -> None:
    mean, log_variance = torch.randn(5, 4, dtype=torch.float64), torch.randn(5, 4, dtype=torch.float64)
    theirs = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(torch.zeros(4).double(), 1.0)).sum(1)
    torch.testing.assert_close(gaussian_divergence(mean, log_variance), theirs)


def test_a_reconstruction_is_summed_over_pixels() -> None:
    method = built()
    with torch.no_grad():
        for parameter in method.decoder.parameters():
            parameter.zero_()
    cost, _ = method.costs(images(2).flatten(1), torch.eye(3)[:2], torch.Generator().manual_seed(0))
    # Every pixel is 1/2 to the decoder, which costs ln 2, whatever it is.
    np.testing.assert_allclose(cost.detach().numpy(), 64 * math.log(2), rtol=1e-6)


def test_a_style_is_drawn_anew_for_each_class() -> None:
    method = built()
    with torch.no_grad():
        # An encoder and a decoder that do not see the class: with one style for all, all classes would cost the same.
        method.encoder.get_parameter("0.weight")[:, 64:] = 0
        method.decoder.get_parameter("0.weight")[:, 4:] = 0
    elbos = method.elbo_of_each_class(images(4).flatten(1), torch.Generator().manual_seed(0))
    assert elbos.shape == (4, 3)
    assert (elbos.std(1) > 1e-4).all()


def test_the_bound_of_each_class_is_that_of_the_image_with_this_label() -> None:
    method = built()
    with torch.no_grad():
        method.encoder.get_parameter("2.weight")[4:] = 0
        method.encoder.get_parameter("2.bias")[4:] = -60  # no spread: the style is its mean
    pixels = images(2).flatten(1)
    elbos = method.elbo_of_each_class(pixels, torch.Generator().manual_seed(0))
    for row in range(2):
        for k in range(3):
            code = F.one_hot(torch.tensor([k]), 3).float()
            cost, divergence = method.costs(pixels[row : row + 1], code, torch.Generator().manual_seed(9))
            expected = -cost - divergence + math.log(1 / 3)
            torch.testing.assert_close(elbos[row, k], expected[0], rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(("labeled", "unlabeled"), [(6, 24), (20, 10)])
def test_terms_have_the_weights_of_the_whole_data_whatever_the_batch(labeled: int, unlabeled: int) -> None:
    method = built(labeled, unlabeled, alpha=0.1)
    parts = batch()
    result = method.step(parts, NOW)
    pixels, codes = parts["labeled"].plain.flatten(1), F.one_hot(torch.tensor([2, 0]), 3).float()
    cost, divergence = method.costs(pixels, codes, NOW.rng("labeled"))
    of_labeled = (-cost - divergence - math.log(3)).mean()
    logits = method.classifier(parts["unlabeled"].plain)[1]
    elbos = method.elbo_of_each_class(parts["unlabeled"].plain.flatten(1), NOW.rng("unlabeled"))
    of_unlabeled = unlabeled_bound(logits, elbos).mean()
    cross_entropy = F.cross_entropy(method.classifier(parts["labeled"].plain)[1], torch.tensor([2, 0]))
    total = labeled + unlabeled
    expected = -(labeled / total) * of_labeled - (unlabeled / total) * of_unlabeled + 0.1 * cross_entropy
    assert float(result.loss.detach()) == pytest.approx(float(expected.detach()), rel=1e-5)
    alike = -of_labeled - of_unlabeled + 0.1 * cross_entropy  # labels counted as if there were as many
    assert float(result.loss.detach()) != pytest.approx(float(alike.detach()), rel=1e-2)


def test_q_of_y_learns_from_labels_through_alpha_alone_and_from_images_through_the_bound() -> None:
    silent = built(alpha=0.0, unlabeled=0)
    silent.step(batch(unlabeled=0), NOW).loss.backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert all(p.grad is None or not p.grad.any() for p in silent.classifier.parameters())
    assert any(p.grad is not None and p.grad.any() for p in silent.encoder.parameters())
    for alpha, parts in ((1.0, batch(unlabeled=0)), (0.0, batch())):
        method = built(alpha=alpha, unlabeled=24 if "unlabeled" in parts else 0)
        method.step(parts, NOW).loss.backward()  # type: ignore[no-untyped-call]
        assert any(p.grad is not None and p.grad.any() for p in method.classifier.parameters())


def test_without_unlabeled_images_there_is_no_stream_of_them() -> None:
    assert set(built(unlabeled=0).streams()) == {"labeled"}
    assert set(built().streams()) == {"labeled", "unlabeled"}


def test_shown_are_the_images_their_reconstructions_and_a_sample_of_each_class_in_turn() -> None:
    method = built()
    with torch.no_grad():
        # A decoder that draws its class: column k is white.
        for parameter in method.decoder.parameters():
            parameter.zero_()
        method.decoder.get_parameter("0.weight")[:3, 4:] = 50 * torch.eye(3)
        for k in range(3):
            method.decoder.get_parameter("2.weight").view(8, 8, 16)[:, k, k] = 1
        method.decoder.get_parameter("2.bias").fill_(-25.0)
    shown = method.show(batch(unlabeled=5))
    assert list(shown) == ["plain", "reconstruction", "sample"]
    assert set(VAEM2.view_titles) == set(shown)
    columns = shown["sample"][:, 0].mean(1).argmax(1)
    assert columns.tolist() == [0, 1, 2, 0, 1]
    found = method.classifier(images(5, 1))[1].argmax(1)
    assert shown["reconstruction"][:, 0].mean(1).argmax(1).tolist() == found.tolist()
    assert all(torch.equal(a, b) for a, b in zip(shown.values(), method.show(batch(unlabeled=5)).values(), strict=True))

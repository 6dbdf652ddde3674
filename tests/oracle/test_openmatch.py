"""OpenMatch (Saito et al. 2021) against the formula in numpy: detector, entropy, consistency, FixMatch of inliers; and
junk among unlabeled images, which it tells apart.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.metrics import roc_auc_score
from torch import Tensor, nn

from engine import train
from engine.config.parts import DataParams
from engine.data.image_set import DataSource, ImageSet, stratified_test
from engine.methods.base.batch import Batch, StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.openmatch import OpenMatch
from engine.registry import datasets
from tests.oracle.fixtures_logits import method

Floats = NDArray[np.float64]
NOW = StepContext(0, 5, 10)
RNG = np.random.default_rng(4)
X, W, S = RNG.normal(size=(3, 4)), 2 * RNG.normal(size=(2, 6, 4)), RNG.normal(size=(6, 4))
LABELS = [0, 2, 1]
MATRIX, DETECTOR = RNG.normal(size=(4, 3)), RNG.normal(size=(4, 6))


class LinearModel(nn.Module):
    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images, images @ torch.tensor(MATRIX)


def built(**params: Any) -> OpenMatch:
    made = method("openmatch", counts={"labeled": 3, "unlabeled": 8}, **params).double()
    assert isinstance(made, OpenMatch)
    made.classifier = LinearModel()  # type: ignore[assignment]
    detector = nn.Linear(4, 6, bias=False)
    detector.weight.data = torch.tensor(DETECTOR.T)
    made.detector = detector  # type: ignore[assignment]
    return made


def given(labeled: Tensor, weak: Tensor, strong: Tensor) -> Batch:
    rows = torch.tensor([7, 1, 2, 0, 4, 5])
    return {
        "labeled": StreamBatch(torch.arange(3), torch.arange(3), torch.tensor(LABELS), {"weak": labeled}),
        "unlabeled": StreamBatch(rows + 100, rows, None, {"weak": weak, "strong": strong}),
    }


def tensors() -> tuple[Tensor, Tensor, Tensor]:
    labeled, weak, strong = (torch.tensor(rows, requires_grad=True) for rows in (X, W, S))
    return labeled, weak, strong


def answers(rows: Floats) -> Floats:
    """[N, 2, K], no and yes of every class."""
    powers = np.exp((rows @ DETECTOR).reshape(-1, 2, 3))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def softmax(rows: Floats) -> Floats:
    powers = np.exp(rows)
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def inlier_scores() -> Floats:
    scores: Floats = answers(W[0])[np.arange(6), 1, (W[0] @ MATRIX).argmax(1)]
    return scores


def test_the_step_of_the_formula() -> None:
    made = built(entropy_weight=0.3, consistency_weight=0.7, unlabeled_weight=2.0, confidence=0.9)
    result = made.step(given(*tensors()), NOW)

    one_vs_all, every = [], []
    for row, label in zip(answers(X), LABELS, strict=True):
        others = [-np.log(row[0, k]) for k in range(3) if k != label]
        one_vs_all.append(-np.log(row[1, label]) + max(others))
        every.append(-np.log(row[1, label]) + sum(others))
    first, second = answers(W[0]), answers(W[1])
    entropy = np.mean([-(view * np.log(view)).sum(1).mean(1) for view in (first, second)])
    difference = ((first - second) ** 2).sum((1, 2)).mean()
    predictions = softmax(W[0] @ MATRIX)
    labels, confidence = predictions.argmax(1), predictions.max(1)
    inlier = inlier_scores() >= 0.5
    used = inlier & (confidence >= 0.9)
    losses = -np.log(softmax(S @ MATRIX))[np.arange(6), labels]
    loss_u = (losses * used).sum() / inlier.sum()
    loss_x = -np.log(softmax(X @ MATRIX))[range(3), LABELS].mean()

    assert 0 < used.sum() < inlier.sum() < 6
    assert np.mean(every) > np.mean(one_vs_all) + 0.1  # all negatives, which OVA classifiers without mining take
    assert result.scalars["loss/labeled"].item() == pytest.approx(loss_x, abs=1e-6)
    assert result.scalars["loss/one_vs_all"].item() == pytest.approx(np.mean(one_vs_all), abs=1e-5)
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(loss_u, abs=1e-6)
    assert result.scalars["inliers/share"].item() == pytest.approx(inlier.mean(), abs=1e-6)
    assert result.loss.item() == pytest.approx(
        loss_x + np.mean(one_vs_all) + 0.3 * entropy + 0.7 * difference + 2 * loss_u, abs=1e-5
    )
    believed = result.pseudo_labels
    assert believed is not None
    np.testing.assert_allclose(believed.confidence, inlier_scores(), atol=1e-6)
    assert believed.weight.tolist() == used.astype(float).tolist()
    assert believed.threshold is not None
    assert believed.threshold.tolist() == pytest.approx([0.5] * 6)
    np.testing.assert_allclose(made.scores[[7, 1, 2, 0, 4, 5]], inlier_scores(), atol=1e-6)
    assert made.scores[[3, 6]].tolist() == [0.5, 0.5]


def test_before_its_start_no_pseudo_label_is_used() -> None:
    result = built(start=0.6).step(given(*tensors()), NOW)
    assert result.scalars["mask_rate"].item() == 0
    assert result.scalars["loss/unlabeled"].item() == 0
    assert result.scalars["inliers/share"].item() > 0


def test_pseudo_labels_move_the_strong_views_of_inliers_alone_and_no_weak_one() -> None:
    _, weak, strong = views = tensors()
    result = built(entropy_weight=0.0, consistency_weight=0.0).step(given(*views), NOW)
    result.loss.backward()  # type: ignore[no-untyped-call]
    assert strong.grad is not None
    assert [bool(row.abs().max() > 0) for row in strong.grad] == (inlier_scores() >= 0.5).tolist()
    assert weak.grad is not None
    assert weak.grad.abs().max().item() == 0


def test_entropy_and_consistency_reach_both_weak_views_and_the_detector_but_not_the_classifier() -> None:
    made = built(unlabeled_weight=0.0)
    labeled, weak, strong = views = tensors()
    made.step(given(*views), NOW).loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is not None
    assert all(bool(row.abs().max() > 0) for view in weak.grad for row in view)
    assert strong.grad is None or strong.grad.abs().max().item() == 0
    detector = made.get_parameter("detector.weight").grad
    assert detector is not None
    assert (detector.abs().max(1).values > 0).all()
    assert labeled.grad is not None


def test_it_shows_the_images_of_the_step_by_their_score() -> None:
    made, batch = built(), given(*tensors())
    made.step(batch, NOW)
    order = np.argsort(inlier_scores())
    shown = made.show(batch)
    np.testing.assert_allclose(shown["outlier"].detach(), W[0][order])
    np.testing.assert_allclose(shown["inlier"].detach(), W[0][order[::-1]])


class JunkyDigits(DataSource):
    """Digits of which 0 to 4 are classes; two of five images are of 5 to 9, without any class."""

    class Params(DataParams):
        name: Literal["junky_digits"] = "junky_digits"

    title = "Junky digits"
    summary = "Made for a test."

    def load(self) -> ImageSet:
        pixels, truth = load_digits(return_X_y=True)
        keep = (truth < 5) | (np.arange(len(truth)) % 2 == 0)
        pixels, truth = pixels[keep], truth[keep]
        images = np.round(pixels.reshape(-1, 1, 8, 8) * (255 / 16)).astype(np.uint8)
        labels = np.where(truth < 5, truth, -1).astype(np.int64)
        is_test = np.zeros(len(labels), bool)
        is_test[labels >= 0] = stratified_test(labels[labels >= 0], 0.2)
        return ImageSet("junky_digits", images, labels, np.arange(len(labels), dtype=np.int64), is_test, tuple("01234"))


@pytest.fixture
def _junky_digits() -> Iterator[None]:
    datasets.register(JunkyDigits)
    yield
    datasets.remove("junky_digits")


@pytest.mark.slow  # some seconds of training
@pytest.mark.usefixtures("_junky_digits")
def test_junk_among_the_unlabeled_images_gets_lower_inlier_scores_than_the_classes(tmp_path: Path) -> None:
    run = train(
        {
            "data": {"name": "junky_digits", "labels": {"kind": "few", "per_class": 10}},
            "augment": {"strong": {"translate": 0.125, "flip": "off"}, "weak": {"translate": 0.125, "flip": "off"}},
            "method": {"name": "openmatch"},
            "budget": {"steps": 120, "batch_size": 16, "evaluate_every": 60},
            "hardware": {"device": "cpu", "threads": 1},
        },
        tmp_path,
    )
    # As the pages get them: the scores of the images that were seen since the evaluation before.
    last = run.folder.snapshot(120)
    score = dict(zip(last["pseudo_ids"].tolist(), last["pseudo_confidence"].tolist(), strict=True))
    labels = JunkyDigits(JunkyDigits.Params()).load().labels
    known = [labels[id] >= 0 for id in score]
    assert np.mean(known) == pytest.approx(0.6, abs=0.05)
    assert roc_auc_score(known, list(score.values())) > 0.7
    assert {name for name in last if name.startswith("view_")} == {"view_outlier", "view_inlier", "view_ids"}

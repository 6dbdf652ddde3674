"""Self-training of a linear probe against a loop over scikit-learn's logistic regression."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression

from engine.backbones.pixels import Pixels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import PoolData
from engine.methods.transfer.self_training_probe import SelfTrainingProbe

RNG = np.random.default_rng(6)
CLASSES, COUNT, SIZE = 3, 90, 4
TRUE = np.arange(COUNT) % CLASSES
FEATURES = (1.5 * np.eye(SIZE * SIZE)[TRUE] + RNG.normal(size=(COUNT, SIZE * SIZE))).astype(np.float32)
LABELS = np.where(np.arange(COUNT) < 6, TRUE, -1)
ROUNDS = 4


def probe(**params: object) -> SelfTrainingProbe:
    made = SelfTrainingProbe.Params.model_validate(
        {"rounds": ROUNDS, "scaling": "unit", "regularization": 5.0, **params}
    )
    method = SelfTrainingProbe(made, Pixels(Pixels.Params(), 1, SIZE), TaskSpec(CLASSES, 1, SIZE, {}, 2))
    method.prepare(PoolData(torch.tensor(FEATURES), torch.tensor(LABELS), torch.arange(COUNT) + 100))
    return method.requires_grad_(False)


def expected(rounds: int, balanced: bool = False) -> list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]]:
    """Probabilities [N, K] after each round."""
    centered = FEATURES - FEATURES.mean(0)
    unit = centered / np.linalg.norm(centered, axis=1, keepdims=True)
    found: list[np.ndarray[tuple[int, ...], np.dtype[np.float64]]] = []
    hidden = np.flatnonzero(LABELS < 0)
    for number in range(rounds):
        labels = LABELS.copy()
        if number:
            confidence, guess = found[-1].max(1), found[-1].argmax(1)
            count = round(number / (ROUNDS - 1) * len(hidden))
            order = hidden[np.argsort(-confidence[hidden], kind="stable")]
            if balanced:
                shares = [count // CLASSES + (k < count % CLASSES) for k in range(CLASSES)]
                chosen = np.concatenate([order[guess[order] == k][:share] for k, share in enumerate(shares)])
            else:
                chosen = order[:count]
            labels[chosen] = guess[chosen]
        known = labels >= 0
        fitted = LogisticRegression(C=5.0, max_iter=2000).fit(unit[known].astype(np.float64), labels[known])
        found.append(fitted.predict_proba(unit))
    return found


@pytest.mark.parametrize("balanced", [False, True])
def test_every_round_is_the_fit_to_what_the_round_before_was_sure_of(balanced: bool) -> None:
    method = probe(balanced=balanced)
    for number, probabilities in enumerate(expected(ROUNDS, balanced)):
        result = method.iterate(StepContext(0, number, 100))
        with torch.no_grad():
            ours = method.probe.answer(torch.tensor(FEATURES)).softmax(1)
        np.testing.assert_allclose(ours, probabilities, atol=1e-3)
        assert result.converged == (number == ROUNDS - 1)


def test_given_labels_are_never_overruled_and_the_last_round_has_every_image() -> None:
    method = probe()
    results = [method.iterate(StepContext(0, number, 100)) for number in range(ROUNDS)]
    last = results[-1].pseudo_labels
    assert last is not None
    assert set(last.ids.tolist()) == set((np.flatnonzero(LABELS < 0) + 100).tolist())
    assert last.weight.tolist() == [1.0] * len(last.ids)
    assert [round(float(result.scalars["mask_rate"]), 3) for result in results] == [0, 0.333, 0.667, 1]


def test_a_later_round_begins_from_the_layer_alone() -> None:
    """As a resumed run does: nothing but the layer is kept between rounds."""
    whole, cut = probe(), probe()
    for number in range(2):
        whole.iterate(StepContext(0, number, 100))
    cut.load_state_dict(whole.state_dict())
    for method in (whole, cut):
        method.iterate(StepContext(0, 2, 100))
    assert torch.equal(whole.probe.head.weight, cut.probe.head.weight)

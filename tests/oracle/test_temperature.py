"""Temperature scaling against a search over a fine grid, and against labels drawn from a known temperature."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from engine.analysis.temperature import fit_temperature, scaled
from engine.errors import ShapeError


def drawn(temperature: float, n: int = 20_000, classes: int = 5) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Logits, the probabilities a network would report, and labels drawn from the logits at `temperature`."""
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 3, (n, classes))
    true = softmax(logits / temperature, axis=1)
    labels = (rng.random((n, 1)) > true.cumsum(1)).sum(1).clip(0, classes - 1)
    return logits, softmax(logits, axis=1), labels


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_that_labels_were_drawn_with_is_found(temperature: float) -> None:
    logits, probabilities, labels = drawn(temperature)
    found = fit_temperature(probabilities, labels)
    assert found == pytest.approx(temperature, rel=0.03)
    grid = np.geomspace(0.2, 6, 2000)
    losses = [-log_softmax(logits / t, axis=1)[np.arange(len(labels)), labels].mean() for t in grid]
    assert found == pytest.approx(grid[int(np.argmin(losses))], rel=0.01)


def test_scaling_is_dividing_the_logits_and_moves_no_answer() -> None:
    logits, probabilities, _ = drawn(1.0, n=200)
    cooler = scaled(probabilities, 2.0)
    # What is below the smallest stored number is cut off.
    np.testing.assert_allclose(cooler, softmax(logits / 2, axis=1), atol=2e-4)
    assert (cooler.argmax(1) == probabilities.argmax(1)).all()
    np.testing.assert_allclose(scaled(probabilities, 1.0), probabilities, atol=1e-6)


def test_nothing_to_fit_to_is_one_sentence() -> None:
    with pytest.raises(ShapeError, match="A temperature is fitted to probabilities and labels of one length above 0"):
        fit_temperature(np.zeros((0, 3)), np.zeros(0, np.int64))

"""UDA (Xie et al. 2020, eq. 1): mask, sharpening, divergence and signal annealing on logits worked out by hand."""

from __future__ import annotations

import pytest

from engine.methods.base.context import StepContext
from tests.oracle.fixtures_logits import LABELED_LOSS, STRONG, WEAK, batch, method, tensor

HALF = StepContext(0, 5, 10)


def test_the_divergence_of_the_worked_example() -> None:
    result = method("uda", threshold=0.8, temperature=0.4).step(batch(tensor(WEAK), tensor(STRONG)), HALF)
    assert result.scalars["loss/labeled"].item() == pytest.approx(LABELED_LOSS, abs=1e-6)
    # .3610743338 is the cross-entropy, which has the same gradient; .3890734680 forgets to sharpen, as USB does.
    assert result.scalars["loss/unlabeled"].item() == pytest.approx(0.3599658620, abs=1e-6)
    assert result.loss.item() == pytest.approx(LABELED_LOSS + 0.3599658620, abs=1e-6)


def test_the_mask_is_that_of_the_unsharpened_prediction() -> None:
    believed = method("uda", threshold=0.8, temperature=0.4).step(batch(tensor(WEAK), tensor(STRONG)), HALF)
    assert believed.pseudo_labels is not None
    # Sharpened, the last row would be at .85.
    assert believed.pseudo_labels.weight.tolist() == [1, 1, 1, 0, 1, 0]


def test_no_gradient_reaches_the_weak_view_and_one_reaches_used_strong_rows() -> None:
    weak, strong = tensor(WEAK), tensor(STRONG)
    method("uda", threshold=0.8, temperature=0.4).step(batch(weak, strong), HALF).loss.backward()  # type: ignore[no-untyped-call]
    assert weak.grad is None or weak.grad.abs().max().item() == 0
    assert strong.grad is not None
    assert [bool(row.abs().max() > 0) for row in strong.grad] == [True, True, True, False, True, False]


def test_signal_annealing_leaves_out_what_is_already_known() -> None:
    annealed = method("uda", annealing="linear")
    result = annealed.step(batch(tensor(WEAK), tensor(STRONG)), HALF)
    # Of p(correct) = .7856 and .1255 only the second is below 2/3; 1.0376405201 would divide by the whole batch.
    assert result.scalars["loss/labeled"].item() == pytest.approx(2.0752810403, abs=1e-6)


@pytest.mark.parametrize(("annealing", "expected"), [("linear", 0.55), ("exp", 0.1738764988), ("log", 0.9261235012)])
def test_the_three_schedules_at_half_of_the_run(annealing: str, expected: float) -> None:
    from engine.methods.semi_supervised.uda import signal

    assert signal(annealing, 0.5, 10) == pytest.approx(expected, abs=1e-9)  # type: ignore[arg-type]

"""When a run ends before its last step, worked out by hand."""

from __future__ import annotations

import pytest

from engine.config.parts import Training
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.training.early_end import EarlyEnd


def ends_after(patience: int, accuracies: list[float]) -> int | None:
    """The evaluation, counted from 1, after which the run ends."""
    early = EarlyEnd(Training(patience=patience))
    for number, accuracy in enumerate(accuracies, 1):
        early.evaluated(10 * number, {"validation/accuracy": accuracy})
        if early.reason(10 * number, 1000, 0.0):
            return number
    return None


@pytest.mark.parametrize(
    ("patience", "accuracies", "end"),
    [
        (2, [0.5, 0.6, 0.6, 0.5], 4),  # as good is not better
        (2, [0.5, 0.4, 0.6, 0.5, 0.55, 0.9], 5),
        (1, [0.0, 0.0], 2),
        (3, [0.1, 0.2, 0.3, 0.4, 0.5], None),
        (0, [0.5] * 20, None),  # off
    ],
)
def test_patience_counts_the_evaluations_since_the_best_one(
    patience: int, accuracies: list[float], end: int | None
) -> None:
    assert ends_after(patience, accuracies) == end


def test_what_was_counted_goes_on_in_another_life() -> None:
    first = EarlyEnd(Training(patience=3))
    for step, accuracy in ((10, 0.9), (20, 0.8), (30, 0.7)):
        first.evaluated(step, {"validation/accuracy": accuracy})
    second = EarlyEnd(Training(patience=3))
    second.load_state(first.state())
    assert second.reason(30, 1000, 0.0) == ""
    second.evaluated(40, {"validation/accuracy": 0.85})
    assert second.reason(40, 1000, 0.0) == (
        "It ended at step 40 of 1,000: 3 evaluations without a better validation accuracy than 90.0% at step 10"
        " (training.patience)."
    )


def test_minutes_are_those_of_training_and_the_last_step_is_no_early_end() -> None:
    early = EarlyEnd(Training(minutes=1.5))
    assert early.reason(5, 10, 89.9) == ""
    assert early.reason(5, 10, 90.0) == (
        "It ended at step 5 of 10: its 1.5 minutes of training are used up (training.minutes)."
    )
    assert early.reason(10, 10, 90.0) == ""
    assert early.state() == {}


def test_patience_without_a_validation_accuracy_is_one_sentence() -> None:
    with pytest.raises(ConfigError, match=r"training\.patience has no validation accuracy to go by"):
        EarlyEnd(Training(patience=1)).evaluated(10, {"test/accuracy": 0.5})


def test_a_config_without_early_end_is_written_as_before_and_one_with_it_is_another() -> None:
    plain = RunConfig.parse({})
    assert "training" not in plain.model_dump(mode="json")
    same = RunConfig.parse({"training": {"patience": 0, "minutes": 0}})
    assert same.fingerprint() == plain.fingerprint()
    patient = plain.with_changes({"training.patience": 3})
    assert patient.model_dump(mode="json")["training"] == {"patience": 3, "minutes": 0.0}
    assert patient.fingerprint() != plain.fingerprint()

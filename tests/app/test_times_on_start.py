"""What Start says of the times on its buttons: measured by the training process soon after its start."""

from __future__ import annotations

import pytest

from engine.lab.lab import Lab
from tests.app.app_helpers import Open, words
from tests.waiting import until

pytestmark = pytest.mark.slow  # several seconds each


def measured(lab: Lab) -> float:
    until(lambda: lab.times_as_long is not None, "the training process's measurement")
    assert lab.times_as_long is not None
    return lab.times_as_long


@pytest.mark.parametrize(
    ("times", "said"),
    [
        (3.24, "takes about 3 times as long"),
        (2.24, "takes about 2.2 times as long"),
        (0.4, "takes about 0.4 times as long"),
        (1.2, "is as fast"),
        (0.9, "is as fast"),
    ],
)
def test_the_times_on_start_are_held_against_what_this_machine_takes(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch, times: float, said: str
) -> None:
    assert measured(lab) > 0
    monkeypatch.setattr(lab, "times_as_long", times)
    assert f"Measured when FewLab started here: this machine {said}." in words(open_page("start"))


def test_before_it_is_measured_nothing_is_said_of_it(
    lab: Lab, open_page: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured(lab)  # so that it does not come in between
    monkeypatch.setattr(lab, "times_as_long", None)
    assert "Measured" not in words(open_page("start"))

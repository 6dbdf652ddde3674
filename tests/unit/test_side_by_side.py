"""Jobs done several at a time: how many, which are begun, and what is left when one cannot go on."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest

from engine.tuning.side_by_side import Job, side_by_side


def test_three_at_a_time_means_three_and_no_fourth() -> None:
    together, counting, under_way = threading.Barrier(3), threading.Lock(), [0]
    most = 0

    def job() -> bool:
        nonlocal most
        with counting:
            under_way[0] += 1
            most = max(most, under_way[0])
        together.wait(30)  # for two others: with fewer at a time none would end
        with counting:
            under_way[0] -= 1
        return True

    assert side_by_side(iter([job] * 9), 3, threading.Event())
    assert most == 3


def test_after_one_that_is_left_no_other_is_begun_and_those_under_way_are_waited_for() -> None:
    left, ended = threading.Event(), []

    def leave() -> bool:
        left.set()
        return False

    def stay() -> bool:
        assert left.wait(30)
        time.sleep(0.3)  # until the other one is over
        ended.append("stay")
        return True

    jobs = iter([leave, stay, stay])
    assert not side_by_side(jobs, 2, threading.Event())
    assert ended == ["stay"]
    assert next(jobs, None) is stay


@pytest.mark.parametrize("in_the_asking", [False, True])
def test_an_error_is_told_to_those_under_way_and_raised_once_they_have_ended(in_the_asking: bool) -> None:
    gives_up, ended = threading.Event(), []

    def wait() -> bool:
        assert gives_up.wait(30)
        ended.append("wait")
        return False

    def fail() -> bool:
        raise ZeroDivisionError

    def jobs() -> Iterator[Job]:
        yield wait
        if in_the_asking:
            raise ZeroDivisionError
        yield fail

    with pytest.raises(ZeroDivisionError):
        side_by_side(jobs(), 2, gives_up)
    assert ended == ["wait"]


def test_one_at_a_time_is_done_in_the_calling_thread() -> None:
    threads: list[threading.Thread] = []

    def job() -> bool:
        threads.append(threading.current_thread())
        return len(threads) < 2

    assert not side_by_side(iter([job, job, job]), 1, threading.Event())
    assert threads == [threading.current_thread()] * 2

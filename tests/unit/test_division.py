"""How rows are divided among processes, and what a process knows of the others without asking them."""

from __future__ import annotations

import pytest
from torch import nn

from engine.errors import ConfigError
from engine.processes.division import counts_of, divided
from engine.processes.environment import here, process_count, process_number
from engine.processes.group import join


@pytest.mark.parametrize(
    ("total", "size", "parts", "counts"),
    [
        (8, 2, None, [4, 4]),
        (7, 2, None, [4, 3]),
        (7, 3, None, [3, 2, 2]),
        (1, 3, None, [1, 0, 0]),
        (0, 2, None, [0, 0]),
        (32, 2, 4, [16, 16]),  # groups of 8
        (24, 2, 3, [16, 8]),  # of three groups none is cut
        (16, 4, 2, [8, 8, 0, 0]),
    ],
)
def test_rows_are_divided_evenly_but_never_within_a_part(
    total: int, size: int, parts: int | None, counts: list[int]
) -> None:
    assert counts_of(total, size, parts) == counts


def test_a_batch_that_does_not_consist_of_equal_parts_is_refused() -> None:
    with pytest.raises(ConfigError, match="A batch of 7 images cannot be cut into 2 equal groups"):
        counts_of(7, 2, 2)


def test_in_one_process_networks_are_left_as_they_are() -> None:
    network = nn.Linear(2, 2)
    with divided([network], None):
        assert "forward" not in vars(network)


def test_a_process_that_was_started_alone_is_the_first_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT"):
        monkeypatch.delenv(name, raising=False)
    assert (process_count(), process_number(), here(), join()) == (1, 0, (0, 1), None)
    monkeypatch.setenv("WORLD_SIZE", "4")  # a scheduler's, with nobody to meet
    assert (process_count(), process_number(), here(), join()) == (1, 0, (0, 1), None)

"""How many cores there are for us, and how many of them linear algebra takes."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any


def usable_cores() -> int:
    """Cores this process is allowed to run on, which can be fewer than the machine has. A quota of time, as containers
    set it, is not seen.
    """
    if hasattr(os, "sched_getaffinity"):
        return max(1, len(os.sched_getaffinity(0)))
    return os.cpu_count() or 1


@contextmanager
def one_thread() -> Iterator[None]:
    """Linear algebra of numpy, SciPy and scikit-learn with one thread: products of a few images are over before a
    second one has woken up, and on a busy machine waiting for it took a minute.
    """
    with _thread_pools().limit(limits=1):
        yield


@cache
def _thread_pools() -> Any:
    """Looked up once: looking takes as long as fitting a small probe, of which a run may end with hundreds."""
    import sklearn.linear_model  # noqa: F401  loads the libraries that have such pools
    from threadpoolctl import ThreadpoolController  # scikit-learn's own dependency

    return ThreadpoolController()

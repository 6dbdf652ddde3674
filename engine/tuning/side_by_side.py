"""Jobs that are begun one after another and done several at a time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

Job = Callable[[], bool]


def side_by_side(jobs: Iterator[Job], at_once: int, gives_up: threading.Event) -> bool:
    """Do all jobs, `at_once` of them at a time; the next is asked for when there is room for it. Returns whether all
    said True: after one that says False none is begun any more, and those under way are waited for. So they are when a
    job or the asking raises; `gives_up` is set then, for them to look at.

    One at a time is done in the calling thread.
    """
    if at_once == 1:
        return all(job() for job in jobs)
    with ThreadPoolExecutor(at_once, "side-by-side") as threads:
        try:
            return _done(jobs, at_once, threads)
        except BaseException:
            gives_up.set()
            raise


def _done(jobs: Iterator[Job], at_once: int, threads: ThreadPoolExecutor) -> bool:
    under_way: set[Future[bool]] = set()
    goes_on = True
    while True:
        while goes_on and len(under_way) < at_once and (job := next(jobs, None)) is not None:
            under_way.add(threads.submit(job))
        if not under_way:
            return goes_on
        over, under_way = wait(under_way, return_when=FIRST_COMPLETED)
        goes_on = all([one.result() for one in over]) and goes_on

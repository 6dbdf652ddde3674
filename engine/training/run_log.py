"""log.txt of a run: what its training logged, and the details of an error that nobody expected."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from engine.errors import FewLabError
from engine.runs.folder import RunFolder

log = logging.getLogger("fewlab.training")


@contextmanager
def run_log(folder: RunFolder) -> Iterator[None]:
    """Whatever is logged inside is also written to the run's log.txt, with every error that leaves it. A disk without
    room ends nothing: the log is what can be missed most easily.
    """
    try:
        handler = logging.FileHandler(folder.log_file, encoding="utf-8", delay=True)
    except OSError:
        yield
        return
    root = logging.getLogger()
    root.addHandler(handler)
    try:
        yield
    except FewLabError as error:
        log.warning("%s: %s", folder.id, error)
        raise
    except Exception:
        log.exception("run %s failed", folder.id)
        raise
    finally:
        root.removeHandler(handler)
        with suppress(OSError):  # what was still to be flushed has no room
            handler.close()

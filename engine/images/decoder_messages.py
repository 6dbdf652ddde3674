"""What decoders written in C print about damaged images. libtiff writes its lines to descriptor 2 itself, between the
sentences meant for a person.
"""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_decoder_messages() -> Iterator[None]:
    """Nothing reaches standard error but what Python writes to it. For a process with one task: the descriptor is the
    whole process's.
    """
    stream = sys.stderr
    try:
        is_ours = stream.fileno() == 2
    except (AttributeError, OSError, ValueError):  # replaced by something that has no descriptor
        is_ours = False
    if not is_ours or not isinstance(stream, io.TextIOWrapper):
        yield
        return
    stream.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    own = os.fdopen(kept, "w", encoding=stream.encoding, errors=stream.errors, buffering=1)
    sys.stderr = own
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        sys.stderr = stream
        os.dup2(kept, 2)
        own.close()

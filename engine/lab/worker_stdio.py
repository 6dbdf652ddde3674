"""How each of the engine's processes begins: who comes first, where its answers go, where its log goes."""

from __future__ import annotations

import logging
import os
import sys
from typing import IO

YIELDS_BY = 5  # a page that is looked at comes before the training or projection that it shows


def claim_stdio() -> IO[bytes]:
    """Set up this process as a child of a Link; returns where its lines of JSON go."""
    if "--yield" in sys.argv and hasattr(os, "nice"):  # on Windows its parent starts it with a lower priority
        os.nice(YIELDS_BY)
    # Descriptor 1 carries the protocol alone: whatever a library prints goes to the log instead of between the lines.
    protocol = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    return protocol

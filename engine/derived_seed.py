"""Derived chance: every random number of a run comes from (seed, names, step), so there is no generator state to
save.
"""

from __future__ import annotations

import hashlib
import struct


def derive(seed: int, name: str, step: int = 0) -> int:
    """A 63-bit seed from (seed, name, step): the same everywhere and independent of whatever else was drawn."""
    digest = hashlib.blake2b(struct.pack("<qq", seed, step) + name.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1

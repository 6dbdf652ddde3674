"""Arrays from .npz files of unknown origin: declared by name, and checked from the headers before any is loaded."""

from __future__ import annotations

import math
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.plain_file import open_plain_file

MOST_BYTES = 512_000_000  # unpacked, of all arrays of a file: twenty thousand images of ten thousand classes
_MOST_ARRAYS = 200
_LARGEST_DIRECTORY = 100_000  # bytes of the zip's own list
_LONGEST_HEADER = 10_000  # characters of an array's header
_SIZES = {"c": (1, 3), "d": (2, 3)}  # axes that have one of a few sizes
_LARGEST = {"K": 100_000, "h": 4096, "w": 4096}  # of axes that others are made as long as
_LARGEST_ID = 2**62
# What a damaged or foreign file raises.
UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    EOFError,
    TypeError,
    AttributeError,
    NotImplementedError,
    RuntimeError,
    MemoryError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
_KINDS = {"int": "iu", "uint8": "u", "float": "f", "float or NaN": "f", "bool": "b"}


class WrongContent(ValueError):
    """An array that is not what its name promises; the message says how, in words that fit into brackets."""


class ArraySpec(NamedTuple):
    """axes: a letter for each; the same letter means the same size in all arrays of the file. values: int (signed, of
    whatever width), uint8, bool, or float. low, high: what its numbers lie between. Floats are no NaN, unless it says
    so; infinite ones, from an overflow of half precision, are cut to the largest number.
    """

    axes: str
    values: str
    low: float | None = None
    high: float | None = None


def read_arrays(
    path: Path, spec_of: Callable[[str], ArraySpec | None], only: Collection[str] | None = None
) -> dict[str, NDArray[Any]]:
    """The declared arrays of the file, or those named in `only` that are there; others are passed over. Raises one of
    UNREADABLE.
    """
    arrays: dict[str, NDArray[Any]] = {}
    sizes: dict[str, int] = {}
    with open_plain_file(path) as raw:
        _check_directory(raw)
        with zipfile.ZipFile(raw) as archive:
            members = archive.infolist()
            if len(members) > _MOST_ARRAYS or sum(member.file_size for member in members) > MOST_BYTES:
                raise WrongContent(f"it unpacks to more than {MOST_BYTES / 1e6:,.0f} MB or {_MOST_ARRAYS} arrays")
            for member in members:
                name = member.filename.removesuffix(".npy")
                spec = spec_of(name) if only is None or name in only else None
                if spec is None:
                    continue
                if name in arrays:
                    raise WrongContent(f"{name} is in it twice")
                shape = _checked_shape(archive, member, name, spec)
                for axis, size in zip(spec.axes, shape, strict=True):
                    if sizes.setdefault(axis, size) != size:
                        raise WrongContent(f"{name} is not as long as the arrays that belong to it")
                with archive.open(member) as file:
                    arrays[name] = _checked(np.lib.format.read_array(file, allow_pickle=False), name, spec)
    return arrays


def _check_directory(file: BinaryIO) -> None:
    """The zip's list of entries is parsed by zipfile as a whole: a long one takes minutes."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557))
    tail = file.read()
    at = tail.rfind(b"PK\5\6")
    if at < 0 or len(tail) - at < 22:
        raise zipfile.BadZipFile
    # The long form of the list's end, which np.savez has no need for, could name another size.
    if struct.unpack("<L", tail[at + 12 : at + 16])[0] > _LARGEST_DIRECTORY or tail[at - 20 : at - 16] == b"PK\6\7":
        raise WrongContent("it has too many entries")
    file.seek(0)


def _checked_shape(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str, spec: ArraySpec) -> tuple[int, ...]:
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file, max_header_size=_LONGEST_HEADER)
    if len(shape) != len(spec.axes) or dtype.kind not in _KINDS[spec.values] or dtype.itemsize > 8:
        raise WrongContent(f"{name} has the wrong shape or type")
    if spec.values == "uint8" and dtype.itemsize > 1:
        raise WrongContent(f"{name} has the wrong shape or type")
    for axis, size in zip(spec.axes, shape, strict=True):
        if not 0 <= size <= _LARGEST.get(axis, MOST_BYTES) or size not in _SIZES.get(axis, (size,)):
            raise WrongContent(f"{name} has the wrong shape or type")
    if math.prod(shape) * dtype.itemsize > member.file_size:
        raise WrongContent(f"{name} is longer than its file")
    return tuple(shape)


def _checked(array: NDArray[Any], name: str, spec: ArraySpec) -> NDArray[Any]:
    if spec.values == "float":
        if np.isnan(array).any():
            raise WrongContent(f"{name} holds values that are not numbers")
        largest = np.finfo(array.dtype).max
        array = np.clip(array, -largest, largest) if np.isinf(array).any() else array
    high = _LARGEST_ID if spec.high is None and spec.values == "int" else spec.high
    if array.size and ((spec.low is not None and array.min() < spec.low) or (high is not None and array.max() > high)):
        raise WrongContent(f"{name} holds values out of range")
    return array.astype(np.int64) if spec.values == "int" and array.dtype.kind == "u" else array

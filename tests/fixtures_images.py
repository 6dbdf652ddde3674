"""Small folders and archives of images for tests: what a class shows can be told from its brightness."""

from __future__ import annotations

import io
import tarfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine.data.image_set import ImageSet
from engine.data.sets.folder import Folder
from engine.errors import DataError


def encoded(pixels: Any, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.asarray(pixels, np.uint8)).save(buffer, format, **options)
    return buffer.getvalue()


def grey(value: int, side: int = 10) -> bytes:
    return encoded(np.full((side, side), value))


def red(side: int = 10) -> bytes:
    return encoded(np.tile(np.array([200, 0, 0]), (side, side, 1)))


def awkward_files(width: int, height: int) -> dict[str, bytes]:
    """Files of noise that a careless program reads otherwise: turned by EXIF, grey, transparent, of 16 bits, with a
    palette.
    """
    draws = np.random.default_rng(1)
    color, alpha = draws.integers(0, 256, (height, width, 3)), draws.integers(0, 256, (height, width, 1))
    one_byte = Image.fromarray(color.astype(np.uint8))
    turned = Image.Exif()
    turned[0x0112] = 6
    palette, sixteen = io.BytesIO(), io.BytesIO()
    one_byte.convert("P").save(palette, "GIF")
    Image.fromarray(draws.integers(0, 65_536, (height, width), dtype=np.uint16)).save(sixteen, "PNG")
    return {
        "turned.jpg": encoded(color, "JPEG", exif=turned, quality=95),
        "grey.png": encoded(color[..., 0]),
        "transparent.png": encoded(np.concatenate([color, alpha], 2)),
        "sixteen.png": sixteen.getvalue(),
        "palette.gif": palette.getvalue(),
    }


CATS_AND_DOGS = {f"{kind}/{i}.png": grey(base + i) for kind, base in (("cat", 10), ("dog", 110)) for i in range(10)}


def folder_of(root: Path, files: Mapping[str, bytes]) -> Path:
    for name, data in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return root


def zip_of(path: Path, files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in files.items():
            archive.writestr(
                zipfile.ZipInfo(name), data, method
            )  # without the time of day: the same files, the same zip
    return path


def source(path: Path | str, **settings: Any) -> Folder:
    return Folder(Folder.Params.model_validate({"path": str(path), "size": 8, **settings}))


def understood(images: ImageSet) -> dict[int, tuple[str | None, str]]:
    """Class and part of every image, by its brightness."""
    validation = np.zeros(len(images.ids), bool) if images.is_validation is None else images.is_validation
    return {
        int(pixels[0, 4, 4]): (
            images.class_names[label] if label >= 0 else None,
            "test" if test else "validation" if held_out else "training",
        )
        for pixels, label, test, held_out in zip(images.images, images.labels, images.is_test, validation, strict=True)
    }


def refusal(path: Path) -> str:
    """The sentence with which an import of these files is refused."""
    with pytest.raises(DataError) as refused:
        source(path).prepare()
    return str(refused.value)


def unpack(archive: Path) -> None:
    """A tar becomes its files, beside it. Not by extractall: the first releases of Python 3.11 have no `filter`."""
    with tarfile.open(archive) as packed:
        for member in packed.getmembers():
            if (file := packed.extractfile(member)) is not None:
                target = archive.parent / member.name
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(file.read())
    archive.unlink()

"""Images travel to the browser exactly, and without torch."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from ui.components.gallery import image_uri


def decoded(uri: str) -> npt.NDArray[np.uint8]:
    head, body = uri.split(",")
    assert head == "data:image/png;base64"
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(body))))


@pytest.mark.parametrize("channels", [1, 3])
def test_an_image_arrives_exactly(channels: int) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (channels, 5, 7), np.uint8)
    seen = decoded(image_uri(pixels))
    assert (seen.reshape(5, 7, channels) == pixels.transpose(1, 2, 0)).all()


def test_pixels_of_another_kind_are_refused() -> None:
    with pytest.raises(ValueError, match=r"pixels must be uint8 \[1 or 3, H, W\], but are uint8 \[32, 32, 3\]"):
        image_uri(np.zeros((32, 32, 3), np.uint8))
    with pytest.raises(ValueError, match=r"but are float32 \[1, 2, 2\]"):
        image_uri(np.zeros((1, 2, 2), np.float32))


def test_no_component_loads_torch() -> None:
    code = (
        "import sys, ui.components.gallery, ui.components.live_figure, ui.figures.curves, ui.style.colors;"
        " sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=False).returncode == 0

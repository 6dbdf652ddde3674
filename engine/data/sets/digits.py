"""scikit-learn's handwritten digits: 1,797 real images of 8x8 grey pixels, shipped with the package."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from engine.config.parts import DataParams
from engine.data.image_set import DataSource, ImageSet, stratified_test
from engine.data.image_traits import ImageTraits
from engine.registry import datasets


@datasets.register
class Digits(DataSource):
    """Optical digits (Alpaydin & Kaynak 1998), as distributed by scikit-learn: values 0..16 scaled to 0..255, 20 % of
    each class held out.
    """

    class Params(DataParams):
        name: Literal["digits"] = "digits"

    title = "Handwritten digits"
    summary = "1,797 real handwritten digits, 8x8 grey pixels, ten classes."
    # A glyph fills 8 of 8 rows: wider ranges would push strokes out of the image.
    traits = ImageTraits(
        smallest_crop=0.5,
        tilt=20.0,
        slant=0.2,
        shift=0.125,
        largest_hole=0.25,
        dark_ground=True,
        fills_frame=1.0,
        stroke=0.19,
    )
    # With 17 levels of grey on black, changes of color teach nothing, and a solarized background erases the strokes:
    # only geometry makes a strong view here, and a tilt of the weak ones spreads the few labels a little further.
    recommended: ClassVar[dict[str, Any]] = {
        "augment": {
            "crop_jitter": {"flip": "off"},
            "simclr": {"flip": "off"},
            "weak": {"translate": 0.125, "flip": "off", "rotate": 10.0},
            "strong": {
                "translate": 0.125,
                "flip": "off",
                "without": [
                    "auto_contrast",
                    "brightness",
                    "contrast",
                    "equalize",
                    "posterize",
                    "sharpness",
                    "solarize",
                    "identity",
                ],
            },
        }
    }

    def load(self) -> ImageSet:
        numbers = _read()
        images = np.round(numbers[:, :-1].reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)[:, None]
        labels = numbers[:, -1].astype(np.int64)
        return ImageSet(
            "digits",
            images,
            labels,
            np.arange(len(labels), dtype=np.int64),
            stratified_test(labels, 0.2),
            tuple("0123456789"),
        )


def _read() -> NDArray[np.float64]:
    """[N, 65]: 64 pixels and the label of each image, from the file that load_digits reads. Importing scikit-learn for
    it would cost every process that opens the digits two to four seconds.
    """
    package = find_spec("sklearn")
    assert package is not None
    assert package.submodule_search_locations is not None
    folder = Path(package.submodule_search_locations[0])
    numbers: NDArray[np.float64] = np.loadtxt(folder / "datasets" / "data" / "digits.csv.gz", delimiter=",")
    return numbers

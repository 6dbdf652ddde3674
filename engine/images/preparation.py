"""How an image file becomes what a model is given: decoded, and brought to the size and colors of the set it learned
from. Pillow and numpy only; an exported model takes these files along.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from engine.images.decode import Pixels, read_image
from engine.images.figure import FigureStyle, FittedFigure, fit_to_figures
from engine.images.fit import Color, Fit, import_into


class Preparation(NamedTuple):
    """size: pixels of a side. channels: 1 or 3. figures: how the set draws its figures, None where its images are taken
    as they come.
    """

    size: int
    channels: int
    fit: Fit
    color: Color
    figures: FigureStyle | None

    def read(self, data: bytes, name: str = "image") -> Pixels:
        """The image in a file's bytes, uint8 [H, W, 1 or 3], decoded as the set's own were. Raises ImageError."""
        # An import lets a large photo be decoded at a smaller size; a thin stroke would be lost by it.
        return read_image(data, name, smallest=2 * self.size if self.figures is None else None)

    def fitted(self, image: Pixels, as_it_is: bool = False) -> FittedFigure:
        """A decoded image as the set would hold it. as_it_is: whole and with its own ground, even where the set holds
        figures that fill their frame.
        """
        if self.figures is None or as_it_is:
            pixels = import_into(image, self.size, self.channels, self.fit, self.color)
            return FittedFigure(pixels, inverted=False, cropped=False)
        return fit_to_figures(image, self.size, self.channels, self.figures)

    def plain(self) -> dict[str, Any]:
        """For JSON."""
        return {**self._asdict(), "figures": None if self.figures is None else self.figures._asdict()}


def preparation(plain: dict[str, Any]) -> Preparation:
    """From what `Preparation.plain` wrote; other keys beside are left alone."""
    own: dict[str, Any] = {name: plain[name] for name in Preparation._fields}
    return Preparation(**{**own, "figures": None if own["figures"] is None else FigureStyle(**own["figures"])})

"""Presets: RunConfigs by name, the same on the Start page and the command line."""

from __future__ import annotations

from engine.presets.features_and_pixels import FEATURES_AND_PIXELS
from engine.presets.partial_label import PARTIAL_LABEL
from engine.presets.photos import PHOTOS
from engine.presets.preset import PHOTO_NETWORK, Preset
from engine.presets.real_images import REAL_IMAGES
from engine.presets.self_supervised import SELF_SUPERVISED
from engine.presets.semi_supervised import SEMI_SUPERVISED
from engine.presets.semi_supervised_papers import SEMI_SUPERVISED_PAPERS

__all__ = ["PHOTO_NETWORK", "PRESETS", "Preset"]

PRESETS: dict[str, Preset] = {
    **SEMI_SUPERVISED,
    **SELF_SUPERVISED,
    **PARTIAL_LABEL,
    **FEATURES_AND_PIXELS,
    **PHOTOS,
    **SEMI_SUPERVISED_PAPERS,
    **REAL_IMAGES,
}

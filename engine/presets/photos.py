"""Presets for a person's own photos: what a pretrained network knows, and what it can still learn."""

from __future__ import annotations

from typing import Any

from engine.presets.preset import PHOTO_NETWORK, Preset

# Chosen on validation images of TrashNet, seeds 10 to 12. The whole photo, at the size that the weights saw.
_PHOTOS: dict[str, Any] = {
    "data": {"name": "folder", "size": 224, "fit": "squash", "labels": {"kind": "few", "per_class": 10}},
    "backbone": PHOTO_NETWORK,
}
# For training the whole network: smaller, because each image is seen many times, and as many labels as each class has.
_PHOTOS_TRAINED: dict[str, Any] = {
    "data": {
        "name": "folder",
        "size": 128,
        "fit": "squash",
        "labels": {"kind": "few", "per_class": 10, "at_most": True},
    },
    "backbone": PHOTO_NETWORK,
}
# What was learned from a million photos is a start to keep near to: a tenth of what a network from nothing is given.
_LOW_RATE: dict[str, Any] = {"name": "adamw", "lr": 0.0003, "weight_decay": 0.01, "warmup_steps": 20}
# Mirrored windows of the photo, without other colors.
_WINDOWS: dict[str, Any] = {"name": "crop_jitter", "area": 0.5, "jitter": 0.0, "grey": 0.0, "blur": 0.0}

PHOTOS: dict[str, Preset] = {
    "photos-probe": Preset(
        "My photos: what pretrained features know",
        "Logistic regression on the features of a network that has seen a million photos. For drawings, scans"
        " or faces, compare it with raw pixels and with features learned on the images themselves.",
        {**_PHOTOS, "method": {"name": "linear_probe", "scaling": "unit", "regularization": 100.0}},
        duration="about 15 ms a photo, once",
    ),
    "photos-spread": Preset(
        "My photos: labels spread over pretrained features",
        "A handful of labels spreads to similar photos, labeled or not. The better choice with up to five labels per"
        " class.",
        {**_PHOTOS, "method": {"name": "label_spreading", "scaling": "unit", "neighbors": 10, "alpha": 0.9}},
        duration="about 15 ms a photo, once",
    ),
    "photos-self-training-probe": Preset(
        "My photos: pretrained features and their own pseudo-labels",
        "Logistic regression on pretrained features goes on with its own most confident predictions, in five rounds.",
        {**_PHOTOS, "method": {"name": "self_training_probe", "scaling": "unit", "regularization": 100.0}},
        duration="about 15 ms a photo, once",
    ),
    "photos-fine-tune": Preset(
        "My photos: a pretrained network trained further",
        "All stages of the pretrained network learn from the labels there are, the lower ones least, from mirrored"
        " and randomly cropped views. For photos unlike those it has seen, and for ten labels per class or more.",
        {
            **_PHOTOS_TRAINED,
            "augment": {"weak": {**_WINDOWS, "jitter": 0.5, "hue": 0.0}},
            "method": {"name": "fine_tune", "layer_decay": 0.7},
            "optimizer": _LOW_RATE,
            "budget": {"steps": 200, "batch_size": 16, "evaluate_every": 50},
        },
        duration="a few minutes",
    ),
    "photos-fixmatch": Preset(
        "My photos: a pretrained network and the unlabeled ones",
        "FixMatch goes on from the pretrained network: its confident predictions on mirrored and cropped views label"
        " the same photos under RandAugment.",
        {
            **_PHOTOS_TRAINED,
            "augment": {"weak": _WINDOWS},
            "method": {"name": "fixmatch", "threshold": 0.9, "unlabeled_ratio": 3},
            "optimizer": _LOW_RATE,
            "budget": {"steps": 200, "batch_size": 8, "evaluate_every": 100},
        },
        duration="a few minutes",
    ),
    "photos-pseudo-label": Preset(
        "My photos: cross-entropy and half of pseudo-labels",
        "The plainest way to use unlabeled photos: a pretrained network learns from the labels, and half as much"
        " from its own confident predictions.",
        {
            **_PHOTOS_TRAINED,
            "augment": {"weak": _WINDOWS},
            "method": {"name": "pseudo_label", "unlabeled_weight": 0.5, "unlabeled_ratio": 3},
            "optimizer": _LOW_RATE,
            "budget": {"steps": 200, "batch_size": 8, "evaluate_every": 100},
        },
        duration="a few minutes",
    ),
}

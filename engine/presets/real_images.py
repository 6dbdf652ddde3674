"""Presets on image sets that are downloaded once: networks, sets and label budgets that papers report together."""

from __future__ import annotations

from typing import Any

from engine.presets.preset import DAYS, FIXMATCH_SGD, WRN_28_2, Preset


def _fixmatch(
    title: str, summary: str, data: dict[str, Any], backbone: dict[str, Any], decay: float = 0.0005
) -> Preset:
    """FixMatch as in its paper (Sohn et al. 2020, table 4), on another set."""
    return Preset(
        title,
        summary,
        {
            "data": data,
            "backbone": backbone,
            "method": {"name": "fixmatch"},
            "optimizer": {**FIXMATCH_SGD, "weight_decay": decay},
            "budget": {"steps": 2**20, "batch_size": 64, "evaluate_every": 5000},
        },
        duration=DAYS,
        gpu=True,
    )


REAL_IMAGES: dict[str, Preset] = {
    "cifar10-fixmatch": _fixmatch(
        "Photos of ten kinds, 25 labels each",
        "FixMatch on CIFAR-10 with 250 labels and WRN-28-2.",
        {"name": "cifar10", "labels": {"kind": "few", "per_class": 25}},
        WRN_28_2,
    ),
    "cifar100-fixmatch": _fixmatch(
        "Photos of a hundred kinds, 25 labels each",
        "FixMatch on CIFAR-100 with 2,500 labels and WRN-28-8, with twice the weight decay, as in its paper.",
        {"name": "cifar100", "labels": {"kind": "few", "per_class": 25}},
        {**WRN_28_2, "widen": 8},
        decay=0.001,
    ),
    "svhn-fixmatch": _fixmatch(
        "House numbers, 25 labels per digit",
        "FixMatch on SVHN with 250 labels and WRN-28-2; house numbers are never mirrored.",
        {"name": "svhn", "labels": {"kind": "few", "per_class": 25}},
        WRN_28_2,
    ),
    "fer2013-fixmatch": _fixmatch(
        "Faces, 40 labels per expression",
        "FixMatch on FER-2013 with 280 labels and WRN-37-2, the network with a fourth scale for larger images.",
        {"name": "fer2013", "labels": {"kind": "few", "per_class": 40}},
        {**WRN_28_2, "groups": 4},
    ),
    "cifar100-proden": Preset(
        "Photos of a hundred kinds with several possible labels",
        "PRODEN on CIFAR-100 with ResNet-18: each wrong class is among the candidates with a probability of 5 %.",
        {
            "data": {"name": "cifar100", "labels": {"kind": "partial", "rate": 0.05}},
            "backbone": {"name": "resnet18"},
            "method": {"name": "proden"},
            "optimizer": {
                "name": "sgd",
                "lr": 0.05,
                "momentum": 0.9,
                "nesterov": False,
                "weight_decay": 0.001,
                "warmup_steps": 0,
                "ema_decay": 0.0,
            },
            "budget": {"steps": 88_000, "batch_size": 256, "evaluate_every": 1760},
        },
        duration=DAYS,
        gpu=True,
    ),
}

"""Presets of methods that learn from several possible labels."""

from __future__ import annotations

from typing import Any

from engine.presets.preset import DAYS, Preset

_ON_DIGITS: dict[str, Any] = {
    "data": {"name": "digits", "labels": {"kind": "partial", "rate": 0.7}},
    "budget": {"steps": 2000, "batch_size": 64, "evaluate_every": 100},
}

PARTIAL_LABEL: dict[str, Preset] = {
    "digits-proden": Preset(
        "Several possible labels each",
        "PRODEN identifies the true label of each handwritten digit among several candidates while it learns to"
        " classify them.",
        {
            "data": {"name": "digits", "labels": {"kind": "partial", "rate": 0.7}},
            "method": {"name": "proden"},
            "budget": {"steps": 2000, "batch_size": 64, "evaluate_every": 100},
        },
        situation="partial",
        duration="about 20 s",
    ),
    "digits-rc": Preset(
        "Several possible labels each: RC",
        "RC asks the network after each step how likely each candidate is, and trains on these weights next time.",
        {**_ON_DIGITS, "method": {"name": "rc"}},
        duration="about 25 s",
    ),
    "digits-cc": Preset(
        "Several possible labels each: CC",
        "CC makes the candidates together probable, and leaves open which of them is true.",
        {**_ON_DIGITS, "method": {"name": "cc"}},
        duration="about 20 s",
    ),
    "digits-lws": Preset(
        "Several possible labels each: LWS",
        "LWS also learns from the labels that are no candidates. In its logarithmic form, because with so many"
        " candidates the bounded loss saturates.",
        {**_ON_DIGITS, "method": {"name": "lws", "loss": "logarithmic"}},
        duration="about 25 s",
    ),
    "digits-pico": Preset(
        "Several possible labels each: PiCO",
        "PiCO draws digits together that seem to be of one class, and lets the nearest class prototype decide.",
        {**_ON_DIGITS, "method": {"name": "pico", "warm_up": 0.25, "temperature": 0.1}},
        duration="about a minute",
    ),
    "cifar10-proden": Preset(
        "Photos with several possible labels",
        "PRODEN on CIFAR-10: each wrong class is among the candidates with a probability of 10 %.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "partial", "rate": 0.1}},
            "backbone": {"name": "conv_encoder"},
            "method": {"name": "proden"},
            "budget": {"steps": 2000, "batch_size": 128, "evaluate_every": 250},
        },
        duration="about 10 minutes",
    ),
    "paper-proden": Preset(
        "PRODEN as in its paper",
        "CIFAR-10 at rate 0.1, the authors' ConvNet, 500 passes, no augmentation. They lower the learning rate by a"
        " tenth every ten passes; here it follows a cosine.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "partial", "rate": 0.1}},
            "backbone": {"name": "convnet_12"},
            "augment": {"weak": {"translate": 0.0, "flip": "off"}},
            "method": {"name": "proden"},
            "optimizer": {
                "name": "sgd",
                "lr": 0.01,
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
    "paper-lws": Preset(
        "LWS as in its paper",
        "CIFAR-10 at rate 0.1, where some images keep one label, the authors' ConvNet, 250 passes, no augmentation."
        " They halve the learning rate every 50 passes, a little in each; here it follows a cosine.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "partial", "rate": 0.1, "repair": False}},
            "backbone": {"name": "convnet_12"},
            "augment": {"weak": {"translate": 0.0, "flip": "off"}},
            "method": {"name": "lws", "leverage": 1.0},
            "optimizer": {
                "name": "sgd",
                "lr": 0.05,
                "momentum": 0.9,
                "nesterov": False,
                "weight_decay": 0.001,
                "warmup_steps": 0,
                "ema_decay": 0.0,
            },
            "budget": {"steps": 44_000, "batch_size": 256, "evaluate_every": 880},
        },
        duration=DAYS,
        gpu=True,
    ),
    "paper-pico": Preset(
        "PiCO as in its paper",
        "CIFAR-10 at rate 0.1, where some images keep one label, ResNet-18 and 800 passes. The strong view shifts by an"
        " eighth where the paper's crops a window of a fifth or more.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "partial", "rate": 0.1, "repair": False}},
            "backbone": {"name": "resnet18"},
            "augment": {
                "weak": {"name": "crop_jitter", "area": 0.2, "saturation": 0.4, "blur": 0.0},
                "strong": {"operations": 3, "magnitude": 5.0, "cutout": 0.0},
            },
            "method": {
                "name": "pico",
                "contrast_weight": 0.5,
                "temperature": 0.07,
                "warm_up": 1 / 800,
                "queue_size": 8192,
                "projection_size": 128,
                "prototype_momentum": 0.99,
                "key_momentum": 0.999,
            },
            "optimizer": {
                "name": "sgd",
                "lr": 0.01,
                "momentum": 0.9,
                "nesterov": False,
                "weight_decay": 0.001,
                "schedule": {"name": "cosine_annealing", "floor": 0.001},
                "warmup_steps": 0,
                "ema_decay": 0.0,
            },
            "budget": {"steps": 140_800, "batch_size": 256, "evaluate_every": 1760},
        },
        duration=DAYS,
        gpu=True,
    ),
}

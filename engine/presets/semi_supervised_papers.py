"""The semi-supervised family as in its papers, on CIFAR-10: made for a GPU."""

from __future__ import annotations

from typing import Any

from engine.presets.preset import DAYS, FIXMATCH_SGD, WRN_28_2, Preset

# MixMatch's code multiplies weights by 1 - .02 lr in each step: AdamW's decay. Its learning rate stays as it is.
_MIXMATCH_ADAM: dict[str, Any] = {
    "name": "adamw",
    "lr": 0.002,
    "weight_decay": 0.02,
    "warmup_steps": 0,
    "schedule": "constant",
}
_AVERAGED = {**_MIXMATCH_ADAM, "ema_decay": 0.999}


def _paper(
    title: str, summary: str, method: dict[str, Any], optimizer: dict[str, Any], per_class: int = 4, steps: int = 2**20
) -> Preset:
    config = {
        "data": {"name": "cifar10", "labels": {"kind": "few", "per_class": per_class}},
        "backbone": WRN_28_2,
        "method": method,
        "optimizer": optimizer,
        "budget": {"steps": steps, "batch_size": 64, "evaluate_every": 5000},
    }
    return Preset(title, summary, config, duration=DAYS, gpu=True)


SEMI_SUPERVISED_PAPERS: dict[str, Preset] = {
    "paper-fixmatch": Preset(
        "FixMatch as in its paper",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps. Here, as in all of these, a tenth of the"
        " images is held out for validation.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "few", "per_class": 4}},
            "backbone": WRN_28_2,
            "method": {"name": "fixmatch", "threshold": 0.95, "unlabeled_weight": 1.0, "unlabeled_ratio": 7},
            "optimizer": FIXMATCH_SGD,
            "budget": {"steps": 2**20, "batch_size": 64, "evaluate_every": 5000},
        },
        duration=DAYS,
        gpu=True,
    ),
    "paper-pseudo-label": Preset(
        "Pseudo-labels as in FixMatch's comparison",
        "CIFAR-10, 400 labels per class, WRN-28-2. Lee's own paper trains a dense network on MNIST; this is the form in"
        " which others quote it.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "few", "per_class": 400}},
            "backbone": WRN_28_2,
            "method": {"name": "pseudo_label", "threshold": 0.95},
            "optimizer": FIXMATCH_SGD,
            "budget": {"steps": 2**20, "batch_size": 64, "evaluate_every": 5000},
        },
        duration=DAYS,
        gpu=True,
    ),
    "paper-mean-teacher": _paper(
        "Mean Teacher as in MixMatch's comparison",
        "CIFAR-10, 400 labels per class, WRN-28-2. The paper's own network has 13 layers; this is the form in which"
        " others"
        " quote it.",
        {"name": "mean_teacher", "teacher_decay": 0.999, "unlabeled_weight": 50.0, "unlabeled_ratio": 1, "ramp": 0.4},
        _MIXMATCH_ADAM,
        per_class=400,
    ),
    "paper-mixmatch": _paper(
        "MixMatch as in its paper",
        "CIFAR-10, 25 labels per class, WRN-28-2, Adam; the unlabeled weight rises over the first 1/64 of the run.",
        {
            "name": "mixmatch",
            "temperature": 0.5,
            "mixing": 0.75,
            "views": 2,
            "unlabeled_weight": 75.0,
            "unlabeled_ratio": 1,
            "ramp": 1 / 64,
        },
        _AVERAGED,
        per_class=25,
    ),
    "paper-remixmatch": _paper(
        "ReMixMatch as in its paper",
        "CIFAR-10, 25 labels per class, WRN-28-2, eight strong views, by RandAugment where the paper has CTAugment.",
        {
            "name": "remixmatch",
            "temperature": 0.5,
            "mixing": 0.75,
            "strong_views": 8,
            "unlabeled_weight": 1.5,
            "strong_weight": 0.5,
            "rotation_weight": 0.5,
            "unlabeled_ratio": 1,
            "ramp": 1 / 64,
            "decay": 0.999,
        },
        _AVERAGED,
        per_class=25,
    ),
    "paper-uda": _paper(
        "UDA as in its authors' code",
        "CIFAR-10, 400 labels per class, WRN-28-2, 500,000 steps, with FixMatch's strong views.",
        {"name": "uda", "threshold": 0.8, "temperature": 0.4, "unlabeled_weight": 1.0, "unlabeled_ratio": 7},
        {**FIXMATCH_SGD, "ema_decay": 0.9999},
        per_class=400,
        steps=500_000,
    ),
    "paper-flexmatch": _paper(
        "FlexMatch as in its paper",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps.",
        {"name": "flexmatch", "threshold": 0.95, "unlabeled_weight": 1.0, "unlabeled_ratio": 7},
        FIXMATCH_SGD,
    ),
    "paper-freematch": _paper(
        "FreeMatch as in its paper",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps.",
        {"name": "freematch", "fairness_weight": 0.05, "decay": 0.999, "unlabeled_ratio": 7},
        FIXMATCH_SGD,
    ),
    "paper-softmatch": _paper(
        "SoftMatch as in its paper",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps.",
        {"name": "softmatch", "width": 2.0, "decay": 0.999, "unlabeled_ratio": 7},
        FIXMATCH_SGD,
    ),
    "paper-comatch": _paper(
        "CoMatch as in its authors' code",
        "CIFAR-10, four labels per class, WRN-28-2, half a million steps.",
        {
            "name": "comatch",
            "threshold": 0.95,
            "graph_threshold": 0.8,
            "temperature": 0.2,
            "smoothing": 0.9,
            "memory": 5,
            "projection_size": 64,
            "unlabeled_ratio": 7,
        },
        FIXMATCH_SGD,
        steps=2**19,
    ),
    "paper-dash": _paper(
        "Dash as in its authors' code",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps: ten passes of 1,024 steps of warm-up, then a"
        " threshold that falls after every nine.",
        {
            "name": "dash",
            "warmup": 10 / 1024,
            "scale": 1.0001,
            "fall": 1.27,
            "stretch": 9 / 1024,
            "least": 0.05,
            "temperature": 0.5,
            "unlabeled_ratio": 7,
        },
        FIXMATCH_SGD,
    ),
    "paper-crmatch": _paper(
        "CRMatch as in USB",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps. The features that are compared are pooled.",
        {
            "name": "crmatch",
            "threshold": 0.95,
            "distance_weight": 1.0,
            "rotation_weight": 1.0,
            "projection_size": 128,
            "unlabeled_ratio": 7,
        },
        FIXMATCH_SGD,
    ),
}

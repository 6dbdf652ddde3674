"""Presets of the semi-supervised family: each method on digits, and as in its paper where a config can say so."""

from __future__ import annotations

from typing import Any

from engine.preset import Preset

WRN_28_2: dict[str, Any] = {"name": "wide_resnet", "depth": 28, "widen": 2, "momentum": 0.001}
FIXMATCH_SGD: dict[str, Any] = {
    "name": "sgd",
    "lr": 0.03,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.0005,
    "warmup_steps": 0,
    "ema_decay": 0.999,
}
DAYS = "made for a GPU"
# MixMatch's code multiplies weights by 1 - .02 lr in each step: AdamW's decay. Its learning rate stays as it is.
_MIXMATCH_ADAM: dict[str, Any] = {
    "name": "adamw",
    "lr": 0.002,
    "weight_decay": 0.02,
    "warmup_steps": 0,
    "schedule": "constant",
}
_AVERAGED = {**_MIXMATCH_ADAM, "ema_decay": 0.999}


def semi_supervised_on_digits(digits: dict[str, Any]) -> dict[str, Preset]:
    """By name. digits: the data and budget that all of them have."""

    def preset(title: str, summary: str, duration: str, **method: Any) -> Preset:
        return Preset(title, summary, {**digits, "method": method}, duration=duration)

    return {
        "digits-pi-model": preset(
            "Two predictions alike",
            "The Π-model asks for the same prediction on two views of each handwritten digit.",
            "about 15 s",
            name="pi_model",
            unlabeled_weight=50.0,
            unlabeled_ratio=2,
        ),
        "digits-temporal-ensembling": preset(
            "Predictions of earlier passes",
            "Temporal ensembling holds each prediction to the average of those before it.",
            "about 10 s",
            name="temporal_ensembling",
            unlabeled_weight=100.0,
            unlabeled_ratio=2,
        ),
        "digits-mean-teacher": preset(
            "A teacher that is an average",
            "Mean Teacher: the network agrees with a moving average of its own weights.",
            "about 15 s",
            name="mean_teacher",
            unlabeled_ratio=2,
        ),
        "digits-vat": preset(
            "Pushed where it hurts most",
            "Virtual adversarial training finds the small change that moves a prediction most, and trains it away.",
            "about 20 s",
            name="vat",
            unlabeled_weight=1.0,
            unlabeled_ratio=2,
        ),
        "digits-ict": preset(
            "Between two images",
            "Interpolation consistency: a blend of two digits is predicted as the blend of their predictions.",
            "about 15 s",
            name="ict",
            unlabeled_ratio=2,
        ),
        "digits-mixmatch": preset(
            "Everything mixed",
            "MixMatch blends labeled and unlabeled digits and their sharpened targets.",
            "about 20 s",
            name="mixmatch",
            unlabeled_ratio=2,
        ),
        "digits-remixmatch": preset(
            "Mixed, aligned and rotated",
            "ReMixMatch: aligned targets, strong views, and rotations to recognize.",
            "about half a minute",
            name="remixmatch",
            unlabeled_ratio=2,
        ),
        "digits-uda": preset(
            "Sharpened probabilities",
            "UDA brings the strong view's prediction to the weak view's sharpened one.",
            "about 15 s",
            name="uda",
            unlabeled_ratio=2,
        ),
        "digits-flexmatch": preset(
            "A threshold for each class",
            "FlexMatch lowers the threshold of classes that are learned slowly.",
            "about 15 s",
            name="flexmatch",
            threshold=0.9,
            unlabeled_ratio=2,
        ),
        "digits-freematch": preset(
            "A threshold that sets itself",
            "FreeMatch derives its thresholds from the network's own confidence.",
            "about 15 s",
            name="freematch",
            unlabeled_ratio=2,
        ),
        "digits-softmatch": preset(
            "Weights instead of a threshold",
            "SoftMatch counts every prediction, the less the further it is below the usual confidence.",
            "about 15 s",
            name="softmatch",
            unlabeled_ratio=2,
        ),
        "digits-adamatch": preset(
            "As confident as on labeled images",
            "AdaMatch takes threshold and class balance from the labeled images.",
            "about 20 s",
            name="adamatch",
            unlabeled_ratio=2,
        ),
        "digits-comatch": preset(
            "Embeddings and pseudo-labels together",
            "CoMatch: a graph of pseudo-labels shapes the embeddings, which smooth the pseudo-labels.",
            "about 25 s",
            name="comatch",
            threshold=0.9,
            unlabeled_ratio=2,
        ),
        "digits-simmatch": preset(
            "Resembling the same labeled images",
            "SimMatch: two views of a digit must agree on the class and on which labeled digits they resemble.",
            "about 15 s",
            name="simmatch",
            threshold=0.9,
            unlabeled_ratio=2,
        ),
    }


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
}

"""Presets of the semi-supervised family on small images."""

from __future__ import annotations

from typing import Any

from engine.presets.preset import DIGITS, Preset


def _on_digits(title: str, summary: str, duration: str, **method: Any) -> Preset:
    return Preset(title, summary, {**DIGITS, "method": method}, duration=duration)


SEMI_SUPERVISED: dict[str, Preset] = {
    "digits-fixmatch": Preset(
        "Few labels, many images",
        "FixMatch with distribution alignment classifies 1,797 handwritten digits with two labels per class.",
        {
            **DIGITS,
            "method": {"name": "fixmatch", "threshold": 0.9, "unlabeled_ratio": 2, "distribution_alignment": True},
        },
        situation="few",
    ),
    "digits-supervised": Preset(
        "The labels alone",
        "The same network and the same 20 labels, without the unlabeled images: the baseline to beat.",
        {**DIGITS, "method": {"name": "supervised"}},
        duration="about 5 s",
    ),
    "noise-fixmatch": Preset(
        "The honesty check",
        "FixMatch on random images with random labels: nothing can be learned, so it must stay at 10 %.",
        {"data": {"name": "noise"}, "method": {"name": "fixmatch"}, "budget": {"steps": 200, "evaluate_every": 20}},
    ),
    "noise-supervised": Preset(
        "The honesty check, labels only",
        "The same network on random images with random labels.",
        {"data": {"name": "noise"}, "method": {"name": "supervised"}, "budget": {"steps": 200, "evaluate_every": 20}},
    ),
    "noise-pseudo-label": Preset(
        "Pseudo-labels of noise",
        "A network of eight channels labels random images for itself: its losses fall, its accuracy stays at 10 %.",
        {
            "data": {"name": "noise", "labels": {"kind": "few", "per_class": 100}},
            "backbone": {"name": "simple_cnn"},
            "method": {"name": "pseudo_label", "threshold": 0.0},
            "budget": {"steps": 300, "batch_size": 100, "evaluate_every": 30},
        },
    ),
    "digits-pseudo-label": Preset(
        "Pseudo-labels",
        "The network's own confident predictions become labels, without strong views.",
        {**DIGITS, "method": {"name": "pseudo_label"}},
    ),
    "digits-pi-model": _on_digits(
        "Two predictions alike",
        "The Π-model asks for the same prediction on two views of each handwritten digit.",
        "about 15 s",
        name="pi_model",
        unlabeled_weight=50.0,
        unlabeled_ratio=2,
    ),
    "digits-temporal-ensembling": _on_digits(
        "Predictions of earlier passes",
        "Temporal ensembling holds each prediction to the average of those before it.",
        "about 10 s",
        name="temporal_ensembling",
        unlabeled_weight=100.0,
        unlabeled_ratio=2,
    ),
    "digits-mean-teacher": _on_digits(
        "A teacher that is an average",
        "Mean Teacher: the network agrees with a moving average of its own weights.",
        "about 15 s",
        name="mean_teacher",
        unlabeled_ratio=2,
    ),
    "digits-vat": _on_digits(
        "Pushed where it hurts most",
        "Virtual adversarial training finds the small change that moves a prediction most, and trains it away.",
        "about 20 s",
        name="vat",
        unlabeled_weight=1.0,
        unlabeled_ratio=2,
    ),
    "digits-ict": _on_digits(
        "Between two images",
        "Interpolation consistency: a blend of two digits is predicted as the blend of their predictions.",
        "about 15 s",
        name="ict",
        unlabeled_ratio=2,
    ),
    "digits-mixmatch": _on_digits(
        "Everything mixed",
        "MixMatch blends labeled and unlabeled digits and their sharpened targets.",
        "about 20 s",
        name="mixmatch",
        unlabeled_ratio=2,
    ),
    "digits-remixmatch": _on_digits(
        "Mixed, aligned and rotated",
        "ReMixMatch: aligned targets, strong views, and rotations to recognize.",
        "about half a minute",
        name="remixmatch",
        unlabeled_ratio=2,
    ),
    "digits-uda": _on_digits(
        "Sharpened probabilities",
        "UDA brings the strong view's prediction to the weak view's sharpened one.",
        "about 15 s",
        name="uda",
        unlabeled_ratio=2,
    ),
    "digits-flexmatch": _on_digits(
        "A threshold for each class",
        "FlexMatch lowers the threshold of classes that are learned slowly.",
        "about 15 s",
        name="flexmatch",
        threshold=0.9,
        unlabeled_ratio=2,
    ),
    "digits-freematch": _on_digits(
        "A threshold that sets itself",
        "FreeMatch derives its thresholds from the network's own confidence.",
        "about 15 s",
        name="freematch",
        unlabeled_ratio=2,
    ),
    "digits-softmatch": _on_digits(
        "Weights instead of a threshold",
        "SoftMatch counts every prediction, the less the further it is below the usual confidence.",
        "about 15 s",
        name="softmatch",
        unlabeled_ratio=2,
    ),
    "digits-dash": _on_digits(
        "As low a loss as on labeled images",
        "Dash begins with predictions as good as those of labeled images, and asks for ever better ones.",
        "about 15 s",
        name="dash",
        unlabeled_ratio=2,
    ),
    "digits-adamatch": _on_digits(
        "As confident as on labeled images",
        "AdaMatch takes threshold and class balance from the labeled images.",
        "about 20 s",
        name="adamatch",
        unlabeled_ratio=2,
    ),
    "digits-comatch": _on_digits(
        "Embeddings and pseudo-labels together",
        "CoMatch: a graph of pseudo-labels shapes the embeddings, which smooth the pseudo-labels.",
        "about 25 s",
        name="comatch",
        threshold=0.9,
        unlabeled_ratio=2,
    ),
    "digits-simmatch": _on_digits(
        "Resembling the same labeled images",
        "SimMatch: two views of a digit must agree on the class and on which labeled digits they resemble.",
        "about 15 s",
        name="simmatch",
        threshold=0.9,
        unlabeled_ratio=2,
    ),
    "digits-crmatch": _on_digits(
        "One class, two features",
        "CRMatch: two views of a digit must agree on the class, and their features must differ.",
        "about half a minute",
        name="crmatch",
        threshold=0.9,
        rotation_weight=0.3,
        unlabeled_ratio=2,
    ),
    "digits-openmatch": _on_digits(
        "Images of no class left out",
        "OpenMatch trains a detector of outliers beside FixMatch. All digits have a class: this is what it costs then.",
        "about 25 s",
        name="openmatch",
        unlabeled_ratio=2,
    ),
    "digits-crest": _on_digits(
        "Rare classes first",
        "CReST labels digits in generations, more of those that are rarely labeled. Made for classes of unequal"
        " frequency; here all are alike.",
        "about 20 s",
        name="crest",
        threshold=0.9,
        generations=3,
        restart=False,
        unlabeled_ratio=2,
    ),
    "digits-meta-pseudo-labels": _on_digits(
        "A teacher that is graded",
        "Meta Pseudo Labels: a teacher's labels are worth what its student learns from them.",
        "about half a minute",
        name="meta_pseudo_labels",
        unlabeled_ratio=2,
    ),
    "digits-self-training": Preset(
        "Labels of its own, round by round",
        "Self-training labels the digits it is most confident about, as many of each class, and goes on with those"
        " labels too, until every digit has one.",
        {
            **DIGITS,
            "method": {"name": "self_training", "rounds": 5, "portion": 0.25, "balanced": True, "restart": False},
        },
    ),
    "digits-gaussian-mixture": Preset(
        "A Gaussian for each class",
        "Semi-supervised EM fits one Gaussian for each class to labeled and unlabeled digits.",
        {
            "data": {"name": "digits"},
            "method": {"name": "gaussian_mixture", "covariance": "full", "regularization": 0.03},
        },
        duration="about 2 s",
    ),
    "shapes-fixmatch": Preset(
        "Colored shapes",
        "FixMatch on drawn images: six shapes in any color over clutter, four labels per class.",
        {
            "data": {"name": "shapes", "labels": {"kind": "few", "per_class": 4}},
            "method": {"name": "fixmatch"},
            "budget": {"steps": 1000, "evaluate_every": 50},
        },
    ),
    "fashion-fixmatch": Preset(
        "Clothes, ten labels per class",
        "FixMatch on Fashion-MNIST: 100 labels and 60,000 images of clothing.",
        {
            "data": {"name": "fashion_mnist", "labels": {"kind": "few", "per_class": 10}},
            "backbone": {"name": "small_cnn", "width": 32},
            "method": {"name": "fixmatch", "threshold": 0.98, "distribution_alignment": True},
            "budget": {"steps": 3000, "batch_size": 32, "evaluate_every": 250},
        },
        duration="about 4 minutes",
    ),
}

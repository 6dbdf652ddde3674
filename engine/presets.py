"""Presets: RunConfigs by name, the same on the Start page and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Preset:
    """config holds only what differs from the defaults and recommendations.

    situation: what the user has, for whom this is the first thing to try on the Start page: the kind of labels its data
    is used with. duration: roughly, on two cores, or why not there.
    gpu: a paper's own configuration, days on a CPU. What differs from the paper is in the summary.
    """

    title: str
    summary: str
    config: dict[str, Any]
    situation: Literal["few", "none", "partial"] | None = None
    duration: str = "about 15 s"
    gpu: bool = False


# Chosen on validation images of other seeds than those in docs/RESULTS.md: at this size of image, more steps of
# fewer unlabeled ones make a hard draw of labels less often end in two classes taken for one.
_DIGITS: dict[str, Any] = {"data": {"name": "digits"}, "budget": {"steps": 1000, "evaluate_every": 50}}

_DIGITS_PARTIAL: dict[str, Any] = {
    "data": {"name": "digits", "labels": {"kind": "partial", "rate": 0.7}},
    "budget": {"steps": 2000, "batch_size": 64, "evaluate_every": 100},
}

_WRN_28_2: dict[str, Any] = {"name": "wide_resnet", "depth": 28, "widen": 2, "momentum": 0.001}
_FIXMATCH_SGD: dict[str, Any] = {
    "name": "sgd",
    "lr": 0.03,
    "momentum": 0.9,
    "nesterov": True,
    "weight_decay": 0.0005,
    "warmup_steps": 0,
    "ema_decay": 0.999,
}
_DAYS = "made for a GPU"

# Chosen on validation images of TrashNet, seeds 10 to 12. The whole photo, at the size that the weights saw.
_PHOTOS: dict[str, Any] = {
    "data": {"name": "folder", "size": 224, "fit": "squash", "labels": {"kind": "few", "per_class": 10}},
    "backbone": {"name": "efficientnet_lite", "init": "pretrained"},
}

# For training the whole network: smaller, because each image is seen many times, and as many labels as each class has.
_PHOTOS_TRAINED: dict[str, Any] = {
    "data": {
        "name": "folder",
        "size": 128,
        "fit": "squash",
        "labels": {"kind": "few", "per_class": 10, "at_most": True},
    },
    "backbone": {"name": "efficientnet_lite", "init": "pretrained"},
}
# What was learned from a million photos is a start to keep near to: a tenth of what a network from nothing is given.
_LOW_RATE: dict[str, Any] = {"name": "adamw", "lr": 0.0003, "weight_decay": 0.01, "warmup_steps": 20}
# Mirrored windows of the photo, without other colors.
_WINDOWS: dict[str, Any] = {"name": "crop_jitter", "area": 0.5, "jitter": 0.0, "grey": 0.0, "blur": 0.0}

PRESETS: dict[str, Preset] = {
    "digits-fixmatch": Preset(
        "Few labels, many images",
        "FixMatch with distribution alignment classifies 1,797 handwritten digits with two labels per class.",
        {
            **_DIGITS,
            "method": {"name": "fixmatch", "threshold": 0.9, "unlabeled_ratio": 2, "distribution_alignment": True},
        },
        situation="few",
    ),
    "digits-supervised": Preset(
        "The labels alone",
        "The same network and the same 20 labels, without the unlabeled images: the baseline to beat.",
        {**_DIGITS, "method": {"name": "supervised"}},
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
    "digits-pseudo-label": Preset(
        "Pseudo-labels",
        "The network's own confident predictions become labels, without strong views.",
        {**_DIGITS, "method": {"name": "pseudo_label"}},
    ),
    "digits-simclr": Preset(
        "No labels",
        "SimCLR learns features of handwritten digits from the images alone; probes show what one label per class is"
        " then worth.",
        {
            "data": {"name": "digits"},
            "method": {"name": "simclr"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        situation="none",
        duration="about half a minute",
    ),
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
    "digits-label-spreading": Preset(
        "Labels spread to similar images",
        "Label spreading connects each handwritten digit to those most like it, and lets two labels per class spread"
        " along these edges.",
        {"data": {"name": "digits"}, "method": {"name": "label_spreading"}},
        duration="about 2 s",
    ),
    "digits-rc": Preset(
        "Several possible labels each: RC",
        "RC asks the network after each step how likely each candidate is, and trains on these weights next time.",
        {**_DIGITS_PARTIAL, "method": {"name": "rc"}},
        duration="about 25 s",
    ),
    "digits-cc": Preset(
        "Several possible labels each: CC",
        "CC makes the candidates together probable, and leaves open which of them is true.",
        {**_DIGITS_PARTIAL, "method": {"name": "cc"}},
        duration="about 20 s",
    ),
    "digits-lws": Preset(
        "Several possible labels each: LWS",
        "LWS also learns from the labels that are no candidates. In its logarithmic form, because with so many"
        " candidates the bounded loss saturates.",
        {**_DIGITS_PARTIAL, "method": {"name": "lws", "loss": "logarithmic"}},
        duration="about 25 s",
    ),
    "digits-pico": Preset(
        "Several possible labels each: PiCO",
        "PiCO draws digits together that seem to be of one class, and lets the nearest class prototype decide.",
        {**_DIGITS_PARTIAL, "method": {"name": "pico", "warm_up": 0.25, "temperature": 0.1}},
        duration="about a minute",
    ),
    "digits-self-training": Preset(
        "Labels of its own, round by round",
        "Self-training labels the digits it is most confident about, as many of each class, and goes on with those"
        " labels too, until every digit has one.",
        {
            **_DIGITS,
            "method": {"name": "self_training", "rounds": 5, "portion": 0.25, "balanced": True, "restart": False},
        },
    ),
    "digits-knn": Preset(
        "The nearest labeled image",
        "Each digit gets the label of the labeled digits most like it, pixel by pixel: nothing is trained.",
        {"data": {"name": "digits"}, "method": {"name": "knn"}},
        duration="about 1 s",
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
    "digits-poisson-learning": Preset(
        "Labels as sources of a flow",
        "Poisson learning lets each labeled digit pour out its class along the edges between similar ones.",
        {"data": {"name": "digits"}, "method": {"name": "poisson_learning", "neighbors": 4}},
        duration="about 2 s",
    ),
    "digits-vae-m2": Preset(
        "A model that draws digits",
        "A variational autoencoder learns to draw digits from a class and a style, and so what an unlabeled one is.",
        {
            **_DIGITS,
            "method": {"name": "vae_m2", "alpha": 10.0, "latent": 10, "hidden": 200, "unlabeled_ratio": 2},
        },
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
    "photos-probe": Preset(
        "My photos: what pretrained features know",
        "Logistic regression on the features of a network that has seen a million photos. For drawings, scans"
        " or faces, compare it with raw pixels and with features learned on the images themselves.",
        {**_PHOTOS, "method": {"name": "linear_probe", "scaling": "unit", "regularization": 100.0}},
        duration="about 20 ms a photo, once",
    ),
    "photos-spread": Preset(
        "My photos: labels spread over pretrained features",
        "A handful of labels spreads to similar photos, labeled or not. The better choice with up to five labels per"
        " class.",
        {**_PHOTOS, "method": {"name": "label_spreading", "scaling": "unit", "neighbors": 10, "alpha": 0.9}},
        duration="about 20 ms a photo, once",
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
    "cifar10-simclr": Preset(
        "Photos without labels",
        "SimCLR on CIFAR-10 with a network of three convolutions: what ten minutes on a CPU can learn from 50,000 small"
        " photos.",
        {
            "data": {"name": "cifar10"},
            "backbone": {"name": "conv_encoder"},
            "method": {"name": "simclr"},
            "budget": {"steps": 1000, "batch_size": 128, "evaluate_every": 250},
        },
        duration="about 10 minutes",
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
    "paper-fixmatch": Preset(
        "FixMatch as in its paper",
        "CIFAR-10, four labels per class, WRN-28-2 and a million steps. Here, as in all of these, a tenth of the"
        " images is held out for validation.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "few", "per_class": 4}},
            "backbone": _WRN_28_2,
            "method": {"name": "fixmatch", "threshold": 0.95, "unlabeled_weight": 1.0, "unlabeled_ratio": 7},
            "optimizer": _FIXMATCH_SGD,
            "budget": {"steps": 2**20, "batch_size": 64, "evaluate_every": 5000},
        },
        duration=_DAYS,
        gpu=True,
    ),
    "paper-pseudo-label": Preset(
        "Pseudo-labels as in FixMatch's comparison",
        "CIFAR-10, 400 labels per class, WRN-28-2. Lee's own paper trains a dense network on MNIST; this is the form in"
        " which others quote it.",
        {
            "data": {"name": "cifar10", "labels": {"kind": "few", "per_class": 400}},
            "backbone": _WRN_28_2,
            "method": {"name": "pseudo_label", "threshold": 0.95},
            "optimizer": _FIXMATCH_SGD,
            "budget": {"steps": 2**20, "batch_size": 64, "evaluate_every": 5000},
        },
        duration=_DAYS,
        gpu=True,
    ),
    "paper-simclr": Preset(
        "SimCLR as in its paper",
        "CIFAR-10 with the paper's loss, head and views, at the size that others repeat it in: ResNet-18, batches of"
        " 512, 200 passes, SGD with momentum. The paper has ResNet-50, batches from 256 to 4,096, up to 1,000 passes,"
        " and LARS.",
        {
            "data": {"name": "cifar10"},
            "backbone": {"name": "resnet18"},
            "method": {"name": "simclr", "temperature": 0.5, "hidden_size": 512, "projection_size": 128},
            "optimizer": {
                "name": "sgd",
                "lr": 0.24,
                "momentum": 0.9,
                "nesterov": False,
                "weight_decay": 0.0005,
                "warmup_steps": 0,
            },
            "budget": {"steps": 17_600, "batch_size": 512, "evaluate_every": 880},
        },
        duration=_DAYS,
        gpu=True,
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
        duration=_DAYS,
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
        duration=_DAYS,
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
        duration=_DAYS,
        gpu=True,
    ),
    "paper-vae-m2": Preset(
        "The M2 autoencoder as in its paper",
        "MNIST with 100 labels, one hidden layer of 500 and 50 latent dimensions, 3,000 passes. The paper's pixels are"
        " drawn black or white; here they are grey. Its best figures stack M2 on another autoencoder.",
        {
            "data": {"name": "mnist", "labels": {"kind": "few", "per_class": 10}},
            "method": {"name": "vae_m2", "alpha": 0.1, "latent": 50, "hidden": 500, "unlabeled_ratio": 50},
            "optimizer": {
                "name": "adam",
                "lr": 0.0003,
                "weight_decay": 0.0,
                "schedule": "constant",
                "warmup_steps": 0,
                "ema_decay": 0.0,
            },
            "budget": {"steps": 324_000, "batch_size": 10, "evaluate_every": 5400},
        },
        duration=_DAYS,
        gpu=True,
    ),
}

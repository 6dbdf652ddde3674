"""Presets of graphs, neighbors and generative models."""

from __future__ import annotations

from engine.presets.preset import DAYS, DIGITS, Preset

FEATURES_AND_PIXELS: dict[str, Preset] = {
    "digits-label-spreading": Preset(
        "Labels spread to similar images",
        "Label spreading connects each handwritten digit to those most like it, and lets two labels per class spread"
        " along these edges.",
        {"data": {"name": "digits"}, "method": {"name": "label_spreading"}},
        duration="about 2 s",
    ),
    "digits-knn": Preset(
        "The nearest labeled image",
        "Each digit gets the label of the labeled digits most like it, pixel by pixel: nothing is trained.",
        {"data": {"name": "digits"}, "method": {"name": "knn"}},
        duration="about 1 s",
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
            **DIGITS,
            "method": {"name": "vae_m2", "alpha": 10.0, "latent": 10, "hidden": 200, "unlabeled_ratio": 2},
        },
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
        duration=DAYS,
        gpu=True,
    ),
}

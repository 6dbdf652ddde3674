"""Presets: each a whole request; those of papers with the papers' own numbers."""

from __future__ import annotations

from typing import Any

import pytest

from engine.config.run_config import RunConfig
from engine.presets import PRESETS


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # Sohn et al. 2020, table 4 and appendix B.
        (
            "paper-fixmatch",
            {
                "method": {
                    "threshold": 0.95,
                    "unlabeled_weight": 1.0,
                    "unlabeled_ratio": 7,
                    "distribution_alignment": False,
                },
                "optimizer": {
                    "name": "sgd",
                    "lr": 0.03,
                    "momentum": 0.9,
                    "nesterov": True,
                    "weight_decay": 0.0005,
                    "schedule": "cosine",
                    "ema_decay": 0.999,
                },
                "budget": {"batch_size": 64, "steps": 1_048_576},
                "backbone": {"name": "wide_resnet", "depth": 28, "widen": 2},
            },
        ),
        # Xu et al. 2021: the authors' start_train.sh, where a pass has 1,024 steps.
        (
            "paper-dash",
            {
                "method": {"scale": 1.0001, "fall": 1.27, "least": 0.05, "temperature": 0.5, "unlabeled_ratio": 7},
                "optimizer": {"name": "sgd", "lr": 0.03, "weight_decay": 0.0005, "ema_decay": 0.999},
                "budget": {"batch_size": 64, "steps": 1_048_576},
            },
        ),
        # Chen et al. 2020, appendix B.9, but for the optimizer, which is lightly's for this network and batch: lr 0.06
        # for each 128 images.
        (
            "paper-simclr",
            {
                "method": {"temperature": 0.5, "projection_size": 128},
                "augment": {"simclr": {"area": 0.08, "strength": 0.5}},
                "optimizer": {"name": "sgd", "lr": 0.06 * 512 / 128, "weight_decay": 0.0005},
                "budget": {"batch_size": 512},
                "backbone": {"name": "resnet18"},
            },
        ),
        # Lv et al. 2020, section 5, with the learning rate and weight decay of the authors' CIFAR-10 command for their
        # ConvNet.
        (
            "paper-proden",
            {
                "data": {"labels": {"kind": "partial", "generator": "uniform", "rate": 0.1, "repair": True}},
                "augment": {"weak": {"translate": 0.0, "flip": "off", "rotate": 0.0}},
                "optimizer": {"name": "sgd", "lr": 0.01, "momentum": 0.9, "weight_decay": 0.001, "ema_decay": 0.0},
                "budget": {"batch_size": 256, "steps": 500 * 45_000 // 256 // 1000 * 1000 + 1000},
                "backbone": {"name": "convnet_12", "dropout": 0.25},
            },
        ),
        # Gidaris et al. 2018, the authors' configuration for CIFAR-10: rates drop after 60, 120 and 160 of 200 passes.
        (
            "cifar10-rotation",
            {
                "optimizer": {"name": "sgd", "lr": 0.1, "nesterov": True, "weight_decay": 0.0005},
                "budget": {"batch_size": 128, "steps": 200 * (45_000 // 128)},
                "backbone": {"name": "resnet18"},
            },
        ),
        # Chen & He 2021, appendix D.
        (
            "cifar10-simsiam",
            {
                "method": {"projection_size": 2048, "layers": 2},
                "augment": {"crop": {"area": 0.2, "blur": 0.0, "brightness": 0.4, "saturation": 0.4, "hue": 0.1}},
                "optimizer": {"name": "sgd", "lr": 0.03 * 512 / 256, "momentum": 0.9, "weight_decay": 0.0005},
                "budget": {"batch_size": 512, "steps": 800 * (45_000 // 512)},
                "backbone": {"name": "resnet18"},
            },
        ),
        # He et al. 2020, the authors' notebook for CIFAR-10.
        (
            "cifar10-moco",
            {
                "method": {"temperature": 0.1, "momentum": 0.99, "queue_size": 4096, "norm_groups": 8},
                "augment": {"crop": {"area": 0.08, "blur": 0.0, "brightness": 0.4, "saturation": 0.4, "hue": 0.1}},
                "optimizer": {"name": "sgd", "lr": 0.06, "momentum": 0.9, "weight_decay": 0.0005},
                "budget": {"batch_size": 512, "steps": 200 * (45_000 // 512)},
                "backbone": {"name": "resnet18"},
            },
        ),
        # Bardes et al. 2022, section 4: weights of the terms; their code has lr 0.3 for each 256 images at this batch.
        (
            "cifar10-vicreg",
            {
                "method": {"invariance": 25.0, "variance": 25.0, "covariance": 1.0, "projection_size": 2048},
                "optimizer": {"name": "lars", "lr": 0.3 * 512 / 256, "weight_decay": 1e-6},
                "budget": {"batch_size": 512, "steps": 1000 * (45_000 // 512)},
                "backbone": {"name": "resnet18"},
            },
        ),
        # IcarusWizard/MAE: lr 1.5e-4 for each 256 images, 200 of 2,000 passes of warm-up.
        (
            "cifar10-mae",
            {
                "method": {"masked": 0.75, "normalize_patches": False, "decoder_width": 192, "decoder_depth": 4},
                "augment": {"crop": {"name": "plain"}},
                "optimizer": {"name": "adamw", "lr": 1.5e-4 * 4096 / 256, "beta2": 0.95, "weight_decay": 0.05},
                "budget": {"batch_size": 4096, "steps": 2000 * (45_000 // 4096)},
                "backbone": {"name": "vit_tiny", "patch": 2, "width": 192, "depth": 12, "heads": 3},
            },
        ),
        # Wen et al. 2021: the best row of the authors' table of settings for CIFAR-10 at 0.1, and their generator.
        (
            "paper-lws",
            {
                "data": {"labels": {"kind": "partial", "generator": "uniform", "rate": 0.1, "repair": False}},
                "augment": {"weak": {"translate": 0.0, "flip": "off", "rotate": 0.0}},
                "method": {"leverage": 1.0, "loss": "sigmoid", "weights_from": "second_pass"},
                "optimizer": {"name": "sgd", "lr": 0.05, "momentum": 0.9, "weight_decay": 0.001, "ema_decay": 0.0},
                "budget": {"batch_size": 256, "steps": 250 * (45_000 // 256 + 1)},
                "backbone": {"name": "convnet_12"},
            },
        ),
        # Wang et al. 2022, section 4.1, and the authors' command for CIFAR-10 at 0.1.
        (
            "paper-pico",
            {
                "data": {"labels": {"kind": "partial", "generator": "uniform", "rate": 0.1, "repair": False}},
                "augment": {
                    "weak": {
                        "name": "crop_jitter",
                        "area": 0.2,
                        "brightness": 0.4,
                        "contrast": 0.4,
                        "saturation": 0.4,
                        "hue": 0.1,
                        "jitter": 0.8,
                        "grey": 0.2,
                        "blur": 0.0,
                    },
                    "strong": {"operations": 3, "magnitude": 5.0, "cutout": 0.0},
                },
                "method": {
                    "contrast_weight": 0.5,
                    "temperature": 0.07,
                    "inertia_start": 0.95,
                    "inertia_end": 0.8,
                    "queue_size": 8192,
                    "projection_size": 128,
                    "prototype_momentum": 0.99,
                    "key_momentum": 0.999,
                },
                "optimizer": {
                    "name": "sgd",
                    "lr": 0.01,
                    "momentum": 0.9,
                    "weight_decay": 0.001,
                    "schedule": {"name": "cosine_annealing", "floor": 0.001},
                },
                "budget": {"batch_size": 256, "steps": 800 * (45_000 // 256 + 1)},
                "backbone": {"name": "resnet18"},
            },
        ),
        # Kingma et al. 2014, section 4, and the authors' code: n_z 50, 500 hidden units, alpha 0.1 N, 3,000 passes. The
        # networks of M2 alone; minibatches as here, of a fixed share of labels.
        (
            "paper-vae-m2",
            {
                "data": {"name": "mnist", "labels": {"kind": "few", "per_class": 10}},
                "method": {"alpha": 0.1, "latent": 50, "hidden": 500},
                "optimizer": {"name": "adam", "lr": 0.0003, "weight_decay": 0.0},
                "budget": {"steps": 3000 * 54_000 // 500},
            },
        ),
    ],
)
def test_a_papers_preset_has_the_papers_numbers(name: str, expected: dict[str, Any]) -> None:
    config = RunConfig.parse(PRESETS[name].config).model_dump(mode="json")
    assert PRESETS[name].gpu

    def within(part: dict[str, Any], whole: dict[str, Any], where: str) -> None:
        for key, value in part.items():
            if isinstance(value, dict):
                within(value, whole[key], f"{where}.{key}")
            else:
                assert whole[key] == pytest.approx(value) if isinstance(value, float) else whole[key] == value, (
                    f"{where}.{key}"
                )

    within(expected, config, name)


def test_the_start_page_has_one_preset_for_each_kind_of_labels() -> None:
    situation = {
        preset.situation: RunConfig.parse(preset.config).data.labels.kind
        for preset in PRESETS.values()
        if preset.situation
    }
    assert situation == {"few": "few", "none": "none", "partial": "partial"}


@pytest.mark.parametrize("name", ["photos-fine-tune", "photos-fixmatch"])
def test_presets_that_train_a_pretrained_network_stay_near_to_it_and_take_what_labels_there_are(name: str) -> None:
    config = RunConfig.parse(PRESETS[name].config)
    assert (config.backbone.name, config.backbone.init) == ("efficientnet_lite", "pretrained")
    assert config.optimizer.lr <= 0.001
    assert config.data.labels.model_dump() == {"kind": "few", "per_class": 10, "at_most": True}
    weak = config.augment["weak"].model_dump()
    # Photos may be mirrored and cut; black, grey or blurred ones are for networks that begin with nothing.
    assert (weak["name"], weak["flip"], weak["grey"], weak["blur"]) == ("crop_jitter", "auto", 0.0, 0.0)
    if "strong" in config.augment:
        assert config.augment["strong"].model_dump()["policy"] == "randaugment"

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

"""Presets of methods that learn features without labels."""

from __future__ import annotations

from typing import Any

from engine.presets.preset import DAYS, Preset

# CIFAR-10 without labels as others repeat it: 200 passes in batches of 512 (lightly's benchmark: a rate of 0.06 for
# each 128 images). A tenth of the images is held out for validation, as everywhere.
_SMALL_PHOTOS: dict[str, Any] = {"data": {"name": "cifar10"}, "backbone": {"name": "resnet18"}}
_CIFAR_SGD: dict[str, Any] = {
    "name": "sgd",
    "lr": 0.24,
    "momentum": 0.9,
    "nesterov": False,
    "weight_decay": 0.0005,
    "schedule": "cosine_annealing",
    "warmup_steps": 0,
    "ema_decay": 0.0,
}
_200_PASSES: dict[str, Any] = {"steps": 17_400, "batch_size": 512, "evaluate_every": 870}
_NOT_BLURRED: dict[str, Any] = {"first": {"blur": 0.0}, "second": {"blur": 0.0}}

SELF_SUPERVISED: dict[str, Preset] = {
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
    "digits-rotation": Preset(
        "No labels: rotations",
        "RotNet tells by how many quarter turns each handwritten digit was rotated. Its last features know rotations"
        " better than digits: they stay behind raw pixels here.",
        {
            "data": {"name": "digits"},
            "method": {"name": "rotation"},
            "budget": {"steps": 1600, "batch_size": 32, "evaluate_every": 100},
        },
        duration="about half a minute",
    ),
    "digits-jigsaw": Preset(
        "No labels: puzzles",
        "Jigsaw puts the shuffled tiles of each handwritten digit back in order. Its features know strokes better than"
        " digits: they stay behind raw pixels here.",
        {
            "data": {"name": "digits"},
            "method": {"name": "jigsaw"},
            "budget": {"steps": 1000, "batch_size": 64, "evaluate_every": 100},
        },
        duration="about half a minute",
    ),
    "digits-byol": Preset(
        "No labels, no negatives",
        "BYOL learns features of handwritten digits by predicting what a slow copy of the network makes of another"
        " view.",
        {
            "data": {"name": "digits"},
            "method": {"name": "byol"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-simsiam": Preset(
        "No labels, one network",
        "SimSiam learns features of handwritten digits from pairs of views, with one network and a stopped gradient.",
        {
            "data": {"name": "digits"},
            "method": {"name": "simsiam"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-barlow-twins": Preset(
        "No labels: no dimension twice",
        "Barlow Twins learns features of handwritten digits whose dimensions agree over views and are not correlated.",
        {
            "data": {"name": "digits"},
            "method": {"name": "barlow_twins"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-vicreg": Preset(
        "No labels: three plain terms",
        "VICReg learns features of handwritten digits that are alike for two views, varied and not correlated.",
        {
            "data": {"name": "digits"},
            "method": {"name": "vicreg"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-moco": Preset(
        "No labels, a queue of negatives",
        "MoCo learns features of handwritten digits by finding each view's other one among a queue of earlier images.",
        {
            "data": {"name": "digits"},
            # A queue of all images would hold an earlier key of each as its own negative.
            "method": {"name": "moco", "temperature": 0.5, "queue_size": 512},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-dino": Preset(
        "No labels: teacher and student",
        "DINO learns features of handwritten digits by predicting which prototypes a slow teacher sees in another"
        " view. So small a set and network are not what it is made for: about level with raw pixels.",
        {
            "data": {"name": "digits"},
            "method": {"name": "dino"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-swav": Preset(
        "No labels: swapped clusters",
        "SwAV learns features of handwritten digits by predicting the cluster of one view from another, with all"
        " clusters of one size.",
        {
            "data": {"name": "digits"},
            # At the usual rate, or with the paper's stronger colors, all images end with even codes: a loss of ln K.
            "augment": {"crop": {"brightness": 0.4, "contrast": 0.4}},
            "method": {"name": "swav", "prototypes": 30, "epsilon": 0.03, "frozen_epochs": 20},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about a minute",
    ),
    "digits-mae": Preset(
        "No labels: hidden patches",
        "MAE reconstructs hidden patches of handwritten digits with a small Transformer. Probes of its features stay"
        " behind raw pixels: they are made to be trained further.",
        {
            "data": {"name": "digits"},
            "method": {"name": "mae"},
            "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100},
        },
        duration="about two minutes",
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
    "cifar10-rotation": Preset(
        "Photos without labels: rotations",
        "RotNet on CIFAR-10 with the paper's optimizer, batches and 200 passes. The paper's network has four blocks of"
        " convolutions, and its best features are those of the second; here it is ResNet-18.",
        {
            **_SMALL_PHOTOS,
            "method": {"name": "rotation"},
            "optimizer": {
                **_CIFAR_SGD,
                "lr": 0.1,
                "nesterov": True,
                "schedule": "step_decay",  # to a fifth after 60, 120 and 160 passes
            },
            "budget": {"steps": 70_200, "batch_size": 128, "evaluate_every": 1755},
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-byol": Preset(
        "Photos without labels: BYOL",
        "BYOL on CIFAR-10 at the size that lightly repeats it in: ResNet-18, 200 passes, SGD in place of LARS, heads of"
        " 1,024 and 256. The target's momentum rises to 1, as in the paper, where lightly keeps it.",
        {
            **_SMALL_PHOTOS,
            "augment": _NOT_BLURRED,
            "method": {"name": "byol", "momentum": 0.99, "hidden_size": 1024, "projection_size": 256},
            "optimizer": _CIFAR_SGD,
            "budget": _200_PASSES,
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-simsiam": Preset(
        "Photos without labels: SimSiam",
        "SimSiam on CIFAR-10 as in its paper's appendix D: ResNet-18, 800 passes in batches of 512, two layers of"
        " 2,048, no blur.",
        {
            **_SMALL_PHOTOS,
            "augment": {"crop": {"blur": 0.0}},
            "method": {"name": "simsiam", "projection_size": 2048, "layers": 2, "bottleneck_size": 512},
            "optimizer": {**_CIFAR_SGD, "lr": 0.06},
            "budget": {**_200_PASSES, "steps": 69_600, "evaluate_every": 1740},
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-barlow-twins": Preset(
        "Photos without labels: Barlow Twins",
        "Barlow Twins on CIFAR-10 at the size that lightly repeats it in: ResNet-18, 200 passes, SGD in place of LARS,"
        " 2,048 dimensions. The head has the paper's three layers, where lightly has two.",
        {
            **_SMALL_PHOTOS,
            "augment": _NOT_BLURRED,
            "method": {"name": "barlow_twins", "redundancy": 0.005, "projection_size": 2048},
            "optimizer": _CIFAR_SGD,
            "budget": _200_PASSES,
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-vicreg": Preset(
        "Photos without labels: VICReg",
        "VICReg on CIFAR-10 with the weights of its paper, LARS at the rate that its code has for batches of 512, and"
        " the expander of 2,048 that others take for these images; 1,000 passes.",
        {
            **_SMALL_PHOTOS,
            "augment": _NOT_BLURRED,
            "method": {"name": "vicreg", "projection_size": 2048},
            "optimizer": {
                "name": "lars",
                "lr": 0.6,
                "weight_decay": 0.000001,
                "schedule": {"name": "cosine_annealing", "floor": 0.001},
                "warmup_steps": 870,
                "ema_decay": 0.0,
            },
            "budget": {**_200_PASSES, "steps": 87_000, "evaluate_every": 1740},
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-moco": Preset(
        "Photos without labels: MoCo",
        "MoCo on CIFAR-10 as in its authors' notebook: ResNet-18, 200 passes in batches of 512, 4,096 keys, batch norm"
        " in eight groups. The head is version 2's, where the notebook has one layer.",
        {
            **_SMALL_PHOTOS,
            "augment": {"crop": {"area": 0.08, "blur": 0.0}},
            "method": {
                "name": "moco",
                "temperature": 0.1,
                "momentum": 0.99,
                "queue_size": 4096,
                "hidden_size": 512,
                "projection_size": 128,
                "norm_groups": 8,
            },
            "optimizer": {**_CIFAR_SGD, "lr": 0.06},
            "budget": _200_PASSES,
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-dino": Preset(
        "Photos without labels: DINO",
        "DINO on CIFAR-10 at the size that lightly repeats it in: ResNet-18, 200 passes, SGD, 2,048 prototypes, no"
        " local views. The head has three layers without batch norm, where lightly has two with it.",
        {
            **_SMALL_PHOTOS,
            "augment": {"first": {"area": 0.08, "blur": 0.0}, "second": {"area": 0.08, "blur": 0.0}},
            "method": {
                "name": "dino",
                "prototypes": 2048,
                "teacher_temperature": 0.04,
                "momentum": 0.99,
                "hidden_size": 2048,
                "bottleneck_size": 256,
            },
            "optimizer": _CIFAR_SGD,
            "budget": _200_PASSES,
        },
        duration=DAYS,
        gpu=True,
    ),
    "cifar10-mae": Preset(
        "Photos without labels: MAE",
        "MAE on CIFAR-10 as IcarusWizard/MAE repeats it: ViT-Tiny with patches of 2, four decoder blocks of 192, whole"
        " images, raw pixels, 2,000 passes in batches of 4,096. What it learns shows when it is trained further, not in"
        " the probes.",
        {
            "data": {"name": "cifar10"},
            "backbone": {"name": "vit_tiny", "patch": 2, "width": 192, "depth": 12, "positions": "learned"},
            "augment": {"crop": {"name": "plain"}},
            "method": {"name": "mae", "masked": 0.75, "decoder_width": 192, "decoder_depth": 4},
            "optimizer": {
                "name": "adamw",
                "lr": 0.0024,
                "weight_decay": 0.05,
                "beta2": 0.95,
                "schedule": "cosine_annealing",
                "warmup_steps": 2000,
                "ema_decay": 0.0,
            },
            "budget": {"steps": 20_000, "batch_size": 4096, "evaluate_every": 500},
        },
        duration=DAYS,
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
        duration=DAYS,
        gpu=True,
    ),
}

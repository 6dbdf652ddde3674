"""What a preset is, and what several of them share."""

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
DIGITS: dict[str, Any] = {"data": {"name": "digits"}, "budget": {"steps": 1000, "evaluate_every": 50}}

PHOTO_NETWORK: dict[str, Any] = {"name": "efficientnet_lite", "init": "pretrained"}
"""The config's part of the network that has seen a million photos: presets, labeling and checks look with it."""

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
TIMED, TIMED_SECONDS = "digits-fixmatch", 15.0
"""The preset by which the presets' durations are compared with those of another machine."""

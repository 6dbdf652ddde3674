"""Presets: RunConfigs by name, the same on the Start page and the command line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Preset:
    """config holds only what differs from the defaults and recommendations. on_start: an answer to "What do you have?" on the Start page. takes: roughly, on two cores."""

    title: str
    summary: str
    config: dict[str, Any]
    on_start: bool = False
    takes: str = "about 15 s"


# Chosen on validation pictures of other seeds than those in docs/RESULTS.md: at this size of picture, more steps of fewer unlabeled ones
# make a hard draw of labels less often end in two classes taken for one.
_DIGITS: dict[str, Any] = {"data": {"name": "digits"}, "budget": {"steps": 1000, "evaluate_every": 50}}

PRESETS: dict[str, Preset] = {
    "digits-fixmatch": Preset(
        "Few labels, many pictures",
        "FixMatch with distribution alignment reads 1,797 handwritten digits with two labels per class.",
        {**_DIGITS, "method": {"name": "fixmatch", "threshold": 0.9, "unlabeled_ratio": 2, "distribution_alignment": True}},
        on_start=True,
    ),
    "digits-supervised": Preset(
        "The labels alone",
        "The same network and the same 20 labels, without the unlabeled pictures: the baseline to beat.",
        {**_DIGITS, "method": {"name": "supervised"}},
        takes="about 5 s",
    ),
    "noise-fixmatch": Preset(
        "The honesty check",
        "FixMatch on random pictures with random labels: nothing can be learned, so it must stay at 10 %.",
        {"data": {"name": "noise"}, "method": {"name": "fixmatch"}, "budget": {"steps": 200, "evaluate_every": 20}},
    ),
    "noise-supervised": Preset(
        "The honesty check, labels only",
        "The same network on random pictures with random labels.",
        {"data": {"name": "noise"}, "method": {"name": "supervised"}, "budget": {"steps": 200, "evaluate_every": 20}},
    ),
    "digits-pseudo-label": Preset(
        "Pseudo-labels",
        "The network's own confident answers become labels, without strong views.",
        {**_DIGITS, "method": {"name": "pseudo_label"}},
    ),
    "digits-simclr": Preset(
        "No labels",
        "SimCLR learns features of handwritten digits from the pictures alone; probes show what one label per class is then worth.",
        {"data": {"name": "digits"}, "method": {"name": "simclr"}, "budget": {"steps": 1600, "batch_size": 128, "evaluate_every": 100}},
        on_start=True,
        takes="about half a minute",
    ),
    "digits-proden": Preset(
        "Several possible labels each",
        "PRODEN finds the true label of each handwritten digit among several candidates, while it learns to read them.",
        {"data": {"name": "digits", "labels": {"kind": "partial", "rate": 0.7}}, "method": {"name": "proden"}, "budget": {"steps": 2000, "batch_size": 64, "evaluate_every": 100}},
        on_start=True,
        takes="about 20 s",
    ),
    "digits-label-spreading": Preset(
        "Labels flow to similar pictures",
        "Label spreading joins each handwritten digit to those that look most like it, and lets two labels per class flow along these ties.",
        {"data": {"name": "digits"}, "method": {"name": "label_spreading"}},
        takes="about 2 s",
    ),
    "shapes-fixmatch": Preset(
        "Colored shapes",
        "FixMatch on drawn pictures: six shapes in any color over clutter, four labels per class.",
        {
            "data": {"name": "shapes", "labels": {"kind": "few", "per_class": 4}},
            "method": {"name": "fixmatch"},
            "budget": {"steps": 1000, "evaluate_every": 50},
        },
    ),
}

"""Experiments: a question, the runs that answer it side by side, what to expect of them and where to look."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, NamedTuple


class Variation(NamedTuple):
    """One run of an experiment: a preset by its name, with settings changed by dotted keys."""

    name: str
    preset: str
    changes: dict[str, Any] = {}


@dataclass(frozen=True)
class Experiment:
    """expected: what its runs came to, with the spread of seeds, or that there is none yet. look: where to see why."""

    title: str
    question: str
    variations: tuple[Variation, ...]
    expected: str
    look: str
    duration: str


_SHORT_SIMCLR: dict[str, Any] = {"budget.steps": 400, "budget.evaluate_every": 50}
_ONE_LABEL: dict[str, Any] = {"data.labels.per_class": 1}

EXPERIMENTS: dict[str, Experiment] = {
    "confirmation-bias": Experiment(
        "Confirmation bias",
        "A network labels images for itself. What happens if it believes itself too easily?",
        (
            Variation("τ 0.50", "digits-pseudo-label", {**_ONE_LABEL, "method.threshold": 0.5}),
            Variation("τ 0.95", "digits-pseudo-label", {**_ONE_LABEL, "method.threshold": 0.95}),
            Variation("labels only", "digits-supervised", _ONE_LABEL),
        ),
        expected="80.3 % with τ 0.50 (77.4 to 84.1 over five initializations, the same ten labels), 86.2 with 0.95"
        " (83.0 to 92.5), 68.4 from labels only (61.8 to 73.5).",
        look="On Pseudo-labels, slide through the evaluations of the low threshold: the share above it is large from"
        " the start, wrong ones among it, and what is wrong early stays wrong with ever more confidence. On Errors, its"
        " confusion matrix shows one class predicted as another as a whole.",
        duration="about 45 s",
    ),
    "nt-xent": Experiment(
        "A loss that looks fine and learns nothing",
        "NT-Xent is often copied with two masks exchanged. The loss then falls to nearly 0. What has been learned?",
        (
            Variation("NT-Xent", "digits-simclr", _SHORT_SIMCLR),
            Variation("masks exchanged", "digits-simclr", {**_SHORT_SIMCLR, "method.loss": "swapped_masks"}),
        ),
        expected="neighbors with one label per class at 84.4 % for NT-Xent (83.3 to 85.0 over three seeds) and 22.1 %"
        " for the other (19.2 to 25.4), whose loss ends at 0.0004; a probe of all labels has 98.1 and 92.3 %.",
        look="The loss with exchanged masks is the lower one: it only asks all images to be alike, and they become so."
        " Compare the accuracy of the neighbors with one label per class, and the embedding's spread on Train, which"
        " falls to 0; on Space, the map of NT-Xent has groups and that of the other has none.",
        duration="about a minute",
    ),
    "collapse": Experiment(
        "A collapse that all labels nearly hide",
        "SimSiam without its stopped gradient gets the better loss. Are its features better?",
        (
            Variation("stopped gradient", "digits-simsiam", _SHORT_SIMCLR),
            Variation("none", "digits-simsiam", {**_SHORT_SIMCLR, "method.stop_gradient": False}),
        ),
        expected="a loss of -0.89 without it and -0.72 with it, yet neighbors with one label per class at 24.7 %"
        " (22.5 to 25.9 over three seeds) against 62.7 (57.4 to 72.3). A probe of all labels has 83.6 and 96.8 %.",
        look="A linear probe of all labels hides most of it: it finds the little that is left in features that have"
        " nearly become one direction. The embedding's rank on Train and the neighbors with one label per class tell."
        " Judge features by few labels, and beside raw pixels and initial weights.",
        duration="about a minute",
    ),
    "noise": Experiment(
        "Nothing can be learned from noise",
        "6,000 random images with random labels, 1,000 of them given. Do pseudo-labels find what is not there?",
        (
            Variation("pseudo-labels", "noise-pseudo-label"),
            Variation("labels only", "noise-pseudo-label", {"method.name": "supervised"}),
        ),
        expected="10.0 % from pseudo-labels in each of three seeds, 9.1 to 10.1 % from labels only: chance.",
        look="The losses fall while the test accuracy stays where guessing is. On Pseudo-labels, one class after the"
        " other disappears from the predictions, and those that are left are right one time in ten.",
        duration="about 20 s",
    ),
    "simclr-photos": Experiment(
        "Features of photos without a label",
        "SimCLR on CIFAR-10 with an encoder of 64, 128 and 256 channels: does it see more than its initial weights do?",
        (Variation("SimCLR", "cifar10-simclr"),),
        expected="a linear probe of 45,000 labels at 56.5 %, where its initial weights have 50.4 and raw pixels 41.2"
        " (one seed).",
        look="The final metrics on Train stand beside pixels and initial weights; on Space, t-SNE of the features"
        " beside that of the first evaluation.",
        duration="about 12 minutes",
    ),
    "transfer": Experiment(
        "Photos of your own on an ImageNet network",
        "A folder of photos and ten labels per class: are its own pseudo-labels worth having?",
        (
            Variation("with pseudo-labels", "photos-pseudo-label"),
            Variation("labels only", "photos-fine-tune"),
            Variation("frozen features", "photos-probe"),
        ),
        expected="66.5 % on TrashNet from frozen features (62.4 to 70.3 over three seeds); the others are"
        " not yet measured.",
        look="Errors shows which classes are confused, and Predict answers a new photo.",
        duration="a few minutes each",
    ),
    "candidates": Experiment(
        "Several possible labels each",
        "Each photo of CIFAR-10 or CIFAR-100 comes with its true class and some wrong ones. Which one is meant?",
        (
            Variation("CIFAR-10", "cifar10-proden"),
            Variation("CIFAR-10, ConvNet", "paper-proden"),
            Variation("CIFAR-100, ResNet-18", "cifar100-proden"),
        ),
        expected="not yet run at this size; on digits PRODEN is within a point of the true labels up to a rate of 0.7.",
        look="Candidates shows each image's weights through the evaluations, the images that were misled, and what"
        " another rate would give. Then show the model a photo of a ship on Predict.",
        duration="about 10 minutes for the first, the others are made for a GPU",
    ),
    "fixmatch-photos": Experiment(
        "FixMatch as its paper measured it",
        "250 labels of CIFAR-10, 2,500 of CIFAR-100, 250 of SVHN: how close does it come to all labels?",
        (
            Variation("CIFAR-10", "cifar10-fixmatch"),
            Variation("CIFAR-100", "cifar100-fixmatch"),
            Variation("SVHN", "svhn-fixmatch"),
            Variation("FER-2013", "fer2013-fixmatch"),
        ),
        expected="errors of 5.07 ± 0.65 %, 28.29 ± 0.11 % and 2.48 ± 0.38 % are the paper's (table 2, RandAugment); not"
        " yet run here, and FER-2013 is not in it.",
        look="The mask rate rises while the pseudo-labels stay right. With faces, see on Errors which expressions are"
        " confused, and show a face to Predict.",
        duration="hours on a GPU",
    ),
}


def run_name(experiment: Experiment, variation: Variation) -> str:
    """What its run is called: "Title: variation"."""
    return f"{experiment.title}: {variation.name}"


def experiment_of(names: Collection[str]) -> Experiment | None:
    """The experiment that runs of these names belong to, all of them; None if there is no such one."""
    for experiment in EXPERIMENTS.values():
        own = {run_name(experiment, variation) for variation in experiment.variations}
        if names and own.issuperset(names):
            return experiment
    return None

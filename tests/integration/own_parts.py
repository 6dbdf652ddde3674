"""One file of each kind as a person would add it, written into a copy of FewLab by test_one_file.py: source texts, so
that nothing of them is registered anywhere else.
"""

from __future__ import annotations

METHOD = '''"""own_method: pseudo-labels where two views agree; everything that a method can declare of itself."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View
from engine.methods.base.classifier_method import ClassifierMethod
from engine.methods.base.context import StepContext
from engine.methods.base.method import StepResult
from engine.metrics import Metric
from engine.registry import methods


@methods.register
class OwnMethod(ClassifierMethod):
    class Params(MethodParams):
        name: Literal["own_method"] = "own_method"
        cutoff: float = param(
            0.6, ge=0, le=1, symbol="c", live=True, role="confidence_threshold", help="Believed from here on."
        )
        softness: float = param(0.2, ge=0, le=1, symbol="s", live=True, help="How much every class is believed in.")

    title = "A method of one file"
    summary = "Pseudo-labels where two views agree."
    idea = "Two looks at one image should say the same."
    formula = r"L = H(y_s, p) + H(q, p)"
    paper = "none"
    metrics = (Metric("toy/agreement", "Agreement of two views", "Share of images.", chart="value"),)
    headline = ("test/accuracy", "toy/agreement")
    views_caption = "What its two eyes saw"
    view_titles = {"left_eye": "Left eye"}

    def streams(self) -> dict[str, Stream]:
        size = self.problem.batch_size
        return {
            "labeled": Stream("labeled", size, {"weak": View("weak")}),
            "unlabeled": Stream("unlabeled", size, {"weak": View("weak", 2)}),
        }

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits, left, right = self.classifier.logits(labeled.weak, *unlabeled.weak)
        confidence, labels = left.detach().softmax(1).max(1)
        used = (confidence >= self.params.cutoff).float()
        loss_x = F.cross_entropy(logits, labeled.known_labels, label_smoothing=self.params.softness)
        loss = loss_x + (F.cross_entropy(right, labels, reduction="none") * used).mean()
        probabilities = left.detach().softmax(1)
        scalars = {
            "loss/labeled": loss_x.detach(),
            "toy/agreement": (right.argmax(1) == labels).float().mean(),
            "toy/mean_entropy": -(probabilities * probabilities.clamp_min(1e-9).log()).sum(1).mean(),
        }
        threshold = confidence.new_full(confidence.shape, self.params.cutoff)
        return StepResult(loss, scalars, PseudoLabels(unlabeled.ids, labels, confidence, used, threshold))

    def show(self, batch: Batch) -> dict[str, Tensor]:
        left, right = batch["unlabeled"].weak
        return {"left_eye": left, "right_eye": right}
'''

DATASET = '''"""own_dataset: two classes of stripes."""

from __future__ import annotations

from typing import Literal

import numpy as np

from engine.config.parts import DataParams
from engine.config.settings import param
from engine.data.image_set import DataSource, ImageSet
from engine.registry import datasets


@datasets.register
class OwnDataset(DataSource):
    class Params(DataParams):
        name: Literal["own_dataset"] = "own_dataset"
        contrast: int = param(100, ge=1, le=150, help="How much brighter a stripe is.")

    title = "A data set of one file"
    summary = "80 images of stripes."
    params: Params

    def load(self) -> ImageSet:
        rng = np.random.default_rng(0)
        labels = np.arange(80, dtype=np.int64) % 2
        images = rng.integers(0, 100, (80, 1, 8, 8))
        images[labels == 0, :, ::2] += self.params.contrast
        images[labels == 1, :, :, ::2] += self.params.contrast
        ids = np.arange(80, dtype=np.int64)
        return ImageSet("own_dataset", images.astype(np.uint8), labels, ids, ids >= 60, ("lying", "standing"))
'''

RECIPE = '''"""own_recipe: the image, darker or brighter."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Generator, Tensor

from engine.augment.recipes.recipe import Recipe
from engine.config.parts import RecipeParams
from engine.config.settings import param
from engine.registry import recipes


@recipes.register
class OwnRecipe(Recipe):
    """Every image by a factor of its own."""

    class Params(RecipeParams):
        name: Literal["own_recipe"] = "own_recipe"
        darkest: float = param(0.5, ge=0, le=1, help="Smallest factor of the brightness.")

    params: Params

    def __call__(self, images: Tensor, generator: Generator) -> Tensor:
        drawn = torch.rand(len(images), generator=generator).to(images.device)
        return images / 255 * (self.params.darkest + (1 - self.params.darkest) * drawn)[:, None, None, None]
'''

BACKBONE = '''"""own_backbone: means of rows and columns, and a linear layer."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.registry import backbones


@backbones.register
class OwnBackbone(Backbone):
    class Params(BackboneParams):
        name: Literal["own_backbone"] = "own_backbone"
        output: int = param(16, ge=1, le=64, help="Features.")

    title = "A backbone of one file"
    summary = "Means of rows and columns."

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.linear = nn.Linear(2 * channels * size, params.output)
        self.feature_size = params.output

    def features(self, images: Tensor) -> Tensor:
        features: Tensor = self.linear(torch.cat((images.mean(2), images.mean(3)), 2).flatten(1))
        return features

    def stages(self) -> list[nn.Module]:
        return [self.linear]
'''

OPTIMIZER = '''"""own_optimizer: torch's RMSprop."""

from __future__ import annotations

from typing import Any, Literal

import torch

from engine.config.parts import OptimizerParams
from engine.config.settings import param
from engine.optimizers.optimizer import Optimizer
from engine.registry import optimizers


@optimizers.register
class OwnOptimizer(Optimizer):
    class Params(OptimizerParams):
        name: Literal["own_optimizer"] = "own_optimizer"
        lr: float = param(0.01, gt=0, le=10, symbol="η", live=True, help="Learning rate at the start of the schedule.")
        smoothing: float = param(0.99, ge=0, lt=1, help="Decay of the squared gradient.")

    @staticmethod
    def make(groups: list[dict[str, Any]], params: Params) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(groups, lr=params.lr, alpha=params.smoothing)
'''

FILES = {
    "engine/methods/own_family/own_method.py": METHOD,
    "engine/methods/own_family/__init__.py": '"""A family of its own."""\n',
    "engine/data/sets/own_dataset.py": DATASET,
    "engine/augment/recipes/own_recipe.py": RECIPE,
    "engine/backbones/own_backbone.py": BACKBONE,
    "engine/optimizers/own_optimizer.py": OPTIMIZER,
}

"""vae_m2: a generative model of images with the class as one of its causes."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, PseudoLabels, Stream, View, shown_batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import GradientMethod, StepResult
from engine.methods.parts.draws import normal
from engine.methods.parts.networks import Head
from engine.metrics import Metric
from engine.registry import methods
from engine.to_device import to_device


class ClassInference(nn.Module):
    """q(y|x): images [B, C, H, W] to (features [B, D], logits [B, K]) by layers of its own on normalized pixels."""

    def __init__(self, backbone: Backbone, hidden: int, classes: int) -> None:
        super().__init__()
        self.backbone = backbone
        self.hidden = Head(nn.Linear(backbone.feature_size, hidden), nn.Softplus())
        self.head = nn.Linear(hidden, classes)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        features = self.hidden(self.backbone(images))
        return features, self.head(features)


@methods.register
class VAEM2(GradientMethod):
    """M2, the semi-supervised variational autoencoder (Kingma et al. 2014, arXiv:1406.5298, equations 6 to 9).

    An image x has a class y and a latent z, its style. q(z|x, y) and p(x|y, z), with Bernoulli pixels, are networks of
    one hidden layer with softplus, as q(y|x) is, which answers. Of an unlabeled image the bound sums over all classes,
    with z drawn anew for each. The objective is the paper's J^α divided by the number of images N: labeled and
    unlabeled terms have the weights n_l/N and n_u/N, whatever batches they come in, and q(y|x) learns from labels
    through α alone. Reconstructions are summed over pixels. The paper's best results stack this on features of another
    autoencoder (M1 + M2). Pixels are read as they are by the generative part, normalized by q(y|x).
    """

    class Params(MethodParams):
        name: Literal["vae_m2"] = "vae_m2"
        alpha: float = param(
            0.1,
            ge=0,
            le=1000,
            symbol="α",
            live=True,
            help="Weight of the labels' own loss for q(y|x), for each image: the paper's α is 0.1 N in all.",
        )
        latent: int = param(50, ge=1, le=1024, symbol="z", help="Latent dimensions, the style of an image.")
        hidden: int = param(500, ge=1, le=8192, help="Width of the hidden layer of each network.")
        unlabeled_ratio: int = param(
            4, ge=1, le=64, symbol="μ", help="Unlabeled images in a step for each labeled one."
        )

    title = "VAE (M2)"
    summary = "Learns to draw the images from a class and a style; classes are what explains unlabeled images best."
    idea = (
        "Describe each image by its class and a style, well enough to draw it again. For an unlabeled image weigh all"
        " classes by how well each explains it."
    )
    formula = (
        r"-\mathcal{L}(x, y) = E_{q(z|x,y)}[\log p(x|y,z)] + \log p(y) - KL(q(z|x,y) \Vert p(z)), \quad"
        r" -\mathcal{U}(x) = \sum_y q(y|x)(-\mathcal{L}(x, y)) + H(q(y|x)), \quad J^\alpha = \sum_l \mathcal{L} +"
        r" \sum_u \mathcal{U} - \alpha \sum_l \log q(y|x)"
    )
    paper = "Kingma et al. 2014, arXiv:1406.5298"
    backbones: ClassVar[set[str] | None] = set()
    views: ClassVar[dict[str, dict[str, Any]]] = {"plain": {"name": "plain"}}
    recommended: ClassVar[dict[str, Any]] = {
        "optimizer": {"name": "adam", "lr": 0.001, "weight_decay": 0.0},
    }
    headline = ("test/accuracy", "validation/accuracy", "vae/reconstruction")
    metrics = (
        Metric(
            "loss/bound",
            "Negative evidence bound",
            "Of labeled and unlabeled images together, per image: nats that describing one costs.",
            unit="nats",
            better="lower",
            chart="value",
        ),
        Metric(
            "vae/reconstruction",
            "Reconstruction",
            "Part of the bound that the pixels cost, once class and style are known; of labeled images.",
            unit="nats",
            better="lower",
            chart="value",
        ),
        Metric(
            "vae/divergence",
            "Divergence of the style",
            "Part of the bound that the style costs: near 0, it carries nothing.",
            unit="nats",
            better=None,
            chart="value",
            compare=False,
        ),
    )
    views_caption = "Images, how the model draws them again, and one that it makes up of each class in turn"
    view_titles: ClassVar[dict[str, str]] = {
        "plain": "image",
        "reconstruction": "drawn again",
        "sample": "made up",
    }
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        pixels, hidden = problem.channels * problem.size**2, params.hidden
        self.classifier = ClassInference(backbone, hidden, problem.classes)
        self.encoder = _two_layers(pixels + problem.classes, hidden, 2 * params.latent)
        self.decoder = _two_layers(params.latent + problem.classes, hidden, pixels)

    def served(self) -> nn.Module:
        return self.classifier

    def streams(self) -> dict[str, Stream]:
        size, plain = self.problem.batch_size, {"plain": View("plain")}
        streams = {"labeled": Stream("labeled", size, plain)}
        if self.problem.counts["unlabeled_only"]:
            streams["unlabeled"] = Stream("unlabeled_only", size * self.params.unlabeled_ratio, plain)
        return streams

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch.get("unlabeled")
        classes, counts = self.problem.classes, self.problem.counts
        # q(y|x) has no batch norm: two passes are what one would be.
        logits_x = self.classifier(labeled.plain)[1]
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        codes = F.one_hot(labeled.known_labels, classes).float()
        cost, divergence = self.costs(labeled.plain.flatten(1), codes, now.rng("labeled"))
        bound = _elbo(cost, divergence, classes).mean()
        believed = None
        if unlabeled is not None:
            logits_u = self.classifier(unlabeled.plain)[1]
            of_labeled = counts["labeled"] / (counts["labeled"] + counts["unlabeled_only"])
            elbos = self.elbo_of_each_class(unlabeled.plain.flatten(1), now.rng("unlabeled"))
            bound = of_labeled * bound + (1 - of_labeled) * unlabeled_bound(logits_u, elbos).mean()
            confidence, labels = logits_u.detach().softmax(1).max(1)
            believed = PseudoLabels(unlabeled.ids, labels, confidence, torch.ones_like(confidence))
        scalars = {
            "loss/labeled": loss_x.detach(),
            "loss/bound": -bound.detach(),
            "vae/reconstruction": cost.detach().mean(),
            "vae/divergence": divergence.detach().mean(),
        }
        return StepResult(-bound + self.params.alpha * loss_x, scalars, believed)

    def costs(self, pixels: Tensor, codes: Tensor, chance: torch.Generator) -> tuple[Tensor, Tensor]:
        """-log p(x|y, z) with one z drawn from q(z|x, y), summed over pixels, and KL(q(z|x, y) || N(0, 1)): [N] each,
        in nats. pixels: [N, C·H·W] in [0, 1]. codes: one-hot [N, K].
        """
        mean, log_variance = self.encoder(torch.cat((pixels, codes), 1)).chunk(2, 1)
        z = mean + (log_variance / 2).exp() * normal(mean, chance)
        drawn = self.decoder(torch.cat((z, codes), 1))
        cost = F.binary_cross_entropy_with_logits(drawn, pixels, reduction="none").sum(1)
        return cost, gaussian_divergence(mean, log_variance)

    def elbo_of_each_class(self, pixels: Tensor, chance: torch.Generator) -> Tensor:
        """-L(x, y) of every image with every class, z drawn anew for each: [U, K]."""
        classes, count = self.problem.classes, len(pixels)
        codes = torch.eye(classes, device=pixels.device).repeat(count, 1)  # [U·K, K]
        cost, divergence = self.costs(pixels.repeat_interleave(classes, 0), codes, chance)
        return _elbo(cost, divergence, classes).reshape(count, classes)

    @torch.no_grad()
    def show(self, batch: Batch) -> dict[str, Tensor]:
        """The images, their reconstructions from the class that is found and the mean style, and samples: of class 0
        for the first image, of class 1 for the second ... Their styles are always the same.
        """
        images: Tensor = shown_batch(batch).plain
        codes = F.one_hot(self.classifier(images)[1].argmax(1), self.problem.classes).float()
        style, _ = self.encoder(torch.cat((images.flatten(1), codes), 1)).chunk(2, 1)
        in_turn = torch.eye(self.problem.classes, device=images.device)[
            torch.arange(len(images), device=images.device) % self.problem.classes
        ]
        made_up = to_device(torch.randn(style.shape, generator=torch.Generator().manual_seed(0)), images.device)
        return {
            "plain": images,
            "reconstruction": self._drawn(style, codes, images),
            "sample": self._drawn(made_up, in_turn, images),
        }

    def _drawn(self, style: Tensor, codes: Tensor, like: Tensor) -> Tensor:
        drawn: Tensor = self.decoder(torch.cat((style, codes), 1))
        return drawn.sigmoid().reshape(like.shape)


def unlabeled_bound(logits: Tensor, elbos: Tensor) -> Tensor:
    """-U(x) = Σ_y q(y|x) (-L(x, y)) + H(q(y|x)): [U] (Kingma et al. 2014, equation 7).

    logits: [U, K] of q(y|x). elbos: [U, K], -L(x, y). At most logsumexp of the elbos, which it reaches where q is their
    softmax.
    """
    log_q = logits.log_softmax(1)
    return (log_q.exp() * (elbos - log_q)).sum(1)


def gaussian_divergence(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, variance) || N(0, 1)), summed over dimensions: [N, d] to [N], in nats."""
    divergence: Tensor = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
    return divergence


def _elbo(cost: Tensor, divergence: Tensor, classes: int) -> Tensor:
    """-L(x, y), with all classes equally probable."""
    return -cost - math.log(classes) - divergence


def _two_layers(inputs: int, hidden: int, outputs: int) -> Head:
    return Head(nn.Linear(inputs, hidden), nn.Softplus(), nn.Linear(hidden, outputs))

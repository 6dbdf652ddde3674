"""vae_m2: a generative model of images with the class as one of its causes."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import Batch, Stream, View
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import GradientMethod, StepResult
from engine.methods.parts.draws import normal
from engine.methods.parts.networks import Classifier


class VAEM2(GradientMethod):
    """M2 (Kingma et al. 2014, arXiv:1406.5298, eq. 6 to 9) with Bernoulli pixels and two-layer networks of its own."""

    class Params(MethodParams):
        name: Literal["vae_m2"] = "vae_m2"
        latent: int = param(8, ge=1, le=1024, symbol="z", help="Latent dimensions.")
        alpha: float = param(0.1, ge=0, le=100, symbol="α", live=True, help="Weight of the classifier's own loss.")

    title = "VAE M2"
    summary = "Explains each image by its class and a latent vector."
    idea = "Reconstruct images from a class and a latent code; unlabeled ones sum over all classes."
    formula = r"-L(x, y) = \log p(y) + E_q[\log p(x \mid y, z)] - KL(q(z \mid x, y) \,\Vert\, p(z))"
    paper = "Kingma et al. 2014, arXiv:1406.5298"
    backbones: ClassVar[set[str] | None] = set()
    views: ClassVar[dict[str, dict[str, Any]]] = {"plain": {"name": "plain"}}

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.pixels, classes = problem.channels * problem.size**2, problem.classes
        self.classifier = Classifier(backbone, classes)
        self.encoder = nn.Sequential(nn.Linear(self.pixels + classes, 64), nn.ReLU(), nn.Linear(64, 2 * params.latent))
        self.decoder = nn.Sequential(nn.Linear(params.latent + classes, 64), nn.ReLU(), nn.Linear(64, self.pixels))

    def served(self) -> nn.Module:
        return self.classifier

    def streams(self) -> dict[str, Stream]:
        size, plain = self.problem.batch_size, {"plain": View("plain")}
        return {"labeled": Stream("labeled", size, plain), "unlabeled": Stream("unlabeled_only", size, plain)}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        labeled, unlabeled = batch["labeled"], batch["unlabeled"]
        logits_x, logits_u = self.classifier.logits(labeled.plain, unlabeled.plain)
        classes = self.problem.classes
        bound_x = self._bound(labeled.plain, F.one_hot(labeled.known_labels, classes).float(), now, "labeled")
        posterior = logits_u.softmax(1)  # [U, K]
        bounds = [
            self._bound(
                unlabeled.plain, torch.eye(classes).to(posterior)[k].expand(len(posterior), -1), now, f"class {k}"
            )
            for k in range(classes)
        ]
        entropy = -(posterior * logits_u.log_softmax(1)).sum(1)
        bound_u = (posterior * torch.stack(bounds, 1)).sum(1) + entropy
        loss_x = F.cross_entropy(logits_x, labeled.known_labels)
        loss = -(bound_x.mean() + bound_u.mean()) / self.pixels + self.params.alpha * loss_x
        return StepResult(loss, {"loss/labeled": loss_x.detach(), "loss/unlabeled": -bound_u.mean().detach()})

    def _bound(self, images: Tensor, labels: Tensor, now: StepContext, name: str) -> Tensor:
        """-L(x, y): [B]."""
        x = images.flatten(1)
        mean, log_variance = self.encoder(torch.cat((x, labels), 1)).chunk(2, 1)
        z = mean + (log_variance / 2).exp() * normal(mean, now.rng(name))
        likelihood = -F.binary_cross_entropy_with_logits(self.decoder(torch.cat((z, labels), 1)), x, reduction="none")
        divergence = (mean.square() + log_variance.exp() - 1 - log_variance).sum(1) / 2
        prior = torch.full_like(divergence, 1 / self.problem.classes).log()
        bound: Tensor = likelihood.sum(1) + prior - divergence
        return bound

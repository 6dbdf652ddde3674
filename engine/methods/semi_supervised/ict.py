"""ict: between two images, the prediction must lie between their predictions."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from engine.config.settings import param
from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.parts.draws import beta, permutation
from engine.methods.parts.mixing import mix_up
from engine.methods.semi_supervised.shared_settings import ramp, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.teacher_method import TeacherMethod, TeacherParams
from engine.registry import methods


@methods.register
class ICT(TeacherMethod):
    """Interpolation consistency training (Verma et al. 2019, arXiv:1903.03825, eq. 1 and algorithm 1): the squared
    difference, averaged over classes, between the student's probabilities for a mix of two unlabeled images and the
    same mix of the teacher's probabilities for each.

    One share λ ~ Beta(α, α) for a whole batch, as in the authors' code. That code mixes the teacher's logits and takes
    their softmax; the paper, and this, mix probabilities.
    """

    class Params(TeacherParams):
        name: Literal["ict"] = "ict"
        unlabeled_weight: float = unlabeled_weight(100.0, most=1000)
        unlabeled_ratio: int = unlabeled_ratio(1)
        mixing: float = param(
            1.0, gt=0, le=10, symbol="α_mix", help="Beta(α, α) draws the shares of two mixed images; 1: uniformly."
        )
        ramp: float = ramp()

    title = "ICT"
    summary = "A mix of two images must be predicted as the mix of their predictions."
    idea = (
        "Blend two unlabeled images, and ask for the same blend of what a slow copy of the network predicts for each:"
        " the border between classes moves to where there are few images."
    )
    formula = (
        r"L = L_s + \lambda\, w(t)\, \frac{1}{\mu B K}\sum \lVert p_\theta(\mathrm{Mix}_\lambda(u_j, u_k)) -"
        r" \mathrm{Mix}_\lambda(p_{\theta'}(u_j), p_{\theta'}(u_k)) \rVert^2"
    )
    paper = "Verma et al. 2019, arXiv:1903.03825"

    def consistency(self, unlabeled: StreamBatch, now: StepContext) -> tuple[Tensor, Tensor]:
        images = unlabeled.weak
        target = self.teach(images)
        order = permutation(len(images), now.rng("order"), images)
        share = beta(self.params.mixing, 1, now.rng("share"), images)
        (logits,) = self.classifier.logits(mix_up(images, order, share))
        return (logits.softmax(1) - mix_up(target, order, share)).square().mean(), target

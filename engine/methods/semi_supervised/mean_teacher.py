"""mean_teacher: the student agrees with an average of its own past, and that average answers."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from engine.methods.base.batch import StreamBatch
from engine.methods.base.context import StepContext
from engine.methods.semi_supervised.shared_settings import ramp, unlabeled_ratio, unlabeled_weight
from engine.methods.semi_supervised.teacher_method import TeacherMethod, TeacherParams
from engine.registry import methods


@methods.register
class MeanTeacher(TeacherMethod):
    """Mean Teacher (Tarvainen & Valpola 2017, arXiv:1703.01780, eq. 1 and 2): the squared difference of the student's
    and the teacher's probabilities on two weak views, averaged over classes.
    """

    class Params(TeacherParams):
        name: Literal["mean_teacher"] = "mean_teacher"
        unlabeled_weight: float = unlabeled_weight(50.0, most=1000)
        unlabeled_ratio: int = unlabeled_ratio(1)
        ramp: float = ramp()

    title = "Mean Teacher"
    summary = "The student agrees with an average of its own past, and that average answers."
    idea = (
        "Keep a moving average of the network's weights: a teacher, steadier than the network itself. Ask the network"
        " to predict what the teacher predicts for another view of the image."
    )
    formula = (
        r"\theta' \leftarrow \alpha \theta' + (1 - \alpha) \theta, \quad L = L_s + \lambda\, w(t)\, \frac{1}{\mu B"
        r" K}\sum_b \lVert p_\theta(y \mid \alpha_1(u_b)) - p_{\theta'}(y \mid \alpha_2(u_b)) \rVert^2"
    )
    paper = "Tarvainen & Valpola 2017, arXiv:1703.01780"
    views_caption = "The pairs it compared: the student saw the first, the teacher the second"
    unlabeled_views = 2

    def consistency(self, unlabeled: StreamBatch, now: StepContext) -> tuple[Tensor, Tensor]:
        first, second = unlabeled.weak
        target = self.teach(second)
        (logits,) = self.classifier.logits(first)
        return (logits.softmax(1) - target).square().mean(), target

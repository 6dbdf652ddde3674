"""gaussian_mixture: each class is one or a few Gaussians in feature space, fitted to labeled and unlabeled images."""

from __future__ import annotations

import math
from typing import Any, ClassVar, Literal, NamedTuple

import torch
from torch import Tensor

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.method import FittedMethod, OnFrozenFeatures, PoolData, StepResult
from engine.metrics import Metric
from engine.registry import methods

Covariance = Literal["full", "tied", "diagonal", "spherical"]
NEVER = -1e4  # the logarithm of the weight of a class without a label: it is never answered
_EMPTY = 1e-6  # images in a component below which it says nothing any more
_REPORTED = 4_096  # unlabeled images whose class probabilities are reported


class Mixture(NamedTuple):
    """log_weights: [M]. means: [M, d]. factors: [M, d, d], lower Cholesky factors of the covariances. All float64."""

    log_weights: Tensor
    means: Tensor
    factors: Tensor


class MixtureAnswer(OnFrozenFeatures):
    """Images to (features, logarithms of class probabilities) by Bayes' rule. Component j belongs to class j // M."""

    def __init__(
        self, backbone: Backbone, classes: int, mixture: Mixture, center: Tensor, basis: Tensor, scale: Tensor
    ) -> None:
        super().__init__()
        self.backbone, self._classes = backbone, classes
        parts = {**mixture._asdict(), "center": center, "basis": basis, "scale": scale}
        for name, value in parts.items():
            self.register_buffer(name, value)

    def answer(self, features: Tensor) -> Tensor:
        mixture = Mixture(*(self.get_buffer(name) for name in Mixture._fields))
        projected = project(features, *(self.get_buffer(name) for name in ("center", "basis", "scale")))
        joint = log_joint(projected, mixture)
        of_class = joint.reshape(joint.shape[0], self._classes, -1).logsumexp(2)  # [B, K]
        return of_class.log_softmax(1).clamp_min(NEVER).float()


@methods.register
class GaussianMixture(FittedMethod):
    """Semi-supervised EM (Dempster et al. 1977; Nigam et al. 2000, section 3, with Gaussians in place of words) on
    frozen features.

    E: an image's share in each component, by Bayes' rule; a labeled image's are 0 outside of its class. M: weights,
    means and covariances from these shares, with `unlabeled_weight` (Nigam's λ) times those of unlabeled images, and
    `regularization` added to each variance. What rises is the likelihood of labels and images together. Features come
    from the backbone in eval mode, once; they are brought to `dimensions` principal components of all training images
    and to a mean variance of 1. Components begin at the labeled images of their class (k-means where there are
    several), with the covariance of all images. In logarithms and float64 throughout.
    """

    class Params(MethodParams):
        name: Literal["gaussian_mixture"] = "gaussian_mixture"
        components: int = param(1, ge=1, le=50, symbol="M", help="Gaussians for each class.")
        covariance: Covariance = param(
            "tied",
            help=(
                "full: each component has its own. tied: all have one, which few labels can carry. diagonal: its own,"
                " without correlations. spherical: one variance each."
            ),
        )
        dimensions: int = param(
            20,
            ge=0,
            le=1024,
            symbol="d",
            help="Principal components that are kept. 0: all features, which need a covariance that fits into memory.",
        )
        unlabeled_weight: float = param(
            1.0,
            ge=0,
            le=1,
            symbol="λ",
            help="How much an unlabeled image counts beside a labeled one. 0: the labels alone.",
        )
        regularization: float = param(
            0.001,
            gt=0,
            le=10,
            symbol="ε",
            advanced=True,
            help="Added to each variance, of features whose mean one is 1.",
        )
        tolerance: float = param(
            1e-4,
            gt=0,
            le=1,
            advanced=True,
            help="Converged when an iteration raises the log-likelihood by less than this share of the first rise.",
        )

    title = "Gaussian mixture"
    summary = "Each class is a Gaussian in feature space; unlabeled images help to place it (EM)."
    idea = (
        "Begin with the labeled images of each class. Ask how probable each class is for every image, fit the Gaussians"
        " to these shares, and repeat until nothing changes."
    )
    formula = (
        r"\max_\theta\; \sum_{i \in \mathcal{L}} \log \pi_{y_i} N(x_i; \mu_{y_i}, \Sigma_{y_i}) + \lambda \sum_{u \in"
        r" \mathcal{U}} \log \sum_k \pi_k N(x_u; \mu_k, \Sigma_k)"
    )
    paper = (
        "Nigam et al. 2000, Text Classification from Labeled and Unlabeled Documents using EM, Machine Learning 39,"
        " with Gaussian classes; EM by Dempster et al. 1977"
    )
    views: ClassVar[dict[str, dict[str, Any]]] = {}
    recommended: ClassVar[dict[str, Any]] = {
        "backbone": {"name": "pixels"},
        "budget": {"steps": 200, "evaluate_every": 20},
    }
    headline = ("test/accuracy", "validation/accuracy", "pseudo_label/accuracy")
    metrics = (
        Metric(
            "mixture/log_likelihood",
            "Log-likelihood",
            "Of the labels and the images together, per image; EM raises it in every iteration.",
            unit="nats",
            chart="value",
        ),
    )
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        inputs, count = backbone.feature_size, problem.classes * params.components
        kept = min(params.dimensions or inputs, inputs, max(1, problem.counts.get("all", inputs)))
        shapes = {
            "log_weights": (count,),
            "means": (count, kept),
            "factors": (count, kept, kept),
            "center": (inputs,),
            "basis": (inputs, kept),
            "scale": (),
            "likelihoods": (2,),  # of the last iteration, and the first rise
        }
        for name, shape in shapes.items():
            self.register_buffer(name, torch.zeros(shape, dtype=torch.float64))

    @property
    def mixture(self) -> Mixture:
        return Mixture(*(self.get_buffer(name) for name in Mixture._fields))

    def prepare(self, fitting: PoolData) -> None:
        # Here, because a process that lists the methods would wait a second for it before it answers anything.
        from sklearn.decomposition import PCA

        if not self._begun:
            features = fitting.features.double()
            kept = self.get_buffer("basis").shape[1]
            fitted = PCA(kept, random_state=0).fit(features.numpy())
            self.get_buffer("center").copy_(torch.as_tensor(fitted.mean_))
            self.get_buffer("basis").copy_(torch.as_tensor(fitted.components_.T.copy()))
            self.get_buffer("scale").fill_(max(math.sqrt(fitted.explained_variance_.mean()), 1e-12))
        place = (self.get_buffer(name).cpu() for name in ("center", "basis", "scale"))
        self._x, self._labels, self._ids = project(fitting.features, *place), fitting.labels, fitting.ids
        if not self._begun:
            self.begin(first_mixture(self._x, self._labels, self.problem.classes, self.params))

    def begin(self, mixture: Mixture) -> None:
        for name, value in mixture._asdict().items():
            self.get_buffer(name).copy_(value)

    @property
    def _begun(self) -> bool:
        return bool(self.get_buffer("factors").any())

    def iterate(self, now: StepContext) -> StepResult:
        mixture = Mixture(*(part.cpu() for part in self.mixture))
        allowed = allowed_components(self._labels, self.problem.classes, self.params.components)
        weight = torch.where(self._labels >= 0, 1.0, self.params.unlabeled_weight).double()
        joint = log_joint(self._x, mixture).masked_fill(~allowed, -torch.inf)
        evidence = joint.logsumexp(1)  # [N]
        shares = (joint - evidence[:, None]).exp()  # [N, M·K]
        self.begin(maximized(self._x, weight[:, None] * shares, mixture, self.params))
        likelihood = float((weight * evidence).sum() / weight.sum())
        change = self._rise(likelihood, now.step)
        hidden = torch.nonzero(self._labels < 0).squeeze(1)
        hidden = hidden[torch.linspace(0, len(hidden) - 1, min(_REPORTED, len(hidden))).long()]
        of_class = shares[hidden].reshape(len(hidden), self.problem.classes, -1).sum(2)
        confidence, labels = of_class.max(1)
        reported = PseudoLabels(self._ids[hidden], labels, confidence.clamp(0, 1), torch.ones(len(hidden)))
        scalars = {"change": torch.tensor(change), "mixture/log_likelihood": torch.tensor(likelihood)}
        return StepResult(torch.tensor(change), scalars, reported, converged=change < self.params.tolerance)

    def _rise(self, likelihood: float, step: int) -> float:
        """This iteration's rise of the likelihood as a share of the first one; 1 until there are two."""
        last, first = self.get_buffer("likelihoods").tolist()
        rise = max(likelihood - last, 0.0) if step > 0 else 0.0
        first = rise if step == 1 else first
        self.get_buffer("likelihoods").copy_(torch.tensor([likelihood, first]))
        return (rise / first if first > 0 else 0.0) if step > 0 else 1.0

    def served(self) -> MixtureAnswer:
        mixture = Mixture(*(part.clone() for part in self.mixture))
        place = (self.get_buffer(name) for name in ("center", "basis", "scale"))
        return MixtureAnswer(self.backbone, self.problem.classes, mixture, *place)


def project(features: Tensor, center: Tensor, basis: Tensor, scale: Tensor) -> Tensor:
    """Features [N, D] to float64 [N, d]."""
    return (features.double() - center) @ basis / scale


def log_joint(x: Tensor, mixture: Mixture) -> Tensor:
    """log π_k + log N(x; μ_k, Σ_k): x [N, d] to [N, M]."""
    found = []
    for log_weight, mean, factor in zip(*mixture, strict=True):
        if torch.onnx.is_in_onnx_export():
            # ONNX solves no triangular system: what follows from the factor alone becomes a constant of the file.
            fixed = torch.tensor(factor.numpy())
            solved, diagonal = fixed.inverse() @ (x - mean).T, fixed.diagonal()  # [d, N], [d]
        else:
            solved, diagonal = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False), factor.diagonal()
        log_size = diagonal.log().sum() + len(mean) / 2 * math.log(2 * math.pi)
        found.append(log_weight - log_size - solved.square().sum(0) / 2)
    return torch.stack(found, 1)


def allowed_components(labels: Tensor, classes: int, components: int) -> Tensor:
    """bool [N, M·K]: those of its class for a labeled image, all for one whose label is hidden (-1)."""
    of_class = torch.arange(classes * components) // components
    return (labels[:, None] == of_class) | (labels[:, None] < 0)


def maximized(x: Tensor, shares: Tensor, before: Mixture, params: GaussianMixture.Params) -> Mixture:
    """The M step. x: [N, d]. shares: [N, M], weighted. A component that has lost all its images stays as it was,
    without weight.
    """
    sizes = shares.sum(0)  # [M]
    empty = sizes < _EMPTY
    means = torch.where(empty[:, None], before.means, shares.T @ x / sizes.clamp_min(_EMPTY)[:, None])
    covariances = torch.stack(
        [
            _scatter(x - mean, share) / size.clamp_min(_EMPTY)
            for mean, share, size in zip(means, shares.T, sizes, strict=True)
        ]
    )
    if params.covariance == "tied":
        covariances = ((sizes / sizes.sum())[:, None, None] * covariances).sum(0).expand_as(covariances)
    elif params.covariance != "full":
        variances = covariances.diagonal(dim1=1, dim2=2)  # [M, d]
        if params.covariance == "spherical":
            variances = variances.mean(1, keepdim=True).expand_as(variances)
        covariances = torch.diag_embed(variances)
    factors = _factors(covariances, params.regularization)
    factors = torch.where(empty[:, None, None], before.factors, factors)
    log_weights = torch.where(empty, NEVER, (sizes / sizes.sum()).clamp_min(1e-300).log())
    return Mixture(log_weights, means, factors)


def first_mixture(x: Tensor, labels: Tensor, classes: int, params: GaussianMixture.Params) -> Mixture:
    """Where EM begins: equal weights, the means of each class, the covariance of all images. A class without a label
    has no weight.
    """
    from sklearn.cluster import KMeans

    count, inputs = params.components, x.shape[1]
    means = torch.zeros(classes, count, inputs, dtype=torch.float64)
    for k in range(classes):
        own = x[labels == k]
        if len(own) > count > 1:
            means[k] = torch.as_tensor(KMeans(count, n_init=10, random_state=0).fit(own.numpy()).cluster_centers_)
        elif count > 1 and len(own):
            # Fewer images than components: two that begin at one place would stay together for ever.
            apart = torch.randn(count, inputs, generator=torch.Generator().manual_seed(k), dtype=torch.float64)
            means[k] = own[torch.arange(count) % len(own)] + 0.1 * apart
        elif len(own):
            means[k] = own.mean(0)
    labeled = torch.bincount(labels[labels >= 0], minlength=classes).repeat_interleave(count) > 0
    log_weights = torch.where(labeled, -math.log(int(labeled.sum())), NEVER).double()
    everywhere = _scatter(x - x.mean(0), torch.ones(len(x), dtype=torch.float64)) / len(x)
    if params.covariance in ("diagonal", "spherical"):
        variances = everywhere.diagonal()
        everywhere = torch.diag(variances if params.covariance == "diagonal" else variances.mean().expand_as(variances))
    factors = _factors(everywhere[None], params.regularization).expand(classes * count, -1, -1)
    return Mixture(log_weights, means.flatten(0, 1), factors)


def _scatter(centered: Tensor, weights: Tensor) -> Tensor:
    return (weights[:, None] * centered).T @ centered


def _factors(covariances: Tensor, regularization: float) -> Tensor:
    ridge = regularization * torch.eye(covariances.shape[1], dtype=covariances.dtype)
    factors: Tensor = torch.linalg.cholesky(covariances + ridge)
    return factors

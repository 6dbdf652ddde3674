"""What methods for partial labels remember of each image: how much of the truth they give to each of its candidates."""

from __future__ import annotations

import torch
from torch import Tensor

from engine.methods.base.batch import PseudoLabels
from engine.methods.base.context import TaskSpec
from engine.methods.parts.losses import restricted_softmax


def candidate_sets(problem: TaskSpec) -> Tensor:
    """bool [n, K] by row of the pool; without rows where a trained model is only used."""
    return torch.ones(0, problem.classes, dtype=torch.bool) if problem.candidates is None else problem.candidates


def uniform_weights(candidates: Tensor) -> Tensor:
    """float32 [n, K]: all candidates of a row alike, each row sums to 1. candidates: bool [n, K], one in each row."""
    return candidates.float() / candidates.sum(1, keepdim=True)


def split_softmax(logits: Tensor, candidates: Tensor) -> Tensor:
    """Softmax over the candidates and, apart from it, over all other labels: each row sums to 2, to 1 where every label
    is a candidate (Wen et al. 2021, arXiv:2106.05731).

    logits: [B, K]. candidates: bool [B, K], at least one in each row. Returns float32 [B, K]. Raises ShapeError if the
    two differ in shape.
    """
    inside = restricted_softmax(logits, candidates)
    # Where every label is a candidate, the softmax of the others is 0 / 0 and nobody reads it.
    return torch.where(candidates, inside, restricted_softmax(logits, ~candidates))


def heaviest_candidates(ids: Tensor, candidates: Tensor, weights: Tensor) -> PseudoLabels:
    """What a step reports of its images: of each the heaviest candidate, with its weight as the confidence. A set of
    one is an ordinary label: nothing is predicted, and it counts nothing.

    ids: int64 [B]. candidates: bool [B, K]. weights: float [B, K], 0 outside of the candidates.
    """
    confidence, labels = weights.max(1)
    return PseudoLabels(ids, labels, confidence, (candidates.sum(1) > 1).float())

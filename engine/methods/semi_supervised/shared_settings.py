"""Settings that many methods of this family have, declared once: each call makes one for a method's Params."""

from __future__ import annotations

from typing import Any

from engine.config.settings import param


def confidence_threshold(default: float = 0.95) -> Any:
    """τ, with the slider on Train."""
    return param(
        default,
        ge=0,
        le=1,
        symbol="τ",
        live=True,
        role="confidence_threshold",
        search=(0.5, 0.99),
        help="Keep a pseudo-label only at or above this confidence.",
    )


def unlabeled_weight(default: float = 1.0, most: float = 100) -> Any:
    """λ."""
    return param(
        default,
        ge=0,
        le=most,
        symbol="λ",
        live=True,
        log=True,
        help="Weight of the unlabeled loss beside the labeled one.",
    )


def unlabeled_ratio(default: int = 4) -> Any:
    """μ."""
    return param(default, ge=1, le=64, symbol="μ", help="Unlabeled images in a step for each labeled one.")


def ramp(default: float = 0.4) -> Any:
    """The share of the run in which λ rises."""
    return param(
        default, ge=0, le=1, advanced=True, help="Share of the run in which the unlabeled weight rises from 0."
    )


def statistics_decay(default: float = 0.99) -> Any:
    """The decay of the moving averages that a method keeps of its predictions."""
    return param(
        default,
        ge=0,
        lt=1,
        symbol="m",
        advanced=True,
        help="Decay of the moving averages of predictions; the papers' 0.999 is made for a million steps.",
    )

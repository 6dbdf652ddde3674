"""What a test on new draws of labels says of the best settings: how much they gain, and whether that may be chance."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import NamedTuple

from engine.tuning.sweep_folder import DrawResult, FreshResult


class Verdict(NamedTuple):
    """Over draws that both settings were trained on. best, own: mean test accuracies, with `_spread` their standard
    deviations over draws (n - 1), None for a single draw. won: draws on which the best settings are more accurate.
    """

    draws: int
    best: float
    own: float
    best_spread: float | None
    own_spread: float | None
    won: int
    sentence: str

    @property
    def gain(self) -> float:
        return self.best - self.own


def verdict(result: FreshResult) -> Verdict | None:
    """None while no draw has both."""
    best, own = _accuracies(result.best), _accuracies(result.own)
    seeds = [seed for seed in best if seed in own]
    if not seeds:
        return None
    return judged([best[seed] for seed in seeds], [own[seed] for seed in seeds])


def judged(best: Sequence[float], own: Sequence[float]) -> Verdict:
    """best, own: test accuracies, 0 to 1, of the same draws in the same order."""
    draws, won = len(best), sum(a > b for a, b in zip(best, own, strict=True))
    mean, own_mean = statistics.fmean(best), statistics.fmean(own)
    spreads = (statistics.stdev(best), statistics.stdev(own)) if draws > 1 else (None, None)
    return Verdict(draws, mean, own_mean, spreads[0], spreads[1], won, _sentence(mean - own_mean, spreads, won, draws))


def _sentence(gain: float, spreads: tuple[float | None, float | None], won: int, draws: int) -> str:
    if spreads[0] is None or spreads[1] is None:
        return "One draw of labels says nothing about a gain: test on at least three."
    spread = max(spreads[0], spreads[1])
    on = f"on {won} of {draws} draws of labels they are the more accurate ones"
    if gain <= 0:
        return (
            f"The best settings gain nothing on new draws of labels ({100 * gain:+.1f} points): what they had on the"
            " validation images was chance, so keep the settings that the sweep began with."
        )
    if gain < spread:
        return (
            f"The gain of {100 * gain:.1f} points is smaller than the spread between draws of labels"
            f" ({100 * spread:.1f} points), so it may be chance; {on}."
        )
    return (
        f"The gain of {100 * gain:.1f} points is larger than the spread between draws of labels"
        f" ({100 * spread:.1f} points); {on}."
    )


def _accuracies(draws: Sequence[DrawResult]) -> dict[int, float]:
    return {draw.seed: draw.accuracy for draw in draws if draw.accuracy is not None}

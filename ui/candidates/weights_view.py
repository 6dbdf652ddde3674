"""How far the true labels have been found: in numbers, by weight, and over the evaluations."""

from __future__ import annotations

import numpy as np
import streamlit as st

from engine.analysis.candidate_weights import CandidateWeights
from engine.analysis.evaluated_run import EvaluatedRun
from engine.analysis.thresholds import PseudoLabelSet
from engine.errors import FewLabError
from ui.components.live_figure import live_figure
from ui.figures.classification import confidence_histogram
from ui.figures.curves import Mark, Series, line_chart
from ui.figures.frame import Figure
from ui.runs.counted_images import metric_of_images, of_histogram, show_predicted
from ui.runs.image_gallery import predicted_images
from ui.runs.image_panel import show_images
from ui.style import colors, formatting


def tiles(run: EvaluatedRun, weights: CandidateWeights, page: str) -> None:
    """Three numbers, each of which opens its images."""
    first, second, third = st.columns(3)
    heaviest = _heaviest(weights)
    with first:
        if metric_of_images(
            "True label ranked first",
            formatting.percent(weights.identified),
            "candidates_identified",
            help="Of the images with several candidates, those whose heaviest one is the true label. The method never"
            " sees this.",
        ):
            show_predicted(run, "Another label ranked first", heaviest, heaviest.incorrect, page)
    with second:
        if metric_of_images(
            "Candidate entropy",
            formatting.percent(weights.ambiguity),
            "candidates_entropy",
            help="How undecided the weights still are: 100 % all candidates alike, 0 % one candidate left.",
        ):
            show_images(run, "Least decided first", predicted_images(heaviest, weights.undecided()), page)
    survivors = weights.wrong_survivors()
    with third:
        if metric_of_images(
            "Wrong survivors",
            formatting.count(len(survivors)),
            "candidates_survivors",
            help="Images in which a wrong candidate holds more than 0.9 of the weight.",
        ):
            show_images(run, "Wrong survivors", predicted_images(heaviest, survivors), page)


def figures(run: EvaluatedRun, weights: CandidateWeights, step: int, page: str) -> None:
    left, right = st.columns(2)
    with left:
        edges = np.linspace(0, 1, 21)
        heaviest = _heaviest(weights)
        correct, incorrect, hidden = (
            np.histogram(heaviest.confidence[chosen], edges)[0]
            for chosen in (heaviest.correct, heaviest.incorrect, heaviest.truth < 0)
        )
        figure = confidence_histogram(
            correct,
            incorrect,
            hidden if hidden.any() else None,
            edges,
            None,
            title="Weight of the heaviest candidate",
            x_title="weight",
        )
        bar = live_figure(figure, key="candidates_histogram", revision=run.id, clickable=True)
        if bar is not None and bar["customdata"]:
            title, counted = of_histogram(heaviest, edges, bar["customdata"], "weight")
            show_predicted(run, title, heaviest, counted, page)
    with right:
        live_figure(_over_evaluations(run, step), key="candidates_history", revision=run.id)


def _heaviest(weights: CandidateWeights) -> PseudoLabelSet:
    """The heaviest candidates as predictions, with their weights as confidences."""
    return PseudoLabelSet(weights.ids, weights.heaviest, weights.largest.astype(float), weights.true_labels)


def _over_evaluations(run: EvaluatedRun, step: int) -> Figure:
    rows = []
    for at in run.steps:
        try:
            weights = run.candidate_weights(at)
        except FewLabError:  # being rewritten by a resumed run
            continue
        if weights is not None and len(weights):
            rows.append((at, weights.identified, weights.ambiguity, weights.survivors))
    steps, *curves = (np.array(values, np.float64) for values in zip(*rows, strict=True))
    titles = ("true label first", "entropy", "wrong survivors")
    series = [
        Series(title, steps, values, color)
        for title, values, color in zip(titles, curves, (colors.RIGHT, colors.MUTED, colors.WRONG), strict=True)
    ]
    marks = [Mark(step, "shown")] if len(run.steps) > 1 else []
    return line_chart("Over the evaluations", "share", series, marks=marks, percent=True)

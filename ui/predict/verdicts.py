"""What a prediction says, in words and as CSV."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from engine.analysis.certainty import Certainty, Decision
from engine.csv_text import csv_text, yes_or_no
from engine.lab.prediction_messages import ImagePrediction
from ui.shell.page import escape_markdown
from ui.style import formatting

_NAMED = 4  # possible classes that are named


class Judged(NamedTuple):
    """A prediction with what it means at the chosen coverage."""

    prediction: ImagePrediction
    decision: Decision
    class_names: Sequence[str]

    @property
    def is_undecided(self) -> bool:
        """Whether all classes are equally likely: what a graph predicts where no label reaches."""
        probabilities = self.prediction.probabilities
        return len(probabilities) > 1 and max(probabilities) - min(probabilities) < 1e-6

    @property
    def is_sure(self) -> bool:
        """At the chosen coverage, or where none can be promised by the most probable class alone."""
        sure = self.decision.sure
        return self.decision.likely if sure is None else sure

    def possible(self, say: Callable[[str, str], str]) -> str:
        """The most probable classes of the prediction set, and how many more there are. say: puts the name of a class
        and its probability into words.
        """
        classes = self.decision.possible or ()
        shown = classes if len(classes) <= _NAMED + 1 else classes[:_NAMED]
        each = [say(self.class_names[k], formatting.percent(self.prediction.probabilities[k])) for k in shown]
        each += [f"{len(classes) - len(shown)} more"] if len(shown) < len(classes) else []
        return ", ".join(each[:-1]) + " or " + each[-1]


def judge(prediction: ImagePrediction, certainty: Certainty, coverage: float, class_names: Sequence[str]) -> Judged:
    if not prediction.probabilities:  # a file that could not be read
        return Judged(prediction, Decision(None, False, None), class_names)
    decision = certainty.decide(np.array(prediction.probabilities), prediction.distance, coverage)
    return Judged(prediction, decision, class_names)


def verdict(judged: Judged) -> str:
    """As markdown, with the true class where it is known."""
    prediction, decision = judged.prediction, judged.decision
    name, probability = prediction.top[0]
    if judged.is_undecided:
        return "**Unknown**: all classes equally likely"
    words = f"**{escape_markdown(name)}** · {formatting.percent(probability)}"
    if len(decision.possible or ()) > 1:
        words = "Not sure: " + judged.possible(lambda one, p: f"**{escape_markdown(one)}** · {p}")
    elif decision.possible is not None and not decision.likely:
        words = f"Not sure, most likely {words}"
    elif decision.possible is None and not judged.is_sure:
        words = f"Uncertain, most likely {words}"
    if decision.unfamiliar:
        words += "  \nMaybe none of these: it is unlike every labeled image."
    if prediction.truth is None:
        return words
    return words + (
        "  \n✓ correct" if prediction.truth == name else f"  \n✗ true class: {escape_markdown(prediction.truth)}"
    )


def note(judged: Judged) -> str:
    """What a table says beside a prediction, or instead of one."""
    prediction, decision = judged.prediction, judged.decision
    if prediction.error:
        return prediction.error
    if judged.is_undecided:
        return "unknown: all classes equally likely"
    notes = ["maybe none of these"] if decision.unfamiliar else []
    if len(decision.possible or ()) > 1:
        notes.append("not sure: " + judged.possible(lambda one, p: f"{one} · {p}"))
    elif not decision.likely:
        notes.append("not sure")
    return "; ".join(notes)


def as_csv(predictions: Sequence[Judged], class_names: Sequence[str], coverage: float | None) -> str:
    """One line an image: prediction and probability, whether it is sure, or the error, then the probability of every
    class. coverage: None where none can be promised.
    """
    sure = "sure" if coverage is None else f"sure at {coverage:.0%}"
    heading = ["image", "prediction", "probability", sure, "possible classes", "nearest labeled image", "distance"]
    heading += ["unfamiliar", "error", *class_names]
    rows = [
        [judged.prediction.name, *[""] * 7, judged.prediction.error, *[""] * len(class_names)]
        if judged.prediction.error
        else [
            judged.prediction.name,
            *judged.prediction.top[0],
            yes_or_no(judged.decision.sure),
            "; ".join(class_names[k] for k in judged.decision.possible or ()),
            judged.prediction.nearest_name,
            judged.prediction.distance,
            yes_or_no(judged.decision.unfamiliar),
            "",
            *judged.prediction.probabilities,
        ]
        for judged in predictions
    ]
    return csv_text([heading, *rows])

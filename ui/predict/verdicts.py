"""What a prediction says, in words and as CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from ui.shell.page import plain
from ui.style import formatting

_SURE = 0.5  # below this the page says "not sure"
Answer = dict[str, Any]


def unknown(answer: Answer) -> bool:
    """Whether all classes are alike to it: what a graph answers where no label reaches."""
    return len(answer["probabilities"]) > 1 and max(answer["probabilities"]) - min(answer["probabilities"]) < 1e-6


def verdict(answer: Answer) -> str:
    best = answer["top"][0]
    if unknown(answer):
        return "**Unknown**: all classes are as likely"
    words = f"**{plain(best['class'])}** · {formatting.percent(best['probability'])}"
    words = words if best["probability"] >= _SURE else f"Not sure: perhaps {words}"
    truth = answer.get("truth")
    if truth is None:
        return words
    return words + ("  \n✓ right" if truth == best["class"] else f"  \n✗ it is {plain(truth)}")


def as_csv(answers: list[Answer], class_names: list[str]) -> str:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["image", "prediction", "probability", "error", *class_names])
    for answer in answers:
        if answer["error"]:
            writer.writerow([answer["name"], "", "", answer["error"], *[""] * len(class_names)])
        else:
            best = answer["top"][0]
            writer.writerow([answer["name"], best["class"], best["probability"], "", *answer["probabilities"]])
    return out.getvalue()

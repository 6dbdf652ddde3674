"""What people read is written in the words of the field: phrases that were replaced once do not come back."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine.catalog import catalog

ROOT = Path(__file__).parents[2]
# Old phrase, and what is said instead. In any case, whole words only.
PHRASES = {
    "picture": "image; a person's own: photos",
    "pictures": "images",
    "of them right": "Pseudo-label accuracy",
    "wrong ones kept": "Incorrect pseudo-labels",
    "left to spread": "Residual (0 = converged)",
    "at rest": "converged",
    "comes to rest": "converges",
    "residue": "residual",
    "what training lowers": "Training loss",
    "what it is for": "Accuracy",
    "share right": "accuracy",
    "sure enough": "above the threshold",
    "spread of the embedding": "Embedding std (near 0 = collapse)",
    "directions in use": "Effective rank (RankMe)",
    "true candidate on top": "True label ranked first",
    "what it believes": "Candidate label weights",
    "labeled just now": "Latest pseudo-labels",
    "no guess was": "No prediction has reached the threshold yet",
    "no chain of neighbors leads": "not connected to any labeled image",
    "nothing was heard": "No heartbeat",
    "its process may be gone": "the training process may have died",
    "how sure the model is": "Confidence histogram",
    "right of the line": "right of τ",
    "what is taken for what": "Confusion matrix",
    "mistakes lie off the diagonal": "errors are off the diagonal",
    "what it could be": "Class probabilities",
    "sure from 50 %": "decision threshold 50 %",
    "one class against the rest: mean area": "ROC curves (one-vs-rest), macro AUC",
    "found of the class": "True positive rate",
    "as sure as it is right": "Reliability diagram",
    "promise too much": "are overconfident",
    "as it is": "uncalibrated",
    "too sure": "overconfident",
    "no answer changes by it": "Scaling does not change predictions.",
    "nothing is mistaken": "No errors on these images.",
    "commonest mistake": "Most frequent confusion",
    "taken for": "predicted as",
    "took for": "predicted as",
    "class by class": "Per-class metrics",
    "against another run": "Compare with another run",
    "looked at": "evaluated",
    "what came of it": "results",
    "final figures": "Final metrics",
    "nothing was chosen by them": "not used for model selection",
    "averaged weights on the": "EMA weights on the",
    "no such curve": "Not logged by",
    "what more labels are worth": "Accuracy by labels per class",
    "which settings lead where": "Settings and accuracy",
    "join their band": "not in the band yet",
    "train one after the other": "queued and trained one at a time",
    "surround points": "lasso",
    "forget the selection": "Clear selection",
    "bare pixels": "raw pixels",
    "how the loss compares it": "projection-head output",
    "points, at most": "Maximum points",
    "right or wrong": "correctness",
    "biography": "Image history",
    "changed their mind": "Prediction changed most often",
    "starved": "Under-represented",
    "put into the form": "Use these settings",
    "ghost curves": "a faint reference curve",
    "all of them: the upper bound": "All labels (supervised upper bound)",
    "gone for good": "permanently deleted",
    "have learned nothing": "carry no features to transfer",
    "mirror half of the": "Random horizontal flip (p = 0.5)",
    "what it uncovers": "filled with black",
    "vacated edge": "reflection padding",
    "share of the views without color": "Probability of grayscale",
    "smallest area of the window": "Minimum crop area",
    "slope of a slant": "Maximum shear",
    "left out behind each pooling": "Channel dropout after each pooling",
    "mean over all places": "global average pooling",
    "how freely": "Inverse L2 regularization strength C",
    "guess": "prediction",
    "guesses": "predictions",
    "beliefs": "class probabilities",
    "first weights": "initial weights",
    "a person can mend": "user-correctable",
    "made anew": "rebuilt",
}
PATTERN = re.compile(rf"\b({'|'.join(re.escape(phrase) for phrase in PHRASES)})\b", re.IGNORECASE)


def texts(source: str) -> Iterator[tuple[int, str]]:
    """Every string of a module that is no docstring, f-strings with {} for what is filled in."""
    tree = ast.parse(source)
    silent = {
        id(part)
        for node in ast.walk(tree)
        for part in (
            [node.value] if isinstance(node, ast.Expr) else node.values if isinstance(node, ast.JoinedStr) else []
        )
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(str(p.value) if isinstance(p, ast.Constant) else "{}" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in silent:
            yield node.lineno, node.value


def old_words(text: str) -> list[str]:
    return [f"{found[0]!r}: write {PHRASES[found[0].lower()]!r}" for found in PATTERN.finditer(text)]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Kept: 3 Pictures.", ["'Pictures': write 'images'"]),
        ("a cat, taken for a dog", ["'taken for': write 'predicted as'"]),
        ("the figures of an image, mistaken form", []),
    ],
)
def test_an_old_phrase_is_named_with_what_is_said_instead(text: str, found: list[str]) -> None:
    assert old_words(text) == found


def test_docstrings_are_no_texts_and_an_f_string_is_one() -> None:
    source = '"""Doc."""\ndef f(n):\n    """Doc."""\n    return f"{n} of " + "two"\n'
    assert sorted(text for _, text in texts(source)) == ["two", "{} of "]


@pytest.mark.parametrize("part", ["app.py", "pages", "ui", "engine"])
def test_no_text_of_the_screens_and_no_sentence_of_the_engine_has_an_old_phrase(part: str) -> None:
    folder = ROOT / part
    found = [
        f"{path.relative_to(ROOT)}:{line}: {complaint}"
        for path in ([folder] if folder.is_file() else sorted(folder.rglob("*.py")))
        for line, text in texts(path.read_text(encoding="utf-8"))
        # In the engine a single word is a key, of JSON or of a file: these keep their names.
        if part != "engine" or " " in text.strip()
        for complaint in old_words(text)
    ]
    assert found == []


def test_the_page_of_methods_has_no_old_phrase() -> None:
    assert old_words((ROOT / "docs/METHODS.md").read_text(encoding="utf-8")) == []


def test_no_text_of_the_catalog_has_an_old_phrase() -> None:
    assert old_words(json.dumps(catalog(), ensure_ascii=False)) == []

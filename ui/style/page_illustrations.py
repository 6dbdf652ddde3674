"""What each page will show, as a small drawing: for pages on which there is nothing yet."""

from __future__ import annotations

from ui.style.colors import CLASS_COLORS, GREEN, MUTED
from ui.style.illustrations import OF_SITUATIONS, of_method
from ui.style.svg import arrow, bar, dot, square, svg_image

A, B, C = CLASS_COLORS[0], CLASS_COLORS[1], CLASS_COLORS[2]


def _curve(path: str, color: str, dashed: bool = False) -> str:
    dashes = ' stroke-dasharray="5 4"' if dashed else ""
    return f'<path d="{path}" fill="none" stroke="{color}" stroke-width="3"{dashes}/>'


def _axes() -> str:
    return f'<path d="M28 8 L 28 74 L 180 74" fill="none" stroke="{MUTED}" stroke-width="2"/>'


def _learning_curve() -> str:
    return svg_image(
        _axes() + _curve("M30 66 C 52 20, 80 16, 176 14", A) + dot(176, 14, A, True),
        "a curve that rises while a network learns",
    )


def _two_curves() -> str:
    return svg_image(
        _axes() + _curve("M30 66 C 52 20, 80 16, 176 14", A) + _curve("M30 68 C 60 48, 96 44, 176 42", B, dashed=True),
        "the curves of two runs, one above the other",
    )


def _trials() -> str:
    settings, outcomes = (60, 96, 132), (GREEN, A, A, MUTED, MUTED)
    heights = ((20, 34, 16, 14), (34, 20, 30, 28), (50, 52, 44, 42), (64, 40, 62, 58), (70, 68, 54, 70))
    rails = "".join(f'<path d="M{x} 8 L {x} 76" stroke="{MUTED}" stroke-width="2"/>' for x in (24, *settings, 172))
    lines = "".join(
        f'<path d="M24 {a} L 60 {b} L 96 {c} L 132 {d} L 172 {a}" fill="none" stroke="{color}"'
        f' stroke-width="{3 if color == GREEN else 1.5}"/>'
        for (a, b, c, d), color in reversed(list(zip(heights, outcomes, strict=True)))
    )
    return svg_image(rails + lines, "lines across several settings, and the best of them marked")


def _rows() -> str:
    rows = "".join(
        dot(28, y + 6, color) + bar(46, y, width, MUTED) + _curve(f"M138 {y + 12} C 146 {y}, 156 {y}, 176 {y}", color)
        for y, width, color in ((14, 72, A), (37, 56, B), (60, 80, C))
    )
    return svg_image(rows, "three runs in a list, each with its color and its curve")


def _confusion() -> str:
    shares = ((1.0, 0.12, 0.12), (0.12, 0.75, 0.4), (0.12, 0.25, 0.9))
    cells = "".join(
        square(58 + 26 * x, 4 + 26 * y, 24, A if x == y else B, share)
        for y, row in enumerate(shares)
        for x, share in enumerate(row)
    )
    return svg_image(cells, "a confusion matrix: right predictions on the diagonal, errors beside it")


def _prediction() -> str:
    photo = (
        f'<rect x="20" y="16" width="62" height="50" rx="5" fill="none" stroke="{MUTED}" stroke-width="2.5"/>'
        f'<circle cx="66" cy="30" r="6" fill="{B}"/>'
        f'<path d="M26 60 l 17 -21 l 14 14 l 8 -8 l 11 15" fill="none" stroke="{B}" stroke-width="2.5"/>'
    )
    answers = bar(130, 16, 56, A) + bar(130, 35, 20, MUTED) + bar(130, 54, 9, MUTED)
    return svg_image(photo + arrow(92, 41) + answers, "a photo, and the probabilities of three classes")


OF_PAGES = {
    "candidates": OF_SITUATIONS["partial"],
    "compare": _two_curves(),
    "data": OF_SITUATIONS["own"],
    "errors": _confusion(),
    "label": OF_SITUATIONS["own"],
    "predict": _prediction(),
    "pseudo_labels": of_method("self_training", "few"),
    "runs": _rows(),
    "space": OF_SITUATIONS["few"],
    "train": _learning_curve(),
    "tune": _trials(),
}

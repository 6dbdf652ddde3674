"""The images of the ideas: small drawings in SVG, in colors that stand out on light and on dark ground."""

from __future__ import annotations

from ui.style.colors import CLASS_COLORS, GREEN, MUTED
from ui.style.svg import arrow, bar, dot, square, svg_image

A, B = CLASS_COLORS[0], CLASS_COLORS[1]
_POINTS = (
    (20, 52),
    (34, 30),
    (48, 60),
    (40, 44),
    (62, 38),
    (58, 62),
    (120, 30),
    (134, 50),
    (148, 34),
    (156, 58),
    (172, 44),
    (140, 66),
)


def _few_labels() -> str:
    dots = "".join(dot(x, y, A if x < 100 else B) for x, y in _POINTS)
    line = f'<path d="M96 8 C 88 30, 108 54, 98 78" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    return svg_image(
        dots + line + dot(40, 44, A, True) + dot(148, 34, B, True),
        "two groups of points, one label each, and the border between the groups",
    )


def _labels_alone() -> str:
    dots = "".join(dot(x, y, MUTED) for x, y in _POINTS)
    line = f'<path d="M52 8 L 136 78" fill="none" stroke="{GREEN}" stroke-width="2.5" stroke-dasharray="5 4"/>'
    return svg_image(
        dots + line + dot(40, 44, A, True) + dot(148, 34, B, True),
        "the same points, but only the two labeled ones count",
    )


def _no_labels() -> str:
    pairs = (((36, 24), (58, 40)), ((30, 60), (54, 66)), ((140, 22), (164, 34)), ((132, 62), (158, 56)))
    drawn = "".join(
        f'<path d="M{a[0]} {a[1]} L {b[0]} {b[1]}" stroke="{GREEN}" stroke-width="2.5"/>'
        + dot(*a, MUTED)
        + dot(*b, MUTED)
        for a, b in pairs
    )
    apart = (
        f'<path d="M80 42 L 116 42 M86 37 L 80 42 L 86 47 M110 37 L 116 42 L 110 47" fill="none" stroke="{MUTED}"'
        ' stroke-width="2"/>'
    )
    return svg_image(
        drawn + apart, "pairs of points without labels: the two of a pair belong together, different pairs apart"
    )


def _candidates(weights: tuple[tuple[float, float], ...], label: str) -> str:
    drawn = "".join(
        dot(28, y + 6, MUTED) + bar(50, y, 60 * a, A) + bar(122, y, 60 * b, B)
        for y, (a, b) in zip((16, 38, 60), weights, strict=True)
    )
    return svg_image(drawn, label)


def _several_labels() -> str:
    return _candidates(
        ((1.0, 0.25), (0.7, 0.5), (0.3, 0.9)), "three points, each with two possible labels of different weight"
    )


def _all_labels() -> str:
    return _candidates(
        ((1.0, 1.0), (1.0, 1.0), (1.0, 1.0)), "three points, each with two possible labels that count alike"
    )


def _layers(learning: bool) -> str:
    color = GREEN if learning else MUTED
    return "".join(
        f'<rect x="{x}" y="{42 - h / 2}" width="16" height="{h}" rx="3" fill="{color}" opacity="{o}"/>'
        for x, h, o in ((30, 64, 0.45), (56, 52, 0.6), (82, 40, 0.8))
    )


def _a_model() -> str:
    return svg_image(
        _layers(False) + arrow(106, 42) + dot(152, 30, A) + dot(152, 54, B),
        "the layers of a network that was trained before, and two new classes behind it",
    )


def _frozen() -> str:
    line = f'<path d="M124 18 L 184 66" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    points = "".join(
        dot(x, y, A if x - 124 > (y - 18) * 1.25 else B)
        for x, y in ((150, 24), (170, 34), (176, 20), (130, 44), (146, 60), (132, 66))
    )
    return svg_image(
        _layers(False) + line + points,
        "the layers of a network that stay as they are, and a straight border between the points behind them",
    )


def _tuned() -> str:
    return svg_image(
        _layers(True) + arrow(106, 42) + dot(152, 30, A) + dot(152, 54, B),
        "the layers of a network, all of which go on learning, and two new classes behind it",
    )


def _own_answers() -> str:
    confident = {(34, 30), (48, 60), (62, 38), (134, 50), (156, 58), (172, 44)}
    dots = "".join(dot(x, y, (A if x < 100 else B) if (x, y) in confident else MUTED) for x, y in _POINTS)
    near = "".join(
        f'<path d="M{a} {b} L {x} {y}" stroke="{GREEN}" stroke-width="2"/>'
        for x, y in sorted(confident)
        for a, b in [(40, 44) if x < 100 else (148, 34)]
    )
    return svg_image(
        near + dots + dot(40, 44, A, True) + dot(148, 34, B, True),
        "two labeled points, and around them those that the network predicts with confidence",
    )


def _two_views() -> str:
    def shape(x: float, y: float, turn: float, opacity: float) -> str:
        return (
            f'<g transform="rotate({turn} {x + 11} {y + 11})"><rect x="{x}" y="{y}" width="22" height="22" rx="3"'
            f' fill="{A}" opacity="{opacity}"/></g>'
        )

    image = shape(16, 31, 0, 1)
    weak = f'<path d="M44 36 L 66 24" stroke="{MUTED}" stroke-width="2"/>' + shape(70, 10, 4, 1)
    strong = f'<path d="M44 48 L 66 60" stroke="{MUTED}" stroke-width="2"/>' + shape(70, 52, 38, 0.45)
    answers = bar(132, 15, 50, A) + bar(132, 57, 50, A)
    ties = (
        arrow(100, 21, MUTED)
        + arrow(100, 63, MUTED)
        + f'<path d="M157 30 L 157 54 m -5 -6 l 5 6 l 5 -6" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    )
    return svg_image(
        image + weak + strong + answers + ties,
        "one image, slightly and strongly changed: what the network says of the first it must say of the second",
    )


def _blended() -> str:
    first = f'<rect x="16" y="12" width="22" height="22" rx="3" fill="{A}"/>'
    second = f'<circle cx="27" cy="61" r="11" fill="{B}"/>'
    mixed = (
        f'<rect x="84" y="31" width="22" height="22" rx="3" fill="{A}" opacity="0.65"/>'
        f'<circle cx="95" cy="42" r="11" fill="{B}" opacity="0.55"/>'
    )
    lines = f'<path d="M44 24 L 78 38 M44 60 L 78 46" stroke="{MUTED}" stroke-width="2"/>'
    answer = bar(146, 36, 26, A) + bar(172, 36, 18, B)
    return svg_image(
        first + second + lines + mixed + arrow(114, 42) + answer,
        "two images blended into one, whose prediction must be blended in the same shares",
    )


def _average_of_itself() -> str:
    fast = "".join(dot(x, y, MUTED) for x, y in ((18, 62), (42, 26), (66, 58), (90, 22), (114, 48), (138, 28)))
    path = f'<path d="M18 62 L 42 26 L 66 58 L 90 22 L 114 48 L 138 28" fill="none" stroke="{MUTED}" stroke-width="2"/>'
    slow = f'<path d="M18 60 C 60 44, 100 40, 150 36" fill="none" stroke="{GREEN}" stroke-width="3"/>'
    return svg_image(
        path + fast + slow + dot(158, 35, A, True),
        "a path that jumps to and fro, and its moving average, which is what it is held to",
    )


def _pushed() -> str:
    line = f'<path d="M96 8 C 88 30, 108 54, 98 78" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    circle = f'<circle cx="74" cy="42" r="20" fill="none" stroke="{MUTED}" stroke-width="2" stroke-dasharray="4 3"/>'
    return svg_image(
        line + circle + dot(74, 42, A, True) + dot(34, 30, A) + dot(40, 60, A) + dot(140, 34, B) + dot(152, 58, B),
        "a point, and how far it may be pushed in any direction without crossing the border",
    )


def _ties() -> str:
    lines = "".join(
        f'<path d="M{a[0]} {a[1]} L {b[0]} {b[1]}" stroke="{GREEN}" stroke-width="2"/>'
        for a in _POINTS
        for b in _POINTS
        if a < b and (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2 < 900
    )
    dots = "".join(dot(x, y, A if x < 100 else B) for x, y in _POINTS)
    return svg_image(
        lines + dots + dot(40, 44, A, True) + dot(148, 34, B, True),
        "points tied to their neighbors, and two labels that have spread along the ties",
    )


def _two_gaussians() -> str:
    dots = "".join(dot(x, y, A if x < 100 else B) for x, y in _POINTS)
    rings = "".join(
        f'<ellipse cx="{x}" cy="{y}" rx="{rx * size}" ry="{26 * size}" fill="none" stroke="{GREEN}" stroke-width="2"/>'
        for x, y, rx in ((44, 46, 36), (146, 46, 40))
        for size in (0.5, 1)
    )
    return svg_image(
        rings + dots + dot(40, 44, A, True) + dot(148, 34, B, True),
        "two groups of points, one label each, and the contours of a Gaussian around each group",
    )


def _drawn_again() -> str:
    def image(x: float, opacity: float) -> str:
        return (
            f'<rect x="{x}" y="26" width="32" height="32" rx="4" fill="none" stroke="{MUTED}" stroke-width="2.5"/>'
            f'<path d="M{x + 8} 50 l 8 -18 l 8 18" fill="none" stroke="{A}" stroke-width="4" opacity="{opacity}"/>'
        )

    causes = dot(100, 30, A, True) + dot(100, 54, MUTED)
    return svg_image(
        image(8, 1) + arrow(52, 42) + causes + arrow(120, 42) + image(160, 0.6),
        "an image, the class and the style that it is reduced to, and the image drawn again from these two",
    )


def _own_photos() -> str:
    def photo(x: float, y: float, sky: str) -> str:
        return (
            f'<rect x="{x}" y="{y}" width="40" height="30" rx="4" fill="none" stroke="{MUTED}" stroke-width="2.5"/>'
            f'<circle cx="{x + 30}" cy="{y + 9}" r="4" fill="{sky}"/>'
            f'<path d="M{x + 4} {y + 26} l 11 -13 l 9 9 l 5 -5 l 7 9" fill="none" stroke="{sky}" stroke-width="2.5"/>'
        )

    photos = photo(16, 8, MUTED) + photo(80, 8, A) + photo(144, 8, MUTED) + photo(16, 46, B) + photo(80, 46, MUTED)
    return svg_image(photos + photo(144, 46, MUTED), "six photos, two of which have a label")


def _rotations() -> str:
    turned = "".join(
        f'<g transform="rotate({-90 * n} {34 + 44 * n} 42)">{square(18 + 44 * n, 26, 32, A, 0.35)}'
        f'<path d="M{26 + 44 * n} 48 l 8 -14 l 8 14 Z" fill="{A}"/></g>'
        for n in range(4)
    )
    return svg_image(turned, "one image, rotated by 0, 90, 180 and 270 degrees")


def _puzzle() -> str:
    places, opacities = ((0, 0), (1, 0), (0, 1), (1, 1)), (1, 0.75, 0.5, 0.25)

    def tiles(left: float, order: tuple[int, ...]) -> str:
        return "".join(
            square(left + 30 * x, 13 + 30 * y, 26, A, opacities[n]) for (x, y), n in zip(places, order, strict=True)
        )

    return svg_image(
        tiles(16, (2, 0, 3, 1)) + arrow(88, 41) + tiles(128, (0, 1, 2, 3)), "shuffled tiles, put back in order"
    )


def _hidden_patches() -> str:
    def patches(left: float, visible: set[int]) -> str:
        return "".join(
            square(
                left + 15 * (n % 4), 12 + 15 * (n // 4), 13, A if n in visible else MUTED, 1 if n in visible else 0.4
            )
            for n in range(16)
        )

    return svg_image(
        patches(16, {2, 7, 8, 13}) + arrow(88, 41) + patches(126, set(range(16))),
        "an image of which a few patches are visible, and all of it reconstructed",
    )


def _predicted_views(follows: bool) -> str:
    """Two views, what networks make of each, and the arrow of the prediction; follows: the second network is a slow
    copy of the first.
    """
    views = square(14, 10, 22, A) + f'<g transform="rotate(25 25 63)">{square(14, 52, 22, A, 0.6)}</g>'
    networks = "".join(
        f'<rect x="72" y="{y}" width="34" height="26" rx="4" fill="{color}" opacity="0.7"/>'
        for y, color in ((8, GREEN), (50, MUTED if follows else GREEN))
    )
    tie = f'<path d="M89 36 l 0 12" stroke="{MUTED}" stroke-width="2.5" stroke-dasharray="3 3"/>' if follows else ""
    ways = "".join(arrow(x, y, MUTED) for y in (21, 63) for x in (41, 110))
    match = f'<path d="M158 30 l 0 22 m -5 -6 l 5 6 l 5 -6" fill="none" stroke="{GREEN}" stroke-width="2.5"/>'
    return svg_image(
        views + networks + tie + ways + dot(158, 21, A) + dot(158, 63, A) + match,
        "two views of one image: "
        + (
            "a network predicts what a slow copy of it makes of the other" if follows else "one network sees them alike"
        ),
    )


OF_SITUATIONS = {
    "own": _own_photos(),
    "few": _few_labels(),
    "none": _no_labels(),
    "partial": _several_labels(),
    "model": _a_model(),
}
_OF_METHODS = {
    "supervised": _labels_alone(),
    "pseudo_label": _own_answers(),
    **dict.fromkeys(
        (
            *("fixmatch", "uda", "flexmatch", "freematch", "softmatch", "dash", "adamatch"),
            *("comatch", "simmatch", "remixmatch", "crmatch", "openmatch", "meta_pseudo_labels"),
        ),
        _two_views(),
    ),
    **dict.fromkeys(("pi_model", "temporal_ensembling", "mean_teacher"), _average_of_itself()),
    **dict.fromkeys(("mixmatch", "ict"), _blended()),
    "vat": _pushed(),
    "label_propagation": _ties(),
    "label_spreading": _ties(),
    "simclr": _no_labels(),
    "proden": _several_labels(),
    "all_candidates": _all_labels(),
    "rc": _several_labels(),
    "cc": _several_labels(),
    "lws": _several_labels(),
    "pico": _several_labels(),
    "linear_probe": _frozen(),
    "self_training_probe": _own_answers(),
    "fine_tune": _tuned(),
    "rotation": _rotations(),
    "jigsaw": _puzzle(),
    "mae": _hidden_patches(),
    "byol": _predicted_views(follows=True),
    "moco": _predicted_views(follows=True),
    "dino": _predicted_views(follows=True),
    "simsiam": _predicted_views(follows=False),
    "barlow_twins": _predicted_views(follows=False),
    "vicreg": _predicted_views(follows=False),
    "swav": _predicted_views(follows=False),
    "self_training": _own_answers(),
    "crest": _own_answers(),
    "knn": _ties(),
    "poisson_learning": _ties(),
    "gaussian_mixture": _two_gaussians(),
    "vae_m2": _drawn_again(),
}


def of_method(method: str, have: str) -> str:
    """The image of a method's idea; of a method that has none, the image of what it is made for."""
    return _OF_METHODS.get(method) or OF_SITUATIONS[have]

"""A run as it trains: progress, headline figures, live curves, confidence histogram and the images it labeled just
now.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from engine.analysis.collapse import collapse_warning
from engine.errors import FewLabError
from engine.runs.folder import Change, RunFolder, Status
from engine.runs.journal import Row
from engine.runs.store import Run
from engine.runs.stored_images import StoredImages, load_stored_images
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.figures.candidate_bars import bars
from ui.figures.classification import confidence_histogram
from ui.figures.curves import Mark, Series, line_chart
from ui.shell.page import plain
from ui.style import colors, formatting

_LOSSES = ("loss/labeled", "loss/unlabeled", "change")
_ACCURACIES: tuple[tuple[str, str, str, colors.Dash], ...] = (
    ("test/accuracy", "test accuracy", colors.RIGHT, "solid"),
    ("validation/accuracy", "validation accuracy", colors.MUTED, "dot"),
    ("pseudo_label/accuracy", "guesses right", colors.GREEN, "dash"),
    ("candidates/identified", "true candidate on top", colors.PURPLE, "dashdot"),
    ("test/knn_1_per_class", "1-NN, 1 label per class", colors.WRONG, "solid"),
    ("test/knn_5_per_class", "1-NN, 5 labels per class", colors.PURPLE, "dash"),
    ("test/knn_full", "20-NN, all labels", colors.MUTED, "dot"),
)
_SHARES: tuple[tuple[str, str, str], ...] = (
    ("mask_rate", "used", "Mask rate: guesses sure enough to be used"),
    ("candidates/ambiguity", "ambiguity left", "Ambiguity: 100 % undecided, 0 % decided"),
    ("embedding/spread", "spread", "Spread of the embedding: near 0 all images look alike to it"),
)
_TILES: dict[str, tuple[tuple[str, str], ...]] = {
    "guesses": (
        ("Test accuracy", "test/accuracy"),
        ("Pseudo-labels used", "mask_rate"),
        ("Of them right", "pseudo_label/accuracy"),
    ),
    "answers": (
        ("Test accuracy", "test/accuracy"),
        ("Validation accuracy", "validation/accuracy"),
        ("Guesses right", "pseudo_label/accuracy"),
    ),
    "partial": (
        ("Test accuracy", "test/accuracy"),
        ("True candidate on top", "candidates/identified"),
        ("Ambiguity left", "candidates/ambiguity"),
    ),
    "none": (
        ("1-NN, 1 label per class", "test/knn_1_per_class"),
        ("1-NN, 5 labels per class", "test/knn_5_per_class"),
        ("Linear probe, all labels", "test/accuracy"),
    ),
}
_LATEST = 24  # images in the gallery of pseudo-labels
_PAIRS = 6


def polling_interval(run: Run) -> float | None:
    """Seconds between two looks at a run: quick until its first point, then seldom, because every look costs the
    training some speed.
    """
    status = run.status
    if not status.active:
        return None
    if status.state == "queued" and status.order < time.time() - 5:
        return 2.0  # it waits behind another run
    if status.state == "queued" or status.step == 0:
        return 0.25
    return 1.0 if status.seconds < 10 else 2.0


@dataclass(frozen=True)
class Story:
    """A run's journal, read once per look."""

    run: Run
    metrics: list[Row]
    events: list[Row]
    changes: list[Change]

    @staticmethod
    def read(run: Run) -> Story:
        return Story(run, run.folder.metrics(), run.folder.events(), run.folder.changes())

    def column(self, name: str) -> tuple[list[int], list[float]]:
        rows = [row for row in self.metrics if row.get(name) is not None]
        return [row["step"] for row in rows], [row[name] for row in rows]

    def latest(self, name: str, step: int | None = None) -> float | None:
        """The last value at or before `step`."""
        values = [
            row[name] for row in self.metrics if row.get(name) is not None and (step is None or row["step"] <= step)
        ]
        return values[-1] if values else None

    @property
    def marks(self) -> list[Mark]:
        return [Mark(change.step, f"{_short(change.key)} {_number(change.value)}") for change in self.changes]

    @property
    def refused(self) -> str | None:
        """Why the last change that was asked for was not made; None if it was made."""
        asked = [event for event in self.events if event.get("event") in ("change", "refused")]
        return str(asked[-1].get("reason")) if asked and asked[-1]["event"] == "refused" else None


def _number(value: Any) -> str:
    return formatting.decimal(float(value)) if isinstance(value, (int, float)) else str(value)


def _short(key: str) -> str:
    return {"method.threshold": "τ", "method.unlabeled_weight": "λ", "optimizer.lr": "η"}.get(
        key, key.split(".")[-1].replace("_", " ")
    )


def progress(status: Status) -> None:
    """Bar, steps, time left, speed; or the state and its reason."""
    words = f"step {formatting.count(status.step)} of {formatting.count(status.steps)}"
    if status.state == "running" and status.step >= status.steps:
        st.progress(1.0, text=f"{words} · measuring what was learned …")
    elif status.state in ("running", "paused"):
        left = status.seconds / status.step * (status.steps - status.step) if status.step else None
        more = [
            words,
            f"{formatting.duration(left)} left" if left is not None else "starting",
            formatting.speed(status.images_per_second) if status.images_per_second else "",
        ]
        lead = "Paused · " if status.state == "paused" else ""
        st.progress(min(1.0, status.step / max(1, status.steps)), text=lead + " · ".join(part for part in more if part))
    elif status.state == "queued":
        st.progress(0.0, text="Waiting for its turn …")
    elif status.state == "finished":
        st.progress(
            1.0,
            text=(
                f"Finished: {words} in {formatting.duration(status.seconds)} ·"
                f" {formatting.speed(status.images_per_second)}"
            ),
        )
        if status.reason:
            st.warning(plain(status.reason), icon=":material/hourglass_disabled:")
    elif status.state == "failed":
        st.error(plain(status.reason), icon=":material/error:")
    else:
        st.progress(
            min(1.0, status.step / max(1, status.steps)),
            text=f"{status.state.capitalize()} at {words}. {plain(status.reason)}".strip(),
        )
    if status.state == "running" and time.time() - status.heartbeat > 30:
        st.warning(
            "Nothing was heard of this run for half a minute: its process may be gone. It goes on after FewLab is"
            " started again."
        )


def tiles(story: Story, ghost: Story | None) -> None:
    """Test accuracy, share of pseudo-labels used, share of them right; deltas against the ghost at the same step."""
    kind = (story.run.config["data"].get("labels") or {}).get("kind")
    guesses = story.latest("mask_rate") is not None or not story.metrics
    shown = _TILES.get(str(kind)) or _TILES["guesses" if guesses else "answers"]
    if kind in ("few", "all") and not guesses:  # a method that guesses nothing has no guesses to be right
        shown = tuple(tile for tile in shown if story.latest(tile[1]) is not None or tile[1] != "pseudo_label/accuracy")
    for column, (title, name) in zip(st.columns(3), shown, strict=False):
        value = story.latest(name)
        before = ghost.latest(name, story.run.status.step) if ghost is not None else None
        delta = f"{formatting.points(value - before)} points" if value is not None and before is not None else None
        column.metric(title, formatting.percent(value), delta, help=_HELP.get(name))
    spreads, ranks = story.column("embedding/spread")[1], story.column("embedding/rank")[1]
    warning = collapse_warning(spreads, ranks) if spreads else None
    if warning:
        st.warning(warning, icon=":material/compress:")


_HELP = {
    "test/accuracy": (
        "Share of the test images that the averaged network gets right. Test images are never trained on; do not"
        " choose settings by them."
    ),
    "mask_rate": "Share of the unlabeled images of a step whose guess reached the threshold.",
    "candidates/identified": (
        "Share of the images with several candidates whose heaviest one is the true label. The method itself never"
        " sees this."
    ),
    "candidates/ambiguity": "How undecided the weights still are: 100 % all candidates alike, 0 % one candidate left.",
    "test/knn_1_per_class": (
        "Each test image gets the label of its nearest labeled one, with one label per class; mean over five fixed"
        " draws."
    ),
    "test/knn_5_per_class": (
        "Each test image gets the label of its nearest labeled one, with five labels per class; mean over five fixed"
        " draws."
    ),
    "test/knn_full": (
        "Twenty nearest training images vote, all labels known. With so many labels even poor features look good."
    ),
    "pseudo_label/accuracy": (
        "Of the guesses that were used, the share that is right. The method itself never sees this."
    ),
}


def curves(story: Story, ghost: Story | None, key: str) -> None:
    """Loss, accuracy and mask rate, with the ghost behind and a mark at every live change."""
    run = story.run
    steps = max(run.status.steps, ghost.run.status.steps if ghost else 0)
    share = next((name for name, _, _ in _SHARES if story.latest(name) is not None), None)
    (losses, accuracies, shares), (old_losses, old_accuracies, old_shares) = (
        _series(story, share),
        _series(ghost, share),
    )
    marks = story.marks
    left, right = st.columns(2)
    with left:
        left_over = (
            story.latest("change") is not None
        )  # of a fitted method: what is still to be spread, as a share of the start
        title, unit = (
            ("Left to spread: 0 is at rest", "share") if left_over else ("Loss: what training lowers", "loss (nats)")
        )
        figure = line_chart(title, unit, losses, old_losses, marks, x_max=steps)
        live_figure(figure, key=f"{key}_loss", revision=run.id, height=280)
    with right:
        figure = line_chart(
            "Accuracy: what it is for", "share right", accuracies, old_accuracies, marks, percent=True, x_max=steps
        )
        live_figure(figure, key=f"{key}_accuracy", revision=run.id, height=280)
    if unknown := story.latest("unknown"):
        st.caption(
            f"No chain of neighbors leads from a label to {formatting.percent(unknown)} of the images: they stay"
            " unknown, all classes alike. More neighbors reach more of them."
        )
    if not shares:
        return
    left, right = st.columns(2)
    with left:
        title = next(title for name, _, title in _SHARES if name == share)
        figure = line_chart(title, "share", shares, old_shares, marks, percent=True, x_max=steps)
        live_figure(figure, key=f"{key}_mask", revision=run.id, height=260)
    with right:
        if story.latest("candidates/ambiguity") is not None:
            candidate_bars(run, key)
        elif story.latest("mask_rate") is not None:
            histogram(run, key)
        else:
            rank(story, steps, key)


def _series(story: Story | None, share: str | None) -> tuple[list[Series], list[Series], list[Series]]:
    """Losses, accuracies and one share; what a run has not got is left out."""
    if story is None:
        return [], [], []
    losses = [(colors.metric_name(name), name, colors.line_color(name), colors.line_dash(name)) for name in _LOSSES]
    accuracies = [(title, name, color, dash) for name, title, color, dash in _ACCURACIES]
    shares = [
        (title, name, colors.line_color("mask_rate"), colors.line_dash("loss"))
        for name, title, _ in _SHARES
        if name == share
    ]
    if story.latest("test/knn_full") is not None:  # the linear probe at the end is one point and no curve
        accuracies = [one for one in accuracies if "knn" in one[1]]
    drawn = [
        [
            Series(title, *story.column(name), color, dash)
            for title, name, color, dash in group
            if story.latest(name) is not None
        ]
        for group in (losses, accuracies, shares)
    ]
    return drawn[0], drawn[1], drawn[2]


def rank(story: Story, steps: int, key: str) -> None:
    """How many directions an embedding uses: a second figure of collapse."""
    drawn = [Series("directions in use", *story.column("embedding/rank"), colors.GREEN)]
    live_figure(
        line_chart("Rank of the embedding: directions in use", "directions", drawn, x_max=steps),
        key=f"{key}_rank",
        revision=story.run.id,
        height=260,
    )


def candidate_bars(run: Run, key: str) -> None:
    """A few images with the weights of their candidates at the newest evaluation, the true one marked where it is
    known.
    """
    found = latest_snapshot(run)
    images = stored_images_of(run, run.folder.events())
    if found is None or images is None or "candidate_weights" not in found[1]:
        st.caption("The weights of the candidates appear after the first evaluation.")
        return
    arrays = found[1]
    several = np.flatnonzero(arrays["candidate_sets"].sum(1) > 1)
    chosen = (
        several[np.linspace(0, len(several) - 1, min(_BARS, len(several))).astype(int)] if len(several) else several
    )
    st.markdown("**What it believes of the candidates** (the true one marked ✓)")
    for i in chosen:
        row = int(images.rows(arrays["candidate_ids"][i : i + 1])[0])
        truth = int(images.labels[row])
        inside = np.flatnonzero(arrays["candidate_sets"][i])
        order = inside[np.argsort(-arrays["candidate_weights"][i][inside].astype(float), kind="stable")][:5]
        weights = [
            (images.class_names[k] + (" ✓" if k == truth else ""), float(arrays["candidate_weights"][i][k]))
            for k in order
        ]
        left, right = st.columns([1, 6], vertical_alignment="center")
        left.image(image_uri(np.asarray(images.images[row])), width=40)
        right.image(bars(weights), width="stretch")


_BARS = 5


@st.cache_data(max_entries=16, show_spinner=False)
def _snapshot(run_id: str, step: int, size: int, _folder: RunFolder) -> dict[str, Any]:
    return _folder.snapshot(step)


def latest_snapshot(run: Run) -> tuple[int, dict[str, Any]] | None:
    """Step and arrays of the newest evaluation, or None before the first."""
    steps = run.folder.snapshot_steps()
    if not steps:
        return None
    file = run.folder.snapshots / f"{steps[-1]:08d}.npz"
    try:
        return steps[-1], _snapshot(run.id, steps[-1], file.stat().st_mtime_ns, run.folder)
    except (FewLabError, OSError):  # being written anew by a resumed run
        return None


def stored_images_of(run: Run, events: list[Row]) -> StoredImages | None:
    """The run's images, or None if they are not cached here."""
    found = next((event["pictures"] for event in events if event.get("pictures")), None)
    if found is None:
        return None
    try:
        return load_stored_images(run.folder.path.parent, found)
    except FewLabError:
        return None


def histogram(run: Run, key: str) -> None:
    """How sure the recent guesses were, right and wrong stacked, with the threshold drawn in."""
    found = latest_snapshot(run)
    if found is None or "pseudo_confidence" not in found[1]:
        st.caption(
            "The confidence histogram appears after the first evaluation."
            if found is None
            else "No guess was made between the last two evaluations."
        )
        return
    _, arrays = found
    images = stored_images_of(run, run.folder.events())
    confidence, labels = arrays["pseudo_confidence"].astype(float), arrays["pseudo_labels"]
    truth = images.labels[images.rows(arrays["pseudo_ids"])] if images is not None else np.full(len(labels), -1)
    edges = np.linspace(0, 1, 21)
    right, wrong, unknown = (
        np.histogram(confidence[chosen], edges)[0]
        for chosen in ((truth == labels), (truth >= 0) & (truth != labels), truth < 0)
    )
    threshold = float(arrays["pseudo_threshold"][-1]) if "pseudo_threshold" in arrays else None
    figure = confidence_histogram(right, wrong, unknown if unknown.any() else None, edges, threshold)
    live_figure(figure, key=f"{key}_histogram", revision=run.id, height=260)


def pseudo_label_gallery(run: Run, key: str) -> None:
    """The images it labeled just now, most confident first, and the pair of views it compared."""
    found = latest_snapshot(run)
    images = stored_images_of(run, run.folder.events())
    if found is None or images is None:
        return
    step, arrays = found
    if "pseudo_ids" in arrays:
        used = np.flatnonzero(arrays["pseudo_weight"] > 0)[-_LATEST:]
        st.markdown(
            f"**Images it labeled just now** (step {formatting.count(step)})"
            if len(used)
            else "**No guess was sure enough yet to be used**"
        )
        items = []
        for i in used[np.argsort(-arrays["pseudo_confidence"][used], kind="stable")]:
            row = int(images.rows(arrays["pseudo_ids"][i : i + 1])[0])
            label, truth = int(arrays["pseudo_labels"][i]), int(images.labels[row])
            verdict = "" if truth < 0 else ("✓ " if truth == label else f"✗ is {images.class_names[truth]}, not ")
            border = colors.UNKNOWN if truth < 0 else colors.RIGHT if truth == label else colors.WRONG
            lines = (verdict + images.class_names[label], formatting.percent(float(arrays["pseudo_confidence"][i])))
            items.append(
                GalleryItem(
                    int(i),
                    image_uri(np.asarray(images.images[row])),
                    lines,
                    border,
                    "solid" if truth in (-1, label) else "dashed",
                )
            )
        gallery(items, key=f"{key}_gallery", thumb=56)
    views = sorted(
        (name for name in arrays if name.startswith("view_") and name != "view_ids"),
        key=lambda name: (name == "view_strong", name),
    )
    if views:
        st.markdown(f"**{_WHAT_VIEWS_ARE.get(tuple(views), _SHOWN_TO_IT)}**")
        items = [
            GalleryItem(
                len(views) * i + j,
                image_uri(arrays[name][i]),
                (name.removeprefix("view_").replace("simclr_", "view "),),
                colors.MUTED,
            )
            for i in range(min(_PAIRS, len(arrays[views[0]])))
            for j, name in enumerate(views)
        ]
        gallery(items, key=f"{key}_views", thumb=56)


_SHOWN_TO_IT = "What the network was shown"
_WHAT_VIEWS_ARE: dict[tuple[str, ...], str] = {
    ("view_weak", "view_strong"): "The pairs it compared: the weak view gives the label, the strong view must agree",
    (
        "view_simclr_1",
        "view_simclr_2",
    ): "The pairs it compared: two views of one image must find each other among all others",
}

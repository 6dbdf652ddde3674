"""Errors: what a run takes for what, with the images behind every number."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.metrics import calibration, confusion, error_of, per_class
from engine.analysis.roc import roc_curves
from engine.analysis.temperature import fit_temperature, scaled
from engine.runs.store import Run
from ui.components.live_figure import live_figure
from ui.figures.classification import CELLS_UP_TO, confusion_matrix
from ui.figures.curves import Series, line_chart
from ui.figures.frame import shorten_unique
from ui.figures.pseudo_labels import reliability_diagram
from ui.runs.image_gallery import Shown, image_gallery
from ui.runs.image_history import biography
from ui.runs.run_bar import Inside, elsewhere, evaluation, look_into, opened, play_interval, same_images
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import header, how_it_works, mistakes, nothing_yet, plain
from ui.shell.remembered import address, follow, keep, kept, one_of
from ui.shell.server import lab
from ui.style import colors, formatting

header("Errors", "See what is taken for what, and open the images behind every number.")
_KEY = "errors"
_GALLERY = 36
_CURVES = 5  # ROC curves that are drawn unless others are chosen
Ids = NDArray[np.int64]
Floats = NDArray[np.floating[Any]]


def known(inside: Inside, step: int, part: str) -> tuple[Ids, Floats, Ids]:
    """Ids, probabilities and true labels of the images of a part whose label is known."""
    ids, probabilities = inside.part(step, part)
    truth = inside.truth(ids)
    return ids[truth >= 0], probabilities[truth >= 0], truth[truth >= 0]


def commonest_mistake(counts: Ids) -> tuple[int, int] | None:
    """True and predicted class; None where nothing is mistaken. counts: int64 [K, K]."""
    wrong = counts - np.diag(np.diag(counts))
    true, taken = divmod(int(wrong.argmax()), len(wrong))
    return (true, taken) if wrong.any() else None


def cell_of(classes: int) -> Callable[[str], tuple[int, int]]:
    """Reads "(3, 8)", as a link has it: true and predicted class."""

    def read(text: str) -> tuple[int, int]:
        true, taken = (int(part) for part in text.strip("()").split(","))
        if not (0 <= true < classes and 0 <= taken < classes):
            raise ValueError(text)
        return true, taken

    return read


def matrix(inside: Inside, ids: Ids, probabilities: Floats, truth: Ids, part: str, step: int) -> None:
    counts = confusion(probabilities, truth)
    left, right = st.columns([3, 2])
    place = f"{_KEY}_cell_{inside.run.id}"
    follow("cell", place, inside.run.id, cell_of(len(inside.class_names)))
    with left:
        shares = False
        if len(inside.class_names) <= CELLS_UP_TO:
            words = {False: "counts", True: "shares of the true class"}
            shares = bool(
                st.segmented_control(
                    "Numbers in the cells",
                    list(words),
                    default=False,
                    format_func=lambda one: words[one],
                    key=f"{_KEY}_shares",
                )
            )
        drawn = confusion_matrix(counts, inside.class_names, shares=shares)
        clicked = live_figure(
            drawn,
            key=f"{_KEY}_matrix",
            revision=inside.run.id,
            height=460 if len(inside.class_names) <= CELLS_UP_TO else 640,
            clickable=True,
        )
        if clicked is not None and clicked["customdata"]:
            keep(place, (int(clicked["customdata"][0]), int(clicked["customdata"][1])))
    with right:
        chosen_cell: tuple[int, int] | None = kept(place, None)
        cell = chosen_cell or commonest_mistake(counts)
        address("cell", chosen_cell)
        if cell is None:
            st.success("Nothing is mistaken here.", icon=":material/check:")
            return
        true, taken = cell
        names = plain(inside.class_names[true]), plain(inside.class_names[taken])
        chosen = np.flatnonzero((truth == true) & (probabilities.argmax(1) == taken))
        st.markdown(
            f"**{len(chosen)} of {counts[true].sum()}: {names[0]}"
            + (f", taken for {names[1]}**" if true != taken else ", and recognized**")
        )
        st.caption("The commonest mistake; choose a cell to open its images." if chosen_cell is None else "")
        shown = [
            one(inside, int(ids[i]), int(truth[i]), int(taken), float(probabilities[i].max()))
            for i in chosen[np.argsort(-probabilities[chosen].max(1), kind="stable")]
        ]
        browse(inside, shown, part, step, "cell", narrow=True)


def browse(inside: Inside, shown: list[Shown], part: str, step: int, which: str, narrow: bool = False) -> None:
    """A gallery whose images open: the one that was chosen tells its life below."""
    if len(shown) > _GALLERY:
        st.caption(f"The first {_GALLERY} of {formatting.count(len(shown))}.")
        shown = shown[:_GALLERY]
    place = f"{_KEY}_image"
    before = st.session_state.get(place)
    chosen = (
        before[2]
        if before is not None and before[:2] == (inside.run.id, which) and any(one.id == before[2] for one in shown)
        else None
    )
    clicked = image_gallery(inside, shown, f"{_KEY}_{which}", selected=chosen)
    if clicked is not None:
        st.session_state[place] = (inside.run.id, which, clicked)
        st.rerun(scope="fragment")
    if chosen is not None:
        biography(inside, chosen, part, step, f"{_KEY}_{which}", narrow=narrow)


def one(inside: Inside, sample: int, truth: int, taken: int, confidence: float) -> Shown:
    return Shown(sample, truth, taken, (formatting.percent(confidence),))


def classes(inside: Inside, probabilities: Floats, truth: Ids) -> None:
    st.subheader("Class by class", anchor=False)
    table = per_class(confusion(probabilities, truth))
    taken = np.bincount(probabilities.argmax(1), minlength=len(inside.class_names))
    rows = []
    for k, name in enumerate(inside.class_names):
        there, asked = (
            table["support"][k] > 0,
            taken[k] > 0,
        )  # of a class without images, or that nothing is taken for, a share says nothing
        figures_of = {
            "precision": 100 * float(table["precision"][k]) if asked else None,
            "recall": 100 * float(table["recall"][k]) if there else None,
            "F1": 100 * float(table["f1"][k]) if there or asked else None,
        }
        rows.append({"class": name, **figures_of, "pictures": int(table["support"][k])})
    shares = {
        name: st.column_config.NumberColumn(name, format=formatting.PERCENT_COLUMN)
        for name in ("precision", "recall", "F1")
    }
    st.dataframe(rows, hide_index=True, width="stretch", column_config=shares, placeholder=formatting.NOTHING)


def rocs(inside: Inside, probabilities: Floats, truth: Ids) -> None:
    curves = roc_curves(probabilities, truth)
    there = [k for k, curve in enumerate(curves) if curve is not None]
    worst = sorted(there, key=lambda k: curves[k].area)[:_CURVES]  # type: ignore[union-attr]  # those in `there` have one
    picked = st.multiselect(
        "Classes",
        there,
        worst,
        format_func=lambda k: inside.class_names[k],
        key=f"{_KEY}_roc_{inside.run.id}",
        help="At first the five with the smallest area.",
    )
    series, names = [], shorten_unique(inside.class_names, 16)
    for number, k in enumerate(picked):
        curve = curves[k]
        assert curve is not None
        name = f"{names[k]}: {curve.area:.3f}"
        series.append(
            Series(
                name,
                curve.false_positives,
                curve.true_positives,
                colors.class_color(k),
                ("solid", "dash", "dot", "dashdot")[number % 4],
            )
        )
    mean = np.mean([curve.area for curve in curves if curve is not None]) if there else float("nan")
    title = f"ROC, one class against the rest: mean area {mean:.3f}"
    figure = line_chart(
        title,
        "found of the class",
        series,
        percent=True,
        x_max=1,
        x_title="taken for it of all others",
        x_format=".1%",
        markers=False,
    )
    live_figure(figure, key=f"{_KEY}_roc", revision=inside.run.id)


def reliability(inside: Inside, step: int, part: str, probabilities: Floats, truth: Ids) -> None:
    bins = calibration(probabilities.astype(np.float64), truth)
    tables = [("as it is", bins, error_of(bins), colors.RIGHT)]
    temperature, origin = None, ""
    if part != "validation":  # what it was fitted to would flatter it
        temperature, origin = cooling(inside, step)
    if temperature is not None:
        cooler = calibration(scaled(probabilities, temperature), truth)
        tables.append((f"at temperature {temperature:.2f}", cooler, error_of(cooler), colors.WRONG))
    live_figure(
        reliability_diagram(tables, "As sure as it is right? Bars below the line promise too much"),
        key=f"{_KEY}_reliability",
        revision=inside.run.id,
    )
    if temperature is not None:
        words = "too sure" if temperature > 1 else "not sure enough"
        st.caption(
            f"The temperature was fitted to {origin}: above 1 a model is too sure. This one is {words}. No answer"
            " changes by it."
        )


def cooling(inside: Inside, step: int) -> tuple[float | None, str]:
    """The temperature that is stored with the model, or of an earlier evaluation one fitted here; None without
    validation images. And what it was fitted to.
    """
    last = step == inside.steps[-1] and inside.run.status.state in (
        "finished",
        "stopped",
    )  # a resumed run has written no new model yet
    stored = inside.run.folder.model_about().get("temperature") if last else None
    if isinstance(stored, float):
        return stored, "all validation images, and is stored with the model"
    _, held, truth = known(inside, step, "validation")
    return (
        (fit_temperature(held, truth), f"the {formatting.count(len(truth))} validation images of this evaluation")
        if len(truth)
        else (None, "")
    )


def worst_mistakes(inside: Inside, ids: Ids, probabilities: Floats, truth: Ids, part: str, step: int) -> None:
    st.subheader("Most confident mistakes", anchor=False)
    taken, sure = probabilities.argmax(1), probabilities.max(1).astype(float)
    wrong = np.flatnonzero(taken != truth)
    shown = [
        one(inside, int(ids[i]), int(truth[i]), int(taken[i]), sure[i])
        for i in wrong[np.argsort(-sure[wrong], kind="stable")]
    ]
    if shown:
        browse(inside, shown, part, step, "worst")
    else:
        st.caption("No mistake among these images.")


def against(inside: Inside, others: list[Run], part: str, step: int) -> None:
    """Which images another run gets right that this one does not, and the other way round."""
    titles = run_titles(others)
    chosen = st.selectbox(
        "Another run, B",
        [None, *titles],
        format_func=lambda run_id: titles[run_id] if run_id else "none",
        key=f"{_KEY}_other",
    )
    if chosen is None:
        return
    other = opened(next(run for run in others if run.id == chosen))
    ids, probabilities, truth = known(inside, step, part)
    theirs, their_probabilities, _ = known(other, other.steps[-1], part)
    both, mine, yours = np.intersect1d(ids, theirs, return_indices=True)
    if not len(both):
        st.info("The other run has no answers for these images at its last evaluation.")
        return
    a, b, t = probabilities[mine].argmax(1), their_probabilities[yours].argmax(1), truth[mine]
    fixed, broken = np.flatnonzero((a != t) & (b == t)), np.flatnonzero((a == t) & (b != t))
    st.markdown(
        f"Of {formatting.count(len(both))} images that both looked at, B fixes **{len(fixed)}** and breaks"
        f" **{len(broken)}**."
    )
    st.caption(
        f"This run after step {formatting.count(step)}, B ({plain(run_name(other.run))}) after its last,"
        f" {formatting.count(other.steps[-1])}."
    )
    left, right = st.columns(2)
    for column, title, rows, key in ((left, "Fixed by B", fixed, "fixed"), (right, "Broken by B", broken, "broken")):
        with column:
            st.markdown(f"**{title}**")
            shown = [Shown(int(both[i]), int(t[i]), int(a[i]), (f"B: {inside.class_names[int(b[i])]}",)) for i in rows]
            if shown:
                browse(inside, shown, part, step, key, narrow=True)
            else:
                st.caption("None.")


def page(inside: Inside, others: list[Run]) -> None:
    step = evaluation(inside, _KEY)
    parts = [part for part in ("test", "validation") if len(known(inside, step, part)[0])]
    if not parts:
        if inside.images is None:
            st.info("The images of this run, and with them their true labels, are not on this machine.")
        elif not len(inside.part(step, "test")[0]) and not len(inside.part(step, "validation")[0]):
            st.info(
                "The network gave no answers at this evaluation: where it learns features alone, only the last one has"
                " them, by its probe."
            )
        else:
            st.info("No image with a known label was looked at: there is nothing to compare with.")
        return
    place = f"{_KEY}_part"
    follow("part", place, inside.run.id, one_of(parts))
    part = (
        st.segmented_control("Images", parts, default=kept(place, parts[0], parts), key=place)
        if len(parts) > 1
        else None
    ) or parts[0]
    keep(place, part, stands_in=part == parts[0] and kept(place, part) not in parts)
    address("part", part)
    ids, probabilities, truth = known(inside, step, part)
    right_ones = int((probabilities.argmax(1) == truth).sum())
    st.markdown(
        f"**{formatting.percent(right_ones / len(truth))}** right: {formatting.count(right_ones)} of"
        f" {formatting.count(len(truth))} {part} images of this evaluation."
    )
    everything, final = len(inside.run.folder.split()[part]), inside.run.status.metrics.get(f"{part}/accuracy")
    if everything > len(truth) and final is not None:
        st.caption(
            f"Evaluations keep a fixed sample of them. Over all {formatting.count(everything)}, the run ended at"
            f" {formatting.percent(final)}."
        )
    matrix(inside, ids, probabilities, truth, part, step)
    worst_mistakes(inside, ids, probabilities, truth, part, step)
    left, right = st.columns(2)
    with left:
        rocs(inside, probabilities, truth)
    with right:
        reliability(inside, step, part, probabilities, truth)
    classes(inside, probabilities, truth)
    st.subheader("Against another run", anchor=False)
    if others:
        against(inside, others, part, step)
    else:
        st.caption("A second run on the same images can be compared here.")


def guarded(inside: Inside, others: list[Run]) -> None:
    with mistakes():  # around the fragment it would see nothing: a fragment keeps its exceptions to itself
        page(inside, others)


runs = [run for run in lab().store.runs() if run.folder.snapshot_steps()]
if not runs:
    nothing_yet(
        "No run has been evaluated yet. Start one, and its mistakes can be looked at here.", ":material/troubleshoot:"
    )
else:
    with mistakes():
        found = look_into(runs)
        if found is not None:
            elsewhere(
                found.run,
                ["pages/train.py", "pages/pseudo_labels.py", "pages/space.py", "pages/compare.py", "pages/predict.py"],
            )
            st.fragment(guarded, run_every=play_interval(_KEY))(found, same_images(found, runs))

how_it_works(
    "A confusion matrix has a row for each true class and a column for each answer; what lies off the diagonal is"
    " mistaken. Each number opens its images.",
    "A ROC curve shows, for every threshold on one class's probability, how many of its images are found and how many"
    " others are taken for it; 1 is the best area, 0.5 is chance.",
    "Temperature scaling divides the logits by one number, fitted on validation images, so that the model is as sure"
    " as it is right. $$p_k \\propto \\exp(z_k / T)$$ Paper: Guo et al. 2017, arXiv:1706.04599",
)

"""The line with which every page that looks into a run begins: which run, which evaluation, the same run elsewhere; and
what its snapshots hold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from engine.analysis.prediction_history import Biographies, biographies
from engine.analysis.thresholds import Guesses
from engine.errors import FewLabError, RunError
from engine.runs.folder import PARTS, RunFolder
from engine.runs.store import Run
from engine.runs.stored_images import StoredImages
from ui.runs.current_run import open_page, pick_run
from ui.shell.remembered import address, follow, keep, kept, one_of
from ui.style import formatting
from ui.train.monitor import stored_images_of

_PLAY_EVERY = 0.7  # seconds an evaluation is shown for while it plays


@dataclass(frozen=True)
class Inside:
    """One run as the pages look into it: the evaluations it kept, and its images, or None where they are not on this
    machine.

    content: a hash of those images; sample ids mean the same in two runs only where it is the same.
    """

    run: Run
    steps: tuple[int, ...]
    images: StoredImages | None
    content: str
    class_names: tuple[str, ...]

    @property
    def stamp(self) -> tuple[int, int]:
        """Changes whenever the run writes another snapshot."""
        return len(self.steps), _written(self.run.folder, self.steps[-1])

    def truth(self, ids: NDArray[np.int64]) -> NDArray[np.int64]:
        """True classes of these images, -1 where they are unknown."""
        return self.images.labels[self.images.rows(ids)] if self.images is not None else np.full(len(ids), -1)

    def pixels(self, sample: int) -> NDArray[np.uint8]:
        """uint8 [C, H, W] of one image. Raises ValueError where the images are not on this machine."""
        if self.images is None:
            raise ValueError("the images of this run are not on this machine")
        return np.asarray(self.images.images[int(self.images.rows(np.array([sample]))[0])])

    def part(self, step: int, part: str) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
        """Ids [n] and probabilities [n, K] of one part at one evaluation; both empty where the snapshot has none."""
        arrays = _arrays(self.run.id, step, _written(self.run.folder, step), self.run.folder)
        return _of_part(arrays, part, len(self.class_names))

    @property
    def sampled(self) -> int:
        """How many images each evaluation kept."""
        return len(
            _arrays(self.run.id, self.steps[-1], _written(self.run.folder, self.steps[-1]), self.run.folder)["ids"]
        )

    def has_projections(self) -> bool:
        """Whether the last evaluation kept what a projection head makes of the features."""
        return _keeps(
            self.run.id, self.steps[-1], _written(self.run.folder, self.steps[-1]), "projections", self.run.folder
        )

    def guesses(self, step: int) -> Guesses:
        """What the served network took the unlabeled images of the fixed sample for."""
        ids, probabilities = self.part(step, "unlabeled")
        return (
            Guesses(ids, probabilities.argmax(1), probabilities.max(1), self.truth(ids))
            if len(ids)
            else Guesses(ids, ids, np.zeros(0), ids)
        )

    def nearest_labeled(self, step: int, sample: int, count: int) -> list[tuple[int, float]]:
        """Ids and cosines of the labeled images that the network sees nearest to this one, nearest first."""
        ids, part, features = _features(self.run.id, step, _written(self.run.folder, step), self.run.folder)
        labeled, mine = (
            np.flatnonzero((part == PARTS.index("labeled")) & (ids != sample)),
            np.flatnonzero(ids == sample),
        )
        if not len(labeled) or not len(mine):
            return []
        cosines = features[labeled] @ features[mine[0]]
        nearest = np.argsort(-cosines, kind="stable")[:count]
        return [(int(ids[labeled[i]]), float(cosines[i])) for i in nearest]

    def lives(self, part: str = "unlabeled") -> Biographies:
        """Every image of a part's fixed sample, through all evaluations."""
        return _lives(self.run.id, self.stamp, part, self.steps, len(self.class_names), self.run.folder)


def look_into(runs: list[Run], label: str = "Run") -> Inside | None:
    """The run picker over `runs` (those with snapshots); None if there is none."""
    run = pick_run(runs, label)
    return opened(run) if run is not None else None


def opened(run: Run) -> Inside:
    """A run with at least one snapshot. Raises RunError if that cannot be read."""
    steps = tuple(run.folder.snapshot_steps())
    events = run.folder.events()
    images = stored_images_of(run, events)
    content = next((str(event["pictures"]) for event in events if event.get("pictures")), run.id)
    if images is not None:
        return Inside(run, steps, images, content, images.class_names)
    shape = (
        _arrays(run.id, steps[-1], _written(run.folder, steps[-1]), run.folder)
        .get("probabilities", np.zeros((0, 0)))
        .shape
    )
    return Inside(run, steps, None, content, tuple(f"class {k}" for k in range(shape[1])))


def same_images(inside: Inside, runs: Sequence[Run]) -> list[Run]:
    """The other runs that learned from the very same images, so that their sample ids name the same ones."""
    return [
        run
        for run in runs
        if run.id != inside.run.id and any(event.get("pictures") == inside.content for event in run.folder.events())
    ]


def evaluation(inside: Inside, key: str) -> int:
    """The slider over evaluations with its play button, inside a fragment; returns the chosen step. It starts where it
    was before, or at a link's `?step=`, else at the last.
    """
    place, playing = f"{key}_step_{inside.run.id}", f"{key}_playing"
    if len(inside.steps) == 1:
        if st.session_state.pop(playing, None):
            st.rerun()  # it played another run
        return inside.steps[0]
    if place not in st.session_state:
        st.session_state[place] = kept_step(inside)
    if st.session_state.pop(f"{key}_from_start", None):
        st.session_state[place] = inside.steps[0]
    if st.session_state.get(playing):
        # The first look after the button shows the evaluation it begins with.
        at = inside.steps.index(st.session_state[place]) + (1 if st.session_state[playing] == "moving" else 0)
        st.session_state[place], st.session_state[playing] = inside.steps[min(at, len(inside.steps) - 1)], "moving"
        if at >= len(inside.steps) - 1:
            st.session_state[playing] = False
            st.rerun()  # the whole page, so that the fragment stops running by itself
    left, right = st.columns([6, 1], vertical_alignment="bottom")
    step = left.select_slider("Evaluation after step", inside.steps, key=place, format_func=formatting.count)
    plays = bool(st.session_state.get(playing))
    if right.button(
        "Stop" if plays else "Play", key=f"{key}_play", icon=":material/pause:" if plays else ":material/play_arrow:"
    ):
        st.session_state[playing] = False if plays else "begins"
        if not plays and step == inside.steps[-1]:
            st.session_state[f"{key}_from_start"] = True
        st.rerun()
    return keep_step(inside, step)


def kept_step(inside: Inside) -> int:
    """The evaluation of this run that was looked at before, on any page, or that a link names; else the last."""
    follow("step", f"step_{inside.run.id}", inside.run.id, one_of(inside.steps))
    return kept(f"step_{inside.run.id}", inside.steps[-1], inside.steps)


def keep_step(inside: Inside, step: int) -> int:
    # Who looks at the last one wants to see the newest when there are more.
    keep(f"step_{inside.run.id}", step if step != inside.steps[-1] else None)
    address("step", step)
    return int(step)


_LOOKS = {
    "pages/train.py": "Curves",
    "pages/pseudo_labels.py": "Pseudo-labels",
    "pages/space.py": "Space",
    "pages/errors.py": "Errors",
    "pages/compare.py": "Compare",
    "pages/predict.py": "Predict",
}


def elsewhere(run: Run, pages: Sequence[str]) -> None:
    """The same run on other pages."""
    with st.container(horizontal=True):
        for page, title in _LOOKS.items():
            if page in pages and st.button(title, key=f"elsewhere_{page}", type="tertiary"):
                open_page(page, run.id)


def play_interval(key: str) -> float | None:
    """What run_every of a page's fragment is: seconds while it plays, else None."""
    return _PLAY_EVERY if st.session_state.get(f"{key}_playing") else None


def _written(folder: RunFolder, step: int) -> int:
    try:
        return (folder.snapshots / f"{step:08d}.npz").stat().st_mtime_ns
    except OSError:
        return 0


@st.cache_resource(max_entries=32, show_spinner=False)
def _arrays(run_id: str, step: int, written: int, _folder: RunFolder) -> dict[str, NDArray[Any]]:
    found = _folder.snapshot(step, ("ids", "part", "probabilities"))
    if {"ids", "part"} - found.keys() or len({len(array) for array in found.values()}) > 1:
        raise RunError(f"The snapshot of step {step} of run {_folder.id} is not whole: choose another evaluation.")
    return found


@st.cache_resource(max_entries=4, show_spinner=False)
def _features(
    run_id: str, step: int, written: int, _folder: RunFolder
) -> tuple[NDArray[np.int64], NDArray[np.uint8], NDArray[np.float32]]:
    """Ids [n], parts [n] and features [n, D] of length 1."""
    arrays = _folder.snapshot(step, ("ids", "part", "embeddings"))
    if {"ids", "part", "embeddings"} - arrays.keys() or len({len(array) for array in arrays.values()}) > 1:
        raise RunError(f"The snapshot of step {step} of run {_folder.id} is not whole: choose another evaluation.")
    features = arrays["embeddings"].astype(np.float32)
    return arrays["ids"], arrays["part"], features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-12)


@st.cache_resource(max_entries=64, show_spinner=False)
def _keeps(run_id: str, step: int, written: int, name: str, _folder: RunFolder) -> bool:
    return name in _folder.snapshot(step, (name,))


@st.cache_resource(max_entries=8, show_spinner="Reading the evaluations …")
def _lives(
    run_id: str, stamp: tuple[int, int], part: str, _steps: tuple[int, ...], _classes: int, _folder: RunFolder
) -> Biographies:
    found = {}
    for step in _steps:
        try:
            ids, probabilities = _of_part(_arrays(run_id, step, _written(_folder, step), _folder), part, _classes)
        except FewLabError:  # being written anew by a resumed run
            continue
        if len(ids):
            found[step] = ids, probabilities
    return biographies(list(found), [ids for ids, _ in found.values()], [p for _, p in found.values()])


def _of_part(
    arrays: dict[str, NDArray[Any]], part: str, classes: int
) -> tuple[NDArray[np.int64], NDArray[np.floating[Any]]]:
    if "probabilities" not in arrays:
        return np.zeros(0, np.int64), np.zeros((0, classes), np.float16)
    rows = arrays["part"] == PARTS.index(part)
    return arrays["ids"][rows], arrays["probabilities"][rows]

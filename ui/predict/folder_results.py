"""What a model found in a folder or archive: counts that open their images, the table, and its download."""

from __future__ import annotations

import csv
import io
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import streamlit as st

from engine.csv_text import cell_as_it_was, ends_of_records
from engine.errors import LabError
from engine.lab.prediction_messages import Predictions, PredictNamed
from engine.runs.store import Run
from engine.runs.stored_images import stored_images_of
from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.predict.prediction_view import prediction_card
from ui.predict.verdicts import judge
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab
from ui.style import formatting

_SHOWN = 500  # rows
_GALLERY = 24  # images that are read again
_MINUTES = 2  # for which that may keep the page waiting
_OPEN = "predict_folder_open"  # in the session: the table and the file whose card is open
_ALL, _UNSURE, _UNLIKE = "images classified", "not sure", "unlike every labeled image"
Row = dict[str, str]


def folder_results(run: Run, path: str, table: Path, coverage: float) -> None:
    """path: of the images. table: the CSV, as far as it is written."""
    content = table.read_bytes()
    rows = whole_rows(content)
    refused = [row for row in rows if row["error"]]
    answered = [row for row in rows if not row["error"]]
    sure = next((name for name in rows[0] if name.startswith("sure at")), None) if rows else None
    kinds = _kinds(answered, sure)
    said = ", ".join(f"{formatting.count(len(some))} {words}" for words, some in kinds.items() if words != _UNSURE)
    said += f", {formatting.count(len(refused))} refused" if refused else ""
    st.markdown(escape_markdown(f"{said}.".replace("%", " %")))
    one, other = st.columns([1, 2])
    with other:
        shown = _ALL
        if len(kinds) > 1:
            key = f"predict_folder_kind_{hash(tuple(kinds))}"
            shown = st.segmented_control("Show", list(kinds), default=_ALL, format_func=_spaced, key=key) or _ALL
    with one:
        st.download_button(
            "Download as CSV",
            content,
            f"{run.id}-predictions.csv",
            "text/csv",
            key="predict_folder_csv",
            on_click="ignore",
            icon=":material/download:",
        )
        chosen = _pick_class(kinds[shown])
    with other:
        listed = [row for row in kinds[shown] if chosen in (None, row["class"])]
        if chosen is None and shown == _ALL:
            st.caption("Choose a class to see its images.")
        else:
            _images(run, path, listed, f"“{chosen}”" if chosen is not None else _spaced(shown), table.stem, coverage)
        st.dataframe(listed[:_SHOWN], hide_index=True, width="stretch")
        if len(listed) > _SHOWN:
            st.caption(f"The first {formatting.count(_SHOWN)} rows; the file has all of them.")
    if refused:
        with st.expander(f"Refused: {formatting.count(len(refused))}"):
            errors = [{"file": row["file"], "why": row["error"]} for row in refused[:_SHOWN]]
            st.dataframe(errors, hide_index=True, width="stretch")


def whole_rows(content: bytes) -> list[Row]:
    """Without one that was torn by a kill."""
    text = content.decode("utf-8", "replace")
    whole = text[: max(ends_of_records(text), default=0)]
    read = csv.DictReader(io.StringIO(whole, newline=""))
    return [{name: cell_as_it_was(cell) for name, cell in row.items()} for row in read]


def _kinds(answered: list[Row], sure: str | None) -> dict[str, list[Row]]:
    """All answers, and parts of them by what is said of them, those that are empty left out."""
    kinds = {_ALL: answered}
    if sure is not None and any(row[sure] for row in answered):
        kinds[sure] = [row for row in answered if row[sure] == "yes"]
        kinds[_UNSURE] = [row for row in answered if row[sure] == "no"]
    kinds[_UNLIKE] = [row for row in answered if row["unfamiliar"] == "yes"]
    return {words: some for words, some in kinds.items() if words in (_ALL, sure) or some}


def _spaced(kind: str) -> str:
    return "all" if kind == _ALL else kind.replace("%", " %")


def _pick_class(rows: list[Row]) -> str | None:
    """How many images each class has; the one whose row is chosen."""
    counts = Counter(row["class"] for row in rows).most_common()
    table = st.dataframe(
        [{"class": name, "images": count} for name, count in counts],
        hide_index=True,
        width="stretch",
        on_select="rerun",
        selection_mode="single-row",
        key=f"predict_folder_classes_{hash(tuple(counts))}",  # a choice is kept by the number of its row
    )
    chosen = table.selection.rows
    return counts[chosen[0]][0] if chosen and chosen[0] < len(counts) else None


@st.cache_data(max_entries=8, show_spinner="Reading the images …")
def _named(run: str, written: int, path: str, files: tuple[str, ...]) -> Predictions:
    """`written`: when the model was. Raises LabError."""
    try:
        return lab().assistant.ask_later(PredictNamed(run, path, files)).result(60 * _MINUTES)
    except TimeoutError:
        raise LabError(f"These images could not be read within {_MINUTES} minutes: choose the class again.") from None


def _images(run: Run, path: str, rows: Sequence[Row], words: str, table: str, coverage: float) -> None:
    """The least probable answers first, because they are the ones to look at; one that is clicked has its card in the
    side panel.
    """
    first = sorted(rows, key=lambda row: float(row["probability"]))[:_GALLERY]
    more = f", the {_GALLERY} least probable shown" if len(rows) > _GALLERY else ""
    st.markdown(f"**{escape_markdown(words)}**: {formatting.count(len(rows))}{more}")
    if not first:
        return
    with show_errors():
        written = run.folder.model_file.stat().st_mtime_ns
        asked = (str(run.folder.path), written, path, tuple(row["file"] for row in first))
        found = _named(*asked)
        items = [
            GalleryItem(number, image_uri(one.seen), (one.top[0][0], formatting.percent(one.top[0][1])))
            for number, one in enumerate(found.images)
            if one.seen is not None
        ]
        unread = [one.error for one in found.images if one.error]
        if unread:
            _named.clear(*asked)  # they may be there again
            count = f"{len(unread)} of these cannot be read now. " if len(unread) > 1 else ""
            st.caption(count + escape_markdown(unread[0]))
        names = [one.name for one in found.images]
        table_opened, file = st.session_state.get(_OPEN, ("", ""))
        opened = names.index(file) if table_opened == table and file in names else None
        clicked = gallery(items, key="predict_folder_gallery", thumb=64, selected=opened)
        if clicked is not None:
            st.session_state[_OPEN] = (table, names[clicked])
            st.rerun()  # so that the image is marked
        if opened is not None:
            _panel(run, found, opened, coverage)


def _close() -> None:
    st.session_state.pop(_OPEN, None)


@st.dialog("Images", width=460, position="right", on_dismiss=_close)
def _panel(run: Run, found: Predictions, number: int, coverage: float) -> None:
    with show_errors(), st.container(key="image_panel"):
        judged = judge(found.images[number], found.certainty, coverage, found.class_names)
        prediction_card(judged, 0, found.certainty, coverage, stored_images_of(run.folder), run, None, is_in_panel=True)

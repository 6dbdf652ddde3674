"""How every page begins, and how an error is shown: one heading, one plain sentence, never a traceback."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import ParamSpec

import streamlit as st
from streamlit.delta_generator import DeltaGenerator
from streamlit.runtime.scriptrunner import get_script_run_ctx

from engine.errors import FewLabError
from ui.shell.entry import enter
from ui.style.page_illustrations import OF_PAGES
from ui.style.svg import label_of

P = ParamSpec("P")
_LINKS = re.compile(r"://|www|@", re.IGNORECASE)


def header(title: str, sentence: str) -> None:
    """The page's one heading and the sentence under it; must be the first call of a page."""
    enter()
    with st.container(key="page_header", horizontal=True, vertical_alignment="bottom", gap="small"):
        st.title(title, anchor=False, width="content")
        st.markdown(sentence, width="content")


def how_it_works(*paragraphs: str) -> None:
    """The page's one explanation, folded away: the idea, the formula, the paper."""
    if (container := expander("How this works", "how_it_works", icon=":material/menu_book:")) is not None:
        with container:
            for paragraph in paragraphs:
                st.markdown(paragraph)


def expander(label: str, key: str, icon: str | None = None) -> DeltaGenerator | None:
    """A part of the page that is made only once it is opened: while it is closed it costs the browser nothing, and this
    is None.
    """
    container = st.expander(label, icon=icon, key=key, on_change="rerun")
    return container if container.open else None


def empty_state(page: str, sentence: str, first_step: bool = True) -> None:
    """A page with nothing on it yet: a drawing of what will be here, one sentence and, unless the page has its own, the
    button that leads to a first run.
    """
    with st.container(key="empty_state", horizontal_alignment="center", gap="small"):
        drawing = OF_PAGES[page]
        st.image(drawing, width=260, alt=label_of(drawing))
        st.markdown(sentence, width="content")
        if first_step and st.button("Start a first run", type="primary", icon=":material/home:"):
            st.switch_page("pages/start.py")


@contextmanager
def show_errors() -> Iterator[None]:
    """Shows an error that the user can correct as its one sentence."""
    try:
        yield
    except FewLabError as error:
        st.error(escape_markdown(str(error)), icon=":material/error:")
    except OSError as error:
        why = error.strerror or type(error).__name__
        st.error(
            escape_markdown(
                f"The checkpoints folder could not be read or written ({why}): check its permissions and the free"
                " space."
            ),
            icon=":material/error:",
        )


def guarded_fragment(function: Callable[P, None], run_every: float | None = None) -> Callable[P, None]:
    """A part of the page that is drawn again alone, every `run_every` seconds if that is given. It shows its errors
    itself: a `show_errors` around a fragment sees nothing of a run of the fragment alone.
    """

    @wraps(function)
    def guarded(*args: P.args, **kwargs: P.kwargs) -> None:
        with show_errors():
            function(*args, **kwargs)

    return st.fragment(guarded, run_every=run_every)


def redraw_part() -> None:
    """After a click: draw the fragment again that it was in, or the page where that is no fragment's."""
    context = get_script_run_ctx()
    is_part = context is not None and bool(context.fragment_ids_this_run)
    st.rerun(scope="fragment" if is_part else "app")


def redraw_page() -> None:
    """For a fragment that polls and finds what the rest of the page does not show yet: draw the whole page again.
    Where a click in the fragment still matters, to be called after what reports it.

    It does nothing unless the fragment is drawn by itself: the page as a whole, or another fragment with it, may be
    drawn for a click that has yet to be seen, and which would be lost. The fragment finds the same at its next turn;
    Streamlit joins turns only while the page takes longer to draw than the slowest of its clocks.
    """
    context = get_script_run_ctx()
    if context is not None and len(context.fragment_ids_this_run or ()) == 1:
        st.rerun()


def escape_markdown(text: str) -> str:
    """Text from files and users, safe inside markdown: nothing of it becomes a heading, a link or HTML. One line,
    without spaces at its ends, because `** name **` would show its asterisks.
    """
    # Markdown finds bare addresses even behind backslashes; a word joiner breaks them unseen.
    text = _LINKS.sub("\\g<0>\u2060", " ".join(text.split()))
    for character in "\\`*_{}[]<>()#+-.!|~$:":
        text = text.replace(character, "\\" + character)
    return text

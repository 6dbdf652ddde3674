"""What a person chose stays chosen until the tab is closed or reloaded, and goes along in a link: Streamlit forgets a
widget when its page is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
_PLACE, _FOLLOWED = "kept_choices", "links_followed"


def kept(key: str, default: T, among: Collection[Any] | None = None) -> T:
    """What was chosen under `key` before, if anything was and it is still among what can be chosen; else the default.
    For a widget's first value.
    """
    found = st.session_state.get(_PLACE, {}).get(key, default)
    return found if among is None or found in among else default


def keep(key: str, value: Any, stands_in: bool = False) -> None:
    """Remember a choice. stands_in: it was made by nobody, and what was chosen before, if anything, is kept for where
    it can be had.
    """
    if not stands_in:
        st.session_state.setdefault(_PLACE, {})[key] = value


def address(link: str, value: Any) -> None:
    """Let the page's address carry a choice; None takes it out."""
    if value is None:
        st.query_params.pop(link, None)
    elif st.query_params.get(link) != str(value):
        st.query_params[link] = str(value)


def follow(link: str, key: str, run_id: str, read: Callable[[str], Any]) -> None:
    """Take over, once in a tab, what the page's address says of this run; `read` raises ValueError on what is no such
    choice.
    """
    followed: set[str] = st.session_state.setdefault(_FOLLOWED, set())
    if link in followed:
        return
    followed.add(link)
    if st.query_params.get("run") == run_id and link in st.query_params:
        try:
            keep(key, read(st.query_params[link]))
        except ValueError:
            return


def one_of(choices: Collection[T]) -> Callable[[str], T]:
    """Reads a choice from its text."""

    def read(text: str) -> T:
        for choice in choices:
            if str(choice) == text:
                return choice
        raise ValueError(text)

    return read

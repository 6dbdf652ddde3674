"""Choices that survive a change of page, until the tab is closed or reloaded, and that a link can carry: Streamlit
forgets a widget when its page is left.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
_CHOICES, _READ = "remembered_choices", "query_params_read"


def remembered(key: str, default: T, among: Collection[Any] | None = None) -> T:
    """What was chosen under `key` before, if anything was and it is still among what can be chosen; else the default.
    For a widget's first value.
    """
    choice = st.session_state.get(_CHOICES, {}).get(key, default)
    return choice if among is None or choice in among else default


def remember(key: str, value: Any, is_fallback: bool = False) -> None:
    """Remember a choice. is_fallback: nobody chose it, and an earlier choice stays for where it can be had again."""
    if not is_fallback:
        st.session_state.setdefault(_CHOICES, {})[key] = value


def forget(key: str) -> None:
    """As if nothing had been chosen under `key`."""
    st.session_state.get(_CHOICES, {}).pop(key, None)


def set_query_param(name: str, value: Any) -> None:
    """Let the page's address carry a choice; None removes it."""
    if value is None:
        st.query_params.pop(name, None)
    elif st.query_params.get(name) != str(value):
        st.query_params[name] = str(value)


def read_query_param(name: str, key: str, run_id: str, read: Callable[[str], Any]) -> None:
    """Remember under `key`, once in a tab, what the page's address says of this run; `read` raises ValueError for text
    that is no such choice.
    """
    already: set[str] = st.session_state.setdefault(_READ, set())
    if name in already:
        return
    already.add(name)
    if st.query_params.get("run") == run_id and name in st.query_params:
        try:
            remember(key, read(st.query_params[name]))
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


def share_from_text(text: str) -> float:
    """Reads a share from its text, in hundredths. Raises ValueError for what is no number from 0 to 1."""
    value = round(float(text), 2)
    if not 0 <= value <= 1:
        raise ValueError(text)
    return value

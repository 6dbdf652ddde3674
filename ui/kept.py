"""What a person chose stays chosen for as long as the tab lives: Streamlit forgets a widget's value when its page is left."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

import streamlit as st

T = TypeVar("T")
_PLACE = "kept_choices"


def kept(key: str, default: T, among: Collection[Any] | None = None) -> T:
    """What was chosen under `key` before, if anything was and it is still among what can be chosen; else the default. For a widget's first value."""
    found = st.session_state.get(_PLACE, {}).get(key, default)
    return found if among is None or found in among else default


def keep(key: str, value: T) -> T:
    """Remember a choice; returns it."""
    st.session_state.setdefault(_PLACE, {})[key] = value
    return value

"""What the tests of pages share."""

from __future__ import annotations

from collections.abc import Callable

from streamlit.testing.v1 import AppTest

Open = Callable[..., AppTest]
"""The fixture `open_page`: a page by its file's name, and the parameters of its address."""


def words(app: AppTest) -> str:
    kinds = ("title", "markdown", "caption", "info", "warning", "error", "subheader", "header")
    return " ".join(str(element.value) for kind in kinds for element in getattr(app, kind))

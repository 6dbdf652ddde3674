"""Text from files and people stays text: no heading, no link, no HTML, wherever markdown looks for them. And what can
fail on a page says so in one sentence.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from ui.shell.page import escape_markdown

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("# big\n*loud* <b>", "\\# big \\*loud\\* \\<b\\>"),
        ("  spaces  ", "spaces"),
        ("https://a.b", "https\\://\u2060a\\.b"),
        ("WWW.a.b", "WWW\u2060\\.a\\.b"),
        ("me@a.b", "me@\u2060a\\.b"),
        (":red[x] $y$", "\\:red\\[x\\] \\$y\\$"),
    ],
)
def test_markup_and_addresses_lose_their_meaning(text: str, shown: str) -> None:
    assert escape_markdown(text) == shown


def _failing_fragment() -> None:
    from engine.errors import RunError
    from ui.shell.page import guarded_fragment

    def part(name: str) -> None:
        raise RunError(f"Run {name} is gone.")

    guarded_fragment(part)("x")


def test_a_fragment_shows_its_own_error_as_one_sentence() -> None:
    app = AppTest.from_function(_failing_fragment).run()
    assert not app.exception
    assert [error.value for error in app.error] == ["Run x is gone\\."]


def test_every_fragment_is_one_that_shows_its_errors() -> None:
    sources = [*ROOT.glob("pages/*.py"), *ROOT.glob("ui/**/*.py")]
    assert [path.name for path in sources if "st.fragment" in path.read_text(encoding="utf-8")] == ["page.py"]


def a_page_with_a_fragment_that_always_finds_news() -> None:
    import streamlit as st

    from ui.shell.page import guarded_fragment, redraw_page

    guarded_fragment(redraw_page, 60.0)()
    if st.button("Start"):
        st.session_state["started"] = True


def test_news_that_a_fragment_finds_while_the_page_is_drawn_lose_no_click() -> None:
    app = AppTest.from_function(a_page_with_a_fragment_that_always_finds_news).run()
    app.button[0].click().run()
    assert not app.exception
    assert app.session_state["started"]

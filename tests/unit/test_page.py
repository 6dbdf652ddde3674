"""Text from files and people stays text: no heading, no link, no HTML, wherever markdown looks for them."""

from __future__ import annotations

import pytest

from ui.shell.page import plain


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
    assert plain(text) == shown

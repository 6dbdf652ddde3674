"""Where one part of a page cannot be drawn, its sentence stands there and the rest of the page is drawn."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from engine.errors import DataError
from tests.app.app_helpers import Open

SENTENCE = "The images were removed meanwhile."


def fails(*arguments: Any, **options: Any) -> NoReturn:
    raise DataError(SENTENCE)


@pytest.mark.parametrize(
    ("page", "part"), [("tune", "ui.tune.sweep_form.sweep_form"), ("train", "ui.train.labeled_images.labeled_images")]
)
def test_the_rest_of_the_page_is_drawn(page: str, part: str, open_page: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(part, fails)
    app = open_page(page)
    assert not app.exception
    assert [error.value for error in app.error] == [SENTENCE.replace(".", "\\.")]
    assert [button for button in app.button if button.label == "Start"]

"""Fit on Predict: a drawing is cropped and inverted for a set of digits, unless the user switches it off."""

from __future__ import annotations

import numpy as np
from streamlit.testing.v1 import AppTest

from engine import train
from engine.lab.lab import Lab
from tests.app.app_helpers import Open, words
from tests.fixtures_images import encoded


def verdict(app: AppTest) -> str:
    (text,) = (markdown.value for markdown in app.markdown if "** · " in markdown.value)
    return str(text)


def test_a_drawing_is_fitted_to_the_digits_until_it_is_switched_off(lab: Lab, open_page: Open) -> None:
    config = {"method": {"name": "supervised"}, "data": {"name": "digits"}, "budget": {"steps": 5, "batch_size": 16}}
    run = train(config, lab.store.root)
    sheet = np.full((60, 60), 255)
    sheet[15:45, 28:32] = 0
    app = open_page("predict", run=run.id)
    app.button_group(key="predict_source").set_value("my files").run()
    app.file_uploader(key="predict_files").upload("one.png", encoded(sheet), "image/png").run()
    assert not app.exception
    assert "Probabilities are calibrated with the temperature" in words(app)
    probabilities = verdict(app)
    app.button_group(key="predict_fit").set_value("unchanged").run()
    assert not app.exception
    assert verdict(app) != probabilities

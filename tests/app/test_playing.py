"""Playing through the evaluations of a run, turn by turn as the browser's clock asks for them."""

from __future__ import annotations

from typing import Any

from streamlit.testing.v1 import AppTest

from engine.lab.lab import Lab
from tests.app.app_helpers import Open
from tests.app.known_runs import known_run


def shown(app: AppTest) -> Any:
    return app.select_slider[0].value


def test_an_evaluation_that_the_browser_still_names_does_not_take_the_last_ones_place(
    lab: Lab, open_page: Open
) -> None:
    """The clock's last question may leave the browser before the last evaluation has reached it."""
    run = known_run(lab, "of two evaluations", 0, {"test/accuracy": 0.5}, [])
    app = open_page("errors", run=run.id)
    assert shown(app) == 20
    app.button(key="errors_play").click().run()
    while app.button(key="errors_play").label == "Stop":
        assert shown(app) == 10
        in_the_browser = app._tree.get_widget_states()
        app.run()
    assert shown(app) == 20
    app._run(in_the_browser)
    assert shown(app) == 20


def test_a_browser_that_still_names_the_last_evaluation_skips_none_of_those_before_it(
    lab: Lab, open_page: Open
) -> None:
    """Its clock asks for the second before the first has reached it."""
    run = known_run(lab, "of four evaluations", 0, {"test/accuracy": 0.5}, [], steps=(5, 10, 15, 20))
    app = open_page("errors", run=run.id)
    in_the_browser = app._tree.get_widget_states()
    app.button(key="errors_play").click().run()
    seen = [shown(app)]
    while app.button(key="errors_play").label == "Stop":
        assert app.select_slider[0].disabled
        app._run(in_the_browser)
        seen.append(shown(app))
    assert seen == [5, 10, 15, 20]
    app.run()
    assert shown(app) == 20


def test_stop_stays_where_it_was_pressed_and_play_goes_on_from_there(lab: Lab, open_page: Open) -> None:
    run = known_run(lab, "of four evaluations", 0, {"test/accuracy": 0.5}, [], steps=(5, 10, 15, 20))
    app = open_page("errors", run=run.id)
    app.button(key="errors_play").click().run()
    stale = app._tree.get_widget_states()
    app.button(key="errors_play").click().run()
    assert app.button(key="errors_play").label == "Play"
    assert not app.select_slider[0].disabled
    at = shown(app)
    assert at < 20
    app._run(stale)
    assert shown(app) == at
    app.button(key="errors_play").click().run()
    assert shown(app) == at

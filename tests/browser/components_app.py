"""A small app of components, for the browser tests of figures and galleries: a page for each kind of use."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import streamlit as st

from ui.components.gallery import GalleryItem, gallery, image_uri
from ui.components.live_figure import live_figure
from ui.components.plotly_script import write_script
from ui.figures.classification import Bars, confidence_histogram, confusion_matrix, grouped_bars
from ui.figures.curves import Mark, Series, line_chart
from ui.figures.space import Coloring, scatter
from ui.shell.page import guarded_fragment, redraw_page
from ui.style import colors

write_script(Path(__file__).parent / "static")


def live() -> None:
    @st.fragment(run_every=0.5)
    def curves() -> None:
        n = st.session_state["n"] = st.session_state.get("n", 20) + 1
        x = np.arange(n)
        falling = Series("falling", x, 100 / (x + 1), colors.RIGHT)
        series = [falling, Series("rising", x, x * 1.0, colors.WRONG, "dash")]
        live_figure(line_chart("Values over time", "value", series, x_max=200), key="live", revision="run-1")
        st.text(f"points {n}")

    curves()


def still() -> None:
    counts = [[5, 1], [0, 4]]
    matrix = confusion_matrix(counts, ["<b>bold</b>", "b"])
    clicked = live_figure(matrix, key="matrix", revision="r", height=400, clickable=True)
    st.text(f"cell {clicked['customdata'][:2] if clicked else None}")
    figure = grouped_bars("Bars", ["a", "b"], [Bars("one", [0.9, 0.1], "#0087C3")])
    live_figure(figure, key="bars", revision="r", height=200)
    st.session_state["runs"] = st.session_state.get("runs", 0) + 1
    st.text(f"runs {st.session_state['runs']}")
    st.button("Run it again")


def images() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 1, 8, 8), np.uint8)
    items = [
        GalleryItem(100 + i, image_uri(p), ("<img src=x onerror=alert(1)>", f"line {i}"), "rgb(1, 2, 3)", "dashed")
        for i, p in enumerate(pixels)
    ]
    st.text(f"clicked {gallery(items, key='images', selected=103)}")


def refreshed() -> None:
    pixels = np.zeros((3, 1, 8, 8), np.uint8)

    @st.fragment(run_every=0.3)
    def part() -> None:
        n = st.session_state["m"] = st.session_state.get("m", 0) + 1
        clicked = gallery([GalleryItem(i, image_uri(p), (f"{n}",)) for i, p in enumerate(pixels)], key="refreshed")
        if clicked is not None:
            st.session_state["last"] = clicked
        st.text(f"drawn {n}, clicked {st.session_state.get('last')}")

    part()


def together() -> None:
    """A part that polls and one with images, whose turns come together because the page is still being drawn."""
    drawn = st.session_state["drawn"] = st.session_state.get("drawn", 0) + 1

    def poll() -> None:
        if drawn == 1 and "is_done" in st.session_state:
            redraw_page()

    def part() -> None:
        clicked = gallery([GalleryItem(1, image_uri(np.zeros((1, 8, 8), np.uint8)), ("one",))], key="together")
        if clicked is not None:
            st.session_state["taken"] = clicked
        st.text(f"drawn {drawn}, clicked {st.session_state.get('taken')}")

    with st.container():  # a place of its own: the first part is sent anew at every turn
        guarded_fragment(poll, 0.2 if drawn == 1 else None)()
    guarded_fragment(part)()
    while drawn == 1 and not Path(st.query_params["until"]).exists():
        time.sleep(0.05)
    st.session_state["is_done"] = True


def crowded() -> None:
    names = [f"accuracy of something with a long name, number {i}" for i in range(12)]
    series = [Series(name, [0, 1], [0, 1], colors.class_color(i)) for i, name in enumerate(names)]
    live_figure(line_chart("Accuracy", "accuracy", series), key="crowded", revision="r", height=260)


def narrow() -> None:
    with st.container(width=330):
        for title in ("Confidence histogram: used right of τ", "Short"):
            rising = Series("a", [0, 1], [0, 1], colors.RIGHT)
            live_figure(line_chart(title, "value", [rising]), key=title, revision="r")
        marked = line_chart("Confidence histogram: marked right of τ", "value", [rising], marks=[Mark(0.9, "τ = 0.90")])
        live_figure(marked, key="marked", revision="r")


def chosen() -> None:
    edges = [0, 0.25, 0.5, 0.75, 1]
    bars = confidence_histogram([10, 40, 2, 30], [3, 1, 0, 0], None, edges, None)
    bar = live_figure(bars, key="histogram", revision="r", clickable=True)
    st.text(f"bar {bar['customdata'] if bar else None}")
    places = np.array([[0, 0], [1, 0.1], [0.1, 1], [-1, 0], [0, -1], [2, 0]], np.float32)
    tips = [f"image {10 + i}<br>class a" for i in range(6)]
    coloring = Coloring("class", np.zeros(6, np.int64), ["a"], [colors.RIGHT])
    points = scatter(places, np.arange(10, 16), np.zeros(6, bool), tips, coloring, "Map")
    point = live_figure(points, key="map", revision="r", clickable=True, selectable=True)
    st.text(f"point {point['customdata'][0] if point else None}")


pages = [st.Page(live, title="Live", url_path="live", default=True), st.Page(still, title="Still", url_path="still")]
pages.append(st.Page(narrow, title="Narrow", url_path="narrow"))
pages.append(st.Page(chosen, title="Chosen", url_path="chosen"))
pages.append(st.Page(crowded, title="Crowded", url_path="crowded"))
pages.append(st.Page(together, title="Together", url_path="together"))
pages.append(st.Page(refreshed, title="Refreshed", url_path="refreshed"))
st.navigation([*pages, st.Page(images, title="Images", url_path="images")]).run()

"""The CSV of a figure, as the browser writes it: no spreadsheet takes a cell of it for a formula, and numbers stay."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from playwright.sync_api import Page

from ui.components.live_figure import SCRIPT


def written(page: Page, figure: dict[str, Any]) -> list[list[str]]:
    page.set_content("<title>CSV</title>")
    page.add_script_tag(content=f"{SCRIPT}\nwindow.asCsv = asCsv;", type="module")
    page.wait_for_function('() => "asCsv" in window')
    text: str = page.evaluate("figure => window.asCsv(figure)", figure)
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("cell", "kept"),
    [
        ("=HYPERLINK(1)", "'=HYPERLINK(1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("\tcat", "'\tcat"),
        ("\rcat", "'\rcat"),
        ("-", "'-"),
        ("&lt;b&gt; &amp; =1", "<b> & =1"),
        ("a=b", "a=b"),
        ("cats, dogs", "cats, dogs"),
        ('say "cat"', 'say "cat"'),
        ("two\nlines", "two\nlines"),
        ("two\rlines", "two\rlines"),
        (-1, "-1"),
        ("-0.5", "-0.5"),
        ("+1e-3", "+1e-3"),
        (None, ""),
        (0, "0"),
    ],
    ids=repr,
)
def test_a_cell_that_begins_like_a_formula_is_text_and_any_other_is_itself(page: Page, cell: Any, kept: str) -> None:
    rows = written(page, {"table": {"columns": ["=class", "images"], "rows": [[cell, 3], ["last", 4]]}, "data": []})
    assert rows == [["'=class", "images"], [kept, "3"], ["last", "4"]]


def test_without_a_table_of_its_own_each_point_has_a_row_under_the_name_of_its_curve(page: Page) -> None:
    traces = [
        {"type": "scatter", "name": "=cat", "x": [1, 2], "y": [-0.5, 0.25], "text": ["@one<br>two", "plain"]},
        {"type": "bar", "name": "dog", "x": ["-a"], "y": [3]},
    ]
    assert written(page, {"data": traces}) == [
        ["series", "x", "y", "about"],
        ["'=cat", "1", "-0.5", "'@one; two"],
        ["'=cat", "2", "0.25", "plain"],
        ["dog", "'-a", "3", ""],
    ]

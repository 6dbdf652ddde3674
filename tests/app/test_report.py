"""What a report holds, of one run and of several; and that nothing in it runs or loads what a name says."""

from __future__ import annotations

import json
import re
from html.parser import HTMLParser

import pytest

from engine.lab.executors.inline import train
from engine.lab.lab import Lab
from engine.runs.store import Run
from ui.report.report import report
from ui.style.colors import BY_THEME

NAME = "<script>alert('a')</script> & \"quoted\" </script>"


@pytest.fixture(scope="module")
def runs(lab: Lab) -> list[Run]:
    made = []
    for seed, method in ((0, "supervised"), (1, "supervised"), (0, "fixmatch")):
        config = {
            "method": {"name": method},
            "data": {"name": "digits"},
            "budget": {"steps": 6, "batch_size": 16, "evaluate_every": 3},
            "seed": seed,
            "name": NAME if method == "fixmatch" else "",
        }
        made.append(train(config, lab.store.root))
    return made


class Page(HTMLParser):
    """Text outside scripts, tags with their attributes, and what stands in scripts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.words, self.tags, self.scripts, self._inside = "", list[tuple[str, dict[str, str | None]]](), [""], ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] += data
        elif self._inside != "style":
            self.words += data + " "


def test_a_report_has_measurements_figures_images_settings_and_the_way_to_repeat_it(runs: list[Run]) -> None:
    run = runs[0]
    page = Page(report([run]))
    right = run.status.metrics["test/accuracy"]
    assert f"{100 * right:.1f} %" in page.words
    assert "95 % interval" in page.words
    assert f"run {run.id}" in page.words
    assert "python -m engine train --config config.json" in page.words
    config = re.search(r"\{\s+\"version\".*?\n\}", page.words, re.DOTALL)
    assert config
    assert json.loads(config[0]) == run.config
    figures = [json.loads(text) for text in page.scripts if text.startswith('{"data"')]
    titles = [figure["layout"]["title"]["text"] for figure in figures]
    assert any("Accuracy" in title for title in titles)
    assert any("Confusion matrix" in title for title in titles)
    accuracy = next(figure for figure in figures if "Accuracy" in figure["layout"]["title"]["text"])
    measured = {row["step"]: row["test/accuracy"] for row in run.folder.metrics() if "test/accuracy" in row}
    curve = accuracy["data"][0]
    assert (curve["x"], curve["y"]) == (list(measured), pytest.approx(list(measured.values()), abs=1e-5))
    assert sum(tag == "img" for tag, _ in page.tags) >= 20


def test_several_runs_stand_side_by_side_with_what_differs_and_the_mean_of_draws(runs: list[Run]) -> None:
    page = Page(report(runs))
    assert "3 runs compared" in page.words
    assert "over 2 draws" in page.words
    words = " ".join(page.words.split())
    between = words[words.index("Settings that differ") : words.index(f"run {runs[0].id}")]
    assert "setting" in between
    # In words, the key beside; that of each run's own settings stands further down.
    assert re.search(r"\bmethod (FixMatch|Supervised) .*method\.name", between)
    assert re.search(r"\bseed \d .* seed\b", between)
    for run in runs:
        assert f"run {run.id}" in page.words


def test_the_colors_of_a_report_are_those_for_a_light_ground(runs: list[Run]) -> None:
    figures = " ".join(script for script in Page(report(runs)).scripts if script.startswith("{"))
    for light, _ in list(BY_THEME.values())[: len(runs)]:
        assert light in figures
    assert not [name for name, (light, _) in BY_THEME.items() if light != name and name in figures]


def test_nothing_in_a_report_is_loaded_from_elsewhere_and_no_name_becomes_a_tag(runs: list[Run]) -> None:
    page = Page(report(runs))
    assert NAME in " ".join(page.words.split())
    assert not [script for script in page.scripts if "alert('a')" in script and not script.startswith('{"data"')]
    for tag, attributes in page.tags:
        assert tag not in ("link", "iframe", "object", "embed", "base", "form")
        assert not (attributes.get("src") or "data:").startswith(("http", "//")), tag
    policy = next(a["content"] for tag, a in page.tags if tag == "meta" and a.get("http-equiv"))
    assert policy is not None
    assert policy.startswith("default-src 'none'")

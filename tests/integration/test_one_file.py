"""A method, a data set, a view recipe, a backbone, an optimizer is one file each: written into a copy of FewLab, it is
on the command line, in the catalog, in the forms and in the contract suites, and nothing else is edited.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.integration.own_parts import FILES
from tests.integration.process_helpers import ROOT

Python = Callable[..., str]
TRAIN = (
    "method.name=own_method",
    "data.name=own_dataset",
    "backbone.name=own_backbone",
    "optimizer.name=own_optimizer",
    "hardware.threads=1",
    "budget.steps=20",
    "budget.batch_size=8",
    "budget.evaluate_every=10",
)

# Trains with a live change at the 0-based step 6, once whole and once cut off at step 9 and resumed.
CHANGED_WHILE_IT_TRAINS = """
import itertools, json, sys
import torch
from engine.config.run_config import RunConfig
from engine.lab.executors.inline import resume
from engine.runs.store import Store
from engine.training import checkpoint
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer

config = RunConfig.parse({"hardware": {"device": "cpu", "threads": 1}, "method": "own_method", "data": "own_dataset",
                          "budget": {"steps": 20, "batch_size": 8, "evaluate_every": 10}})
store = Store(sys.argv[1])


class Scripted(Control):
    def __init__(self, commands):
        super().__init__()
        self.steps, self.commands = itertools.count(), commands

    def poll(self):
        return self.commands.get(next(self.steps)) or super().poll()


def trained(commands):
    folder = store.create(config.model_dump(mode="json"))
    Trainer(folder, Scripted(commands)).run()
    return store.run(folder.id)


def weights(run):
    return checkpoint.load(run.folder)["method"]


higher = Command("set", "method.cutoff", 1.0)
whole = trained({6: higher})
cut = trained({6: higher, 10: Command("interrupt")})  # the change takes one look of its own
assert cut.status.state == "interrupted" and 6 < cut.status.step < 20, cut.status
resumed = resume(cut.id, store.root)
never = trained({})
same = lambda a, b: all(torch.equal(a[name], b[name]) for name in a)
print(json.dumps({
    "state": resumed.status.state,
    "changes": [[change.step, change.key, change.value] for change in resumed.folder.changes()],
    "resumed as whole": same(weights(resumed), weights(whole)),
    "as if never changed": same(weights(never), weights(whole)),
    "thresholds": [float(resumed.folder.snapshot(20)["pseudo_threshold"].max()),
                   float(never.folder.snapshot(20)["pseudo_threshold"].max())],
}))
"""

LISTED = """
import json
from typer.testing import CliRunner
from engine.__main__ import app
from engine.catalog import catalog

commands = {table: CliRunner().invoke(app, [table]).stdout for table in ("methods", "datasets", "backbones")}
print(json.dumps({"catalog": catalog(), "commands": commands}))
"""

# Every drawn figure and gallery as the pages hand them to the browser, and what stands around them.
IN_THE_APP = """
import json, sys
from streamlit.testing.v1 import AppTest

form = AppTest.from_file("app.py", default_timeout=300).run()
form.switch_page("pages/train.py")
form.run()
form.selectbox(key="train_0_few_method").select("own_method").run()
assert not form.exception, form.exception
sliders = [slider for slider in form.slider if slider.key and slider.key.startswith("train_0_own_method")]

run, app = sys.argv[1], AppTest.from_file("app.py", default_timeout=300).run()


def opened(page):
    app.switch_page(f"pages/{page}.py")
    app.query_params["run"] = run
    app.run()
    assert not app.exception, app.exception
    return {
        "sliders": {slider.label: slider.value for slider in app.slider},
        "buttons": [button.label for button in app.button],
        "tiles": [metric.label for metric in app.metric],
        "text": " ".join(str(element.value) for kind in ("markdown", "caption") for element in getattr(app, kind)),
        "components": [str(element.proto) for element in app.get("bidi_component")],
    }


print(json.dumps({
    "form": {
        "sliders": [[slider.label, slider.value, slider.help] for slider in sliders],
        "data sets": form.selectbox(key="train_0_data").options,
    },
    "pages": {page: opened(page) for page in ("train", "pseudo_labels")},
}))
from ui.shell.server import lab
lab().close()
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """FewLab with the five files more, the method's in a family of its own."""
    root = tmp_path_factory.mktemp("copy")
    for part in ("engine", "ui", "pages", "tests", "static", "benchmarks", ".streamlit"):
        if (ROOT / part).exists():
            shutil.copytree(ROOT / part, root / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / file, root)
    for name, text in FILES.items():
        assert not (root / name).exists()
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def python(copy: Path) -> Python:
    def run(*arguments: str, code: int = 0) -> str:
        environment = {**os.environ, "FEWLAB_CHECKPOINTS": str(copy / "checkpoints")}
        done = subprocess.run([sys.executable, *arguments], cwd=copy, env=environment, capture_output=True, text=True)
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def run(python: Python) -> dict[str, Any]:
    """A run in which all five take part."""
    settings = [f"--set={setting}" for setting in TRAIN]
    summary: dict[str, Any] = json.loads(python("-m", "engine", "train", *settings, "--json").splitlines()[-1])
    return summary


@pytest.fixture(scope="module")
def listed(python: Python) -> dict[str, Any]:
    """The catalog, and what each command that lists something prints, of one process."""
    made: dict[str, Any] = json.loads(python("-c", LISTED))
    return made


@pytest.fixture(scope="module")
def shown(python: Python, run: dict[str, Any]) -> dict[str, Any]:
    """What the app shows: the form, and the pages of the run."""
    made: dict[str, Any] = json.loads(python("-c", IN_THE_APP, run["run"]).splitlines()[-1])
    return made


@pytest.mark.parametrize(
    ("table", "name", "title"),
    [
        ("methods", "own_method", "A method of one file"),
        ("datasets", "own_dataset", "A data set of one file"),
        ("backbones", "own_backbone", "A backbone of one file"),
    ],
)
def test_it_is_on_the_command_line(table: str, name: str, title: str, listed: dict[str, Any]) -> None:
    line = next(line for line in listed["commands"][table].splitlines() if name in line)
    assert title in line


def test_it_is_in_the_catalog_with_all_that_it_declares(listed: dict[str, Any]) -> None:
    catalog = listed["catalog"]
    method = catalog["methods"]["own_method"]
    assert method["schema"]["properties"]["cutoff"]["role"] == "confidence_threshold"
    assert method["family"] == "own_family"
    assert method["views_caption"] == "What its two eyes saw"
    assert method["view_titles"] == {"left_eye": "Left eye"}
    assert method["headline"] == ["test/accuracy", "toy/agreement"]
    assert catalog["metrics"]["toy/agreement"]["title"] == "Agreement of two views"
    assert "toy/mean_entropy" not in catalog["metrics"]
    assert catalog["datasets"]["own_dataset"]["schema"]["properties"]["contrast"]["maximum"] == 150
    assert catalog["backbones"]["own_backbone"]["schema"]["properties"]["output"]["default"] == 16
    assert catalog["recipes"]["own_recipe"]["schema"]["properties"]["darkest"]["default"] == 0.5
    assert catalog["optimizers"]["own_optimizer"]["schema"]["properties"]["smoothing"]["default"] == 0.99
    assert catalog["defaults"]["own_method/own_dataset"]["method"] == {
        "name": "own_method",
        "cutoff": 0.6,
        "softness": 0.2,
    }


def test_a_run_keeps_its_scalars_declared_or_not_and_its_views_under_its_own_names(
    run: dict[str, Any], copy: Path
) -> None:
    assert run["state"] == "finished"
    folder = copy / "checkpoints" / run["run"]
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    for name, high in (("toy/agreement", 1.0), ("toy/mean_entropy", np.log(2))):
        values = [row[name] for row in rows if name in row]
        assert values, name
        assert 0 <= min(values) <= max(values) <= high + 1e-6, name
    with np.load(sorted((folder / "snapshots").glob("*.npz"))[-1]) as arrays:
        assert {"view_left_eye", "view_right_eye", "view_ids"} <= set(arrays.files)
        assert arrays["view_left_eye"].shape == arrays["view_right_eye"].shape == (8, 1, 8, 8)
        assert arrays["view_left_eye"].dtype == np.uint8
        assert (arrays["view_left_eye"] != arrays["view_right_eye"]).any()


@pytest.mark.slow
def test_a_threshold_of_another_name_changes_while_it_trains_and_is_replayed(python: Python, tmp_path: Path) -> None:
    answer = json.loads(python("-c", CHANGED_WHILE_IT_TRAINS, str(tmp_path)).splitlines()[-1])
    assert answer["state"] == "finished"
    assert answer["changes"] == [[6, "method.cutoff", 1.0]]
    assert answer["resumed as whole"] is True
    assert answer["as if never changed"] is False
    assert answer["thresholds"] == pytest.approx([1.0, 0.6])


@pytest.mark.slow
def test_the_contract_suites_hold_it_without_a_test_of_its_own(python: Python) -> None:
    """They ask a person for two numbers only, which hold the next change to them."""
    output = python(
        "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "tests/contract", "-k", "own_", "-rfE", code=1
    )
    failed = {line.split("::")[1].split(" ")[0] for line in output.splitlines() if line.startswith(("FAILED", "ERROR"))}
    assert failed == {
        "test_it_has_as_many_parameters_as_it_always_had[own_backbone]",
        "test_the_content_is_what_it_always_was[own_dataset]",
    }, output
    assert "a new backbone: write down its 3,088 parameters in PARAMETERS, and why" in output
    assert int(output.split(" passed")[0].split()[-1]) >= 60


@pytest.mark.slow
def test_it_is_in_the_form(shown: dict[str, Any]) -> None:
    form = shown["form"]
    assert ["Cutoff c", 0.6, "Believed from here on."] in form["sliders"]
    assert ["Softness s", 0.2, "How much every class is believed in."] in form["sliders"]
    assert "A data set of one file" in " ".join(form["data sets"])


@pytest.mark.slow
def test_the_pages_draw_its_scalars_its_views_and_its_threshold(shown: dict[str, Any]) -> None:
    pages = shown["pages"]
    train, pseudo_labels = pages["train"], pages["pseudo_labels"]
    drawn = " ".join(train["components"])
    assert "Agreement of two views" in train["tiles"]
    assert "Agreement of two views" in drawn
    assert "Mean entropy" in drawn  # by its own name, though nobody declared it
    assert "Confidence histogram" in drawn  # it makes pseudo-labels, whatever it calls the share of them
    assert "What its two eyes saw" in train["text"]
    assert "Left eye" in drawn
    assert "right eye" in drawn
    assert train["sliders"]["Cutoff c of this run"] == 0.6
    assert "Retrain at 0.60" in train["buttons"]
    assert pseudo_labels["sliders"]["Threshold τ"] == 0.6
    assert "Retrain at 0.60" in pseudo_labels["buttons"]

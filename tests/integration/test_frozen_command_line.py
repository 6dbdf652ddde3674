"""What the command line promises to scripts, frozen as data in tests/frozen/command_line.json: names, settings, keys.

`python -m tests.integration.test_frozen_command_line` writes the data anew. More may be added without a word; what is
taken away or changed fails here, and is a visible line where the data is written anew.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from PIL import Image

from engine import RunConfig, resume, train
from engine.runs.store import Run
from tests.fixtures_images import encoded, folder_of
from tests.integration.command_line import engine, engine_process
from tests.integration.process_helpers import ROOT
from tests.integration.promises import alternatives, bones, broken, keys
from tests.integration.test_earlier_runs import INTERRUPTED, RUNS, SMALLEST, Plan

FROZEN = Path(__file__).parents[1] / "frozen" / "command_line.json"
TABLES = ("methods", "datasets", "backbones", "presets")
DATA = ("show", "import", "check", "export")
COMMANDS = (*TABLES, "train", "sweep", "resume", "show", "test", "predict", *(f"data {name}" for name in DATA))
# One run of each kind of figures: classes, pseudo-labels, features alone, candidates, beliefs without a network.
KINDS: dict[str, dict[str, Any]] = {
    "supervised": {"data": {"name": "noise"}},
    "fixmatch": {"method": {"name": "fixmatch", "unlabeled_ratio": 1}},
    "simclr": {"method": {"name": "simclr", "hidden_size": 16, "projection_size": 8}},
    "proden": {"data": {"name": "digits", "labels": {"kind": "partial"}}},
    "label_propagation": {},
}
WILD = (
    "backbone.name=simple_cnn",
    "optimizer.lr=10",
    "optimizer.weight_decay=1",
    "optimizer.momentum=0.99",
    "optimizer.warmup_steps=0",
    "budget.steps=200",
)


# what is promised


@pytest.fixture(scope="module")
def frozen() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FROZEN.read_text(encoding="utf-8"))
    return found


@pytest.fixture(scope="module")
def tables() -> dict[str, Any]:
    return listed()


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return answered(tmp_path_factory.mktemp("answers"))


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return written(tmp_path_factory.mktemp("folders"))


@pytest.mark.parametrize("table", ["methods", "datasets", "backbones"])
def test_every_name_and_setting_with_its_default_and_limits_is_still_there(
    table: str, frozen: dict[str, Any], tables: dict[str, Any]
) -> None:
    assert broken(frozen["tables"][table], bones(tables[table])) == []


def test_every_preset_is_still_the_same_settings(frozen: dict[str, Any], tables: dict[str, Any]) -> None:
    actual = presets(tables)
    assert {name: actual.get(name) for name in frozen["presets"]} == frozen["presets"]


def test_every_command_still_has_its_arguments_and_options(frozen: dict[str, Any]) -> None:
    assert broken(frozen["help"], helped()) == []


def test_the_answers_about_own_images_still_have_their_keys(frozen: dict[str, Any], tmp_path: Path) -> None:
    assert broken(frozen["answers"]["data"], data_answered(tmp_path / "photos")) == []


@pytest.mark.slow
def test_the_answers_of_commands_still_have_their_keys(frozen: dict[str, Any], answers: dict[str, Any]) -> None:
    assert broken(frozen["answers"], answers) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [*KINDS, "resumed"])
def test_the_files_of_a_run_are_still_named_and_filled_the_same(
    kind: str, frozen: dict[str, Any], folders: dict[str, Any]
) -> None:
    assert broken(frozen["folders"][kind], folders[kind]) == []


@pytest.mark.slow
def test_the_events_of_a_run_still_have_their_keys(frozen: dict[str, Any], folders: dict[str, Any]) -> None:
    assert broken(frozen["events"], folders["events"]) == []


def test_what_is_frozen_names_no_place_on_a_machine() -> None:
    text = FROZEN.read_text(encoding="utf-8")
    assert str(ROOT) not in text
    assert not re.search(r'"(/|[A-Z]:\\\\)(home|root|tmp|Users|var)', text)


# asking


def presets(tables: dict[str, Any]) -> dict[str, Any]:
    return {
        name: {key: value for key, value in preset["config"].items() if key != "name"}
        for name, preset in tables["presets"].items()
    }


def answer(*arguments: str | Path, code: int = 0) -> Any:
    """The last line of what a command prints: one JSON object."""
    found = json.loads(engine(*arguments, "--json", code=code).stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


def listed() -> dict[str, Any]:
    return {table: answer(table) for table in TABLES}


def helped() -> dict[str, Any]:
    pages = {command: engine(*command.split(), "--help").stdout for command in ("", *COMMANDS)}
    named = [line.strip("│| ").split() for line in pages.pop("").splitlines()]
    first = {command.split()[0] for command in COMMANDS}
    return {
        "commands": sorted(words[0] for words in named if words and words[0] in first),
        **{command: accepted(command, page) for command, page in pages.items()},
    }


def accepted(command: str, page: str) -> dict[str, list[str]]:
    usage = next(line for line in page.splitlines() if "Usage:" in line)
    arguments = [
        re.sub(r"[^a-z_.]", "", word.lower())
        for word in usage.partition(f" {command} ")[2].split()
        if word != "[OPTIONS]"
    ]
    options = [line.strip("│| ").split()[0] for line in page.splitlines() if re.match(r"[│| ]{1,4}--[a-z]", line)]
    return {"arguments": arguments, "options": sorted(options)}


def settings(kind: str) -> dict[str, Any]:
    """A run that is over in a second."""
    small = {} if kind == "label_propagation" else {"backbone": SMALLEST}
    budget = {"steps": 10, "batch_size": 8, "evaluate_every": 5}
    return {
        "method": {"name": kind},
        **small,
        "budget": budget,
        "hardware": {"device": "cpu", "threads": 1},
        **KINDS[kind],
    }


def answered(root: Path) -> dict[str, Any]:
    """What the commands about runs answer, and which exit status they have."""
    shutil.copytree(RUNS / INTERRUPTED["fixmatch"], root / "resumed" / INTERRUPTED["fixmatch"])
    config = root / "config.json"
    config.write_text(json.dumps(settings("fixmatch")), encoding="utf-8")
    Image.fromarray(np.tile(np.arange(32, dtype=np.uint8) * 8, (32, 1))).save(root / "picture.png")
    here = ("--checkpoints", root / "runs")
    small = [part for setting in WILD for part in ("--set", setting)]
    trained = answer("train", "--config", config, *here)
    resumed = answer("resume", INTERRUPTED["fixmatch"], "--checkpoints", root / "resumed")
    wild = ("--set", "method.name=supervised", *small)
    failed = engine_process("train", "--config", config, *wild, "--checkpoints", root / "failed", "--json", code=1)
    assert failed.stdout == ""
    run = trained["run"]
    shown, tested = answer("show", run, *here), answer("test", run, *here)
    predicted = answer("predict", run, root / "picture.png", root / "none.png", *here, code=2)
    refused = [("train", "--preset", "none"), ("train", "--no-such-option"), ("show", "none", *here), ()]
    codes = [engine(*wrong, code=2).code for wrong in refused]
    return {
        **{"train": keys(trained), "resume": keys(resumed), "show": keys(shown), "test": keys(tested)},
        "predict": {
            "read": keys(predicted["pictures"][0]),
            "refused": keys(predicted["pictures"][1]),
            "keys": sorted(predicted),
        },
        "data": data_answered(root / "photos"),
        "exit status": {"finished": 0, "failed run": failed.code, "wrong request": sorted(set(codes))},
    }


def data_answered(root: Path) -> dict[str, Any]:
    """What the commands about own images answer: of images with a table in which two columns can hold the classes."""
    chance = np.random.default_rng(0)
    rows = ["file,place,animal", "none.png,park,cat"]
    for i in range(12):
        image = encoded(chance.integers(0, 256, (32, 32)))
        folder_of(root, {f"{part}/{i}.png": image for part in ("train", "test")[: 1 + (i < 2)]})
        rows += [f"{part}/{i}.png,{'abc'[i % 3]},{('cat', 'dog')[i % 2]}" for part in ("train", "test")[: 1 + (i < 2)]]
    (root / "labels.csv").write_text("\n".join(rows), encoding="utf-8")
    chosen = ("--set", "data.label_column=animal")
    return {name: keys(answer("data", name, root, *(() if name == "show" else chosen))) for name in DATA}


def written(root: Path) -> dict[str, Any]:
    """What is in the folder of a run of each kind, and in the journals of runs that a person stepped in."""
    found: dict[str, Any] = {}
    runs = {kind: train(settings(kind), root / "runs") for kind in KINDS}
    for kind, run in runs.items():
        shown = answer("show", run.id, "--checkpoints", root / "runs")
        found[kind] = {"show": keys(shown), **folder(run)}
    stopped = stepped_in(root / "others")
    found["resumed"] = {"files": files(stopped)}
    events = [event for run in [*runs.values(), stopped] for event in json_lines(run.folder.path / "events.jsonl")]
    return {
        **found,
        "events": {
            kind: alternatives(one for one in events if one["event"] == kind)
            for kind in sorted({event["event"] for event in events})
        },
    }


def stepped_in(root: Path) -> Run:
    """A run that was changed, refused, paused, resumed, interrupted, resumed and stopped."""

    def said(kind: str, key: str = "", value: Any = None) -> SimpleNamespace:
        return SimpleNamespace(kind=kind, key=key, value=value)

    changes = [said("set", "optimizer.lr", 0.05), said("set", "seed", 5)]
    first: Any = Plan([None, *changes, said("pause"), said("resume"), None, said("interrupt")])
    run = train(settings("supervised"), root, control=first)
    assert run.status.state == "interrupted"
    then: Any = Plan([None, said("stop")])
    return resume(run.id, root, control=then)


def folder(run: Run) -> dict[str, Any]:
    import safetensors
    import torch

    path = run.folder.path
    rows = json_lines(path / "metrics.jsonl")
    last = max((path / "snapshots").iterdir())
    with safetensors.safe_open(path / "model.safetensors", "np") as model:
        about, tensors = model.metadata(), sorted(model.keys())
    return {
        "files": files(run),
        "config.json": keys(json.loads((path / "config.json").read_text(encoding="utf-8"))),
        "status.json": keys(json.loads((path / "status.json").read_text(encoding="utf-8"))),
        "metrics.jsonl": {
            "lines of steps": alternatives(row for row in rows if "seconds" in row),
            "lines of evaluations": alternatives(row for row in rows if "seconds" not in row),
        },
        "snapshots/<step>.npz": arrays(last),
        "split.npz": arrays(path / "split.npz"),
        "model.safetensors": {
            "metadata": {name: keys(json.loads(value)) for name, value in about.items()},
            "tensors": tensors,
        },
        "checkpoint.pt": sorted(torch.load(path / "checkpoint.pt", map_location="cpu", weights_only=True)),
    }


def files(run: Run) -> list[str]:
    path = run.folder.path
    names = (one.relative_to(path).as_posix() for one in path.rglob("*") if one.is_file())
    return sorted({re.sub(r"\d{8}\.npz", "<step>.npz", name) for name in names})


def arrays(path: Path) -> dict[str, str]:
    with np.load(path, allow_pickle=False) as file:
        return {name: f"{file[name].dtype.name} in {file[name].ndim} dimensions" for name in sorted(file.files)}


def json_lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        os.environ["FEWLAB_CACHE"] = str(root / "cache")
        tables, folders = listed(), written(root / "folders")
        (root / "answers").mkdir()
        found = {
            "tables": {name: bones(tables[name]) for name in ("methods", "datasets", "backbones")},
            "presets": presets(tables),
            "help": helped(),
            "answers": answered(root / "answers"),
            "events": folders.pop("events"),
            "folders": folders,
        }
    assert all(RunConfig.parse(config) for config in found["presets"].values())
    FROZEN.write_text(json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

"""Runs and settings that an earlier version left behind: they open, go on and end as they would have ended there.

`python -m tests.integration.test_earlier_runs --bits` compares the final weights bit by bit: they are the same only on
the kind of machine that wrote them. `... --write` writes runs and expectations with the version at hand;
tests/earlier_runs/README.md says when.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import safetensors.numpy

from engine import Predictor, RunConfig, load_run, resume, train
from engine.images.fit import fit_image
from engine.runs.store import Run, Store

HOME = Path(__file__).parents[1] / "earlier_runs"
RUNS, CONFIGS = HOME / "runs", HOME / "configs"

FINISHED = "20260701-120000-supervised-digits-a000"
INTERRUPTED = {
    "fixmatch": "20260701-120001-fixmatch-digits-a001",
    "simclr": "20260701-120002-simclr-digits-a002",
    "proden": "20260701-120003-proden-digits-a003",
    "label_propagation": "20260701-120004-label_propagation-digits-a004",
    "fine_tune": "20260701-120005-fine_tune-digits-a005",
}
STOPPED_AT, STEPS = 6, 12
# Two contents, because a fingerprint without the data's own hash would let a run go on with other pictures.
CONTENTS = ("", "0123456789abcdef")
# Another processor's last digits came out as 3e-7 of a tensor's sum, and may carry a picture over the border between
# two classes: of 143 validation pictures each is 0.7 %. SimCLR's classes are a regression's answer, whose search stops
# within 5e-3 of where it would end.
WEIGHTS, FIGURES = 1e-4, 0.008
# Since then, of neighbors that are equally far the first ones make the graph: some of an image's shares differ, and the
# way to them is another one: the solution that degrees scale, its residual, the search direction.
GRAPH_SHARES, GRAPH_PATH = 0.02, ("solution", "residue", "direction")
PROBE_WEIGHTS, PROBE_FIGURES = 2e-2, 0.03
PICTURES = 5


# the runs as they were left


@functools.cache
def expected() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HOME / "expected.json").read_text(encoding="utf-8"))
    return found


@pytest.fixture
def left(tmp_path: Path) -> Store:
    """A copy of the folders, for tests that change them."""
    return copied(tmp_path)


@pytest.mark.parametrize("run_id", [FINISHED, *INTERRUPTED.values()])
def test_everything_in_the_folder_of_an_earlier_run_reads_as_it_did(run_id: str) -> None:
    read, wanted = as_read(Store(RUNS).run(run_id)), expected()[run_id]["read"]
    assert read.pop("snapshots") == {
        step: {name: {**of, "sum": pytest.approx(of["sum"], rel=1e-9)} for name, of in arrays.items()}
        for step, arrays in wanted["snapshots"].items()
    }
    assert read == {name: value for name, value in wanted.items() if name != "snapshots"}


def test_all_earlier_runs_are_in_the_list_and_none_is_called_unreadable() -> None:
    store = Store(RUNS)
    assert {run.id for run in store.runs()} == {FINISHED, *INTERRUPTED.values()}
    assert store.unreadable() == []


@pytest.mark.parametrize("method", INTERRUPTED)
def test_an_interrupted_earlier_run_ends_as_it_would_have_ended(method: str, left: Store) -> None:
    run = resume(INTERRUPTED[method], left.root)
    assert (run.status.state, run.status.step) == ("finished", STEPS)
    ends_as_expected(run, expected()[run.id]["end"])


def test_a_live_change_before_the_stop_is_still_in_force_after_it(left: Store) -> None:
    run_id = INTERRUPTED["fixmatch"]
    (change,) = left.run(run_id).folder.changes()
    resumed = resume(run_id, left.root)
    assert 0 < change.step < STOPPED_AT
    assert resumed.folder.config()["method"]["threshold"] != change.value  # as started
    assert resumed.folder.model_about()["config"]["method"]["threshold"] == change.value


def test_the_model_of_an_earlier_run_answers_as_it_did() -> None:
    run = load_run(FINISHED, RUNS)
    assert answers(run) == pytest.approx(np.array(expected()[FINISHED]["answers"]), abs=1e-4)


def test_the_model_of_an_earlier_run_is_what_a_new_one_starts_from(left: Store) -> None:
    ends_as_expected(probe(left), expected()["probe"])


def copied(folder: Path) -> Store:
    return Store(shutil.copytree(RUNS, folder / "checkpoints"))


def as_read(run: Run) -> dict[str, Any]:
    """What the folder of a run says, through the doors that pages and scripts use."""
    folder = run.folder
    candidates = folder.candidates()
    plain = {
        "config": run.config,
        "status": {
            name: getattr(run.status, name)
            for name in ("state", "step", "steps", "seconds", "images_per_second", "reason", "metrics", "version")
        },
        "metrics": folder.metrics(),
        "events": folder.events(),
        "changes": [[change.step, change.key, change.value] for change in folder.changes()],
        "split": {name: [len(ids), int(ids.sum())] for name, ids in folder.split().items()},
        "candidates": None if candidates is None else [*candidates.shape, int(candidates.sum())],
        "model": folder.model_about(),
        "snapshots": {
            str(step): {
                name: {"type": f"{array.dtype.name}", "shape": list(array.shape), "sum": total(array)}
                for name, array in folder.snapshot(step).items()
            }
            for step in folder.snapshot_steps()
        },
    }
    read: dict[str, Any] = json.loads(json.dumps(plain))
    return read


def total(array: np.ndarray) -> float:
    return float(array.astype(np.float64).sum())


def as_ended(run: Run) -> dict[str, Any]:
    """How a run ended: its figures, the network that answers, and what the method itself carries from step to step."""
    return {
        "metrics": run.status.metrics,
        "steps": [row["step"] for row in run.folder.metrics()],
        "snapshots": run.folder.snapshot_steps(),
        "weights": sums(weights(run)),
        "state": sums(state(run)),
    }


def sums(tensors: dict[str, np.ndarray]) -> dict[str, list[float]]:
    """Three numbers of each tensor: its sum, that of its absolute values, and that with weights by place.

    Without the third, beliefs that always add up to 1 would pass whatever they are.
    """
    found = {}
    for name, tensor in tensors.items():
        values = tensor.astype(np.float64).ravel()
        places = (np.arange(len(values)) * 7919 % 101 - 50) / 50
        found[name] = [float(values.sum()), float(np.abs(values).sum()), float((values * places).sum())]
    return found


def state(run: Run) -> dict[str, np.ndarray]:
    """Also what no answer depends on any more at the end: averages, heads, tables of beliefs."""
    import torch

    saved = torch.load(run.folder.path / "checkpoint.pt", map_location="cpu", weights_only=True)["method"]
    return {name: tensor.numpy() for name, tensor in sorted(saved.items())}


def ends_as_expected(run: Run, wanted: dict[str, Any]) -> None:
    ended = as_ended(run)
    assert (ended["steps"], ended["snapshots"]) == (wanted["steps"], wanted["snapshots"])
    # The network beneath lies under "encoder." there, and the regression's own two tensors beside it.
    probed = any(name.startswith("encoder.") for name in wanted["weights"])
    assert ended["metrics"] == pytest.approx(wanted["metrics"], abs=PROBE_FIGURES if probed else FIGURES)
    for part in ("weights", "state"):
        assert ended[part].keys() == wanted[part].keys()
        for name, frozen in wanted[part].items():
            share = PROBE_WEIGHTS if part == "weights" and probed and "." not in name else WEIGHTS
            share = GRAPH_SHARES if name == "beliefs" else share
            if name in GRAPH_PATH:
                continue
            # A sum of numbers of both signs may be near nothing: what it may be off by follows their size.
            assert ended[part][name] == pytest.approx(frozen, abs=share * frozen[1] + 1e-6, rel=0), (part, name)


def weights(run: Run) -> dict[str, np.ndarray]:
    return dict(sorted(safetensors.numpy.load_file(run.folder.model_file).items()))


def bits(run: Run) -> str:
    digest = hashlib.sha256()
    for name, tensor in weights(run).items():
        digest.update(f"{name} {tensor.dtype} {tensor.shape}".encode() + tensor.tobytes())
    return digest.hexdigest()


def answers(run: Run) -> list[list[float]]:
    """What a run's model says to pictures that hold no secret: ramps of grey in several directions."""
    rows, columns = np.mgrid[0:24, 0:24]
    pictures = [
        ((rows * k + columns * (PICTURES - k)) * 255 // (23 * PICTURES)).astype(np.uint8)[:, :, None]
        for k in range(PICTURES)
    ]
    predictor = Predictor(run.folder)
    fitted = np.stack([fit_image(picture, predictor.size, predictor.channels) for picture in pictures])
    return [[float(p) for p in row] for row in predictor.probabilities(fitted)]


def probe(store: Store) -> Run:
    """A linear probe on the features of the finished run."""
    return train(
        {
            **plain("linear_probe"),
            "backbone": {**SMALLEST, "init": f"run:{FINISHED}"},
            "budget": {"steps": 1, "batch_size": 8, "evaluate_every": 1},
        },
        store.root,
    )


# settings


def config_names() -> list[str]:
    return sorted(path.stem for path in CONFIGS.glob("*.json"))


def as_completed(name: str) -> dict[str, Any]:
    config = RunConfig.parse(json.loads((CONFIGS / f"{name}.json").read_text(encoding="utf-8")))
    return {
        "resolved": config.model_dump(mode="json"),
        "fingerprints": {content: config.fingerprint(content) for content in CONTENTS},
    }


@pytest.fixture(scope="module")
def completed() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((HOME / "expected_configs.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("name", config_names())
def test_earlier_settings_are_completed_as_they_were_and_keep_their_fingerprint(
    name: str, completed: dict[str, Any]
) -> None:
    assert as_completed(name) == completed[name]


@pytest.mark.parametrize("name", config_names())
def test_earlier_settings_in_full_are_read_as_they_are(name: str, completed: dict[str, Any]) -> None:
    config = RunConfig.parse(completed[name]["resolved"])
    assert config.model_dump(mode="json") == completed[name]["resolved"]
    assert {content: config.fingerprint(content) for content in CONTENTS} == completed[name]["fingerprints"]


def test_the_earlier_settings_are_of_every_method_and_every_kind_of_labels(completed: dict[str, Any]) -> None:
    resolved = [entry["resolved"] for entry in completed.values()]
    graphs, transfer = {"label_propagation", "label_spreading"}, {"linear_probe", "fine_tune"}
    learned = {"supervised", "pseudo_label", "fixmatch", "simclr", "proden", "all_candidates"}
    assert {one["method"]["name"] for one in resolved} == graphs | transfer | learned
    assert {one["data"]["name"] for one in resolved} == {
        "cifar10",
        "digits",
        "fashion_mnist",
        "folder",
        "mnist",
        "noise",
        "shapes",
    }
    assert {one["data"]["labels"]["kind"] for one in resolved} == {"few", "all", "none", "partial"}
    assert {one["backbone"]["name"] for one in resolved} == {
        "conv_encoder",
        "convnet_12",
        "pixels",
        "resnet18",
        "simple_cnn",
        "small_cnn",
        "wide_resnet",
    }
    assert {name for one in resolved for name in one["augment"]} == {"weak", "strong", "simclr"}
    assert {one["optimizer"]["name"] for one in resolved} == {"sgd", "adamw"}


# what writes the data and compares bits

SMALLEST = {"name": "small_cnn", "width": 4}


def plain(method: str, **settings: Any) -> dict[str, Any]:
    budget = {"steps": STEPS, "batch_size": 8, "evaluate_every": 4}
    return {
        "seed": 7,
        "method": {"name": method, **settings},
        "data": {"name": "digits"},
        "backbone": SMALLEST,
        "budget": budget,
        "hardware": {"device": "cpu", "threads": 1},
    }


def started() -> dict[str, dict[str, Any]]:
    """The runs, as small as they can be and still hold what a run of their family holds."""
    partial = {"name": "digits", "labels": {"kind": "partial", "rate": 0.3}}
    labels = {"name": "digits", "labels": {"kind": "few", "per_class": 4}}
    return {
        # A threshold that pictures pass from the first step on, or the unlabeled loss would be nothing.
        "fixmatch": plain("fixmatch", threshold=0.25, unlabeled_ratio=2, distribution_alignment=True),
        "simclr": plain("simclr", hidden_size=16, projection_size=8),
        "proden": {**plain("proden"), "data": partial, "optimizer": {"name": "adamw"}},
        # Its state has a row for every picture of the pool, its evaluations all pixels: half of the pool, and no
        # evaluation before the stop.
        "label_propagation": {
            **plain("label_propagation"),
            "data": {**labels, "validation": 0.5},
            "backbone": {"name": "pixels"},
            "budget": {"steps": STEPS, "batch_size": 8, "evaluate_every": 8},
        },
        "fine_tune": {**plain("fine_tune"), "data": labels, "backbone": {**SMALLEST, "init": f"run:{FINISHED}"}},
    }


class Plan:
    """Says one thing at each look of the trainer: one look comes before every step, one more after each command."""

    ends = False

    def __init__(self, looks: list[Any]) -> None:
        self._looks = looks

    def poll(self) -> Any:
        return self._looks.pop(0) if self._looks else None

    def wait(self, timeout: float) -> Any:
        return self.poll()


def write() -> None:
    """Write all data anew, with the version at hand."""
    shutil.rmtree(RUNS, ignore_errors=True)
    interrupt = SimpleNamespace(kind="interrupt", key="", value="Stopped halfway, to be resumed by later versions.")
    change = SimpleNamespace(kind="set", key="method.threshold", value=0.2)
    rename(
        train({**plain("supervised"), "budget": {"steps": STEPS, "batch_size": 8, "evaluate_every": STEPS}}, RUNS),
        FINISHED,
    )
    for method, config in started().items():
        looks = (
            [None, None, None, change, None, *[None] * (STOPPED_AT - 4), interrupt]
            if method == "fixmatch"
            else [*[None] * STOPPED_AT, interrupt]
        )
        run = train(config, RUNS, control=Plan(looks))  # type: ignore[arg-type]  # all that is asked of a control here
        assert (run.status.state, run.status.step) == ("interrupted", STOPPED_AT), run
        rename(run, INTERRUPTED[method])
    for leftover in (".lock", ".pictures"):
        shutil.rmtree(RUNS / leftover, ignore_errors=True)
        (RUNS / leftover).unlink(missing_ok=True)
    (RUNS / FINISHED / "checkpoint.pt").unlink()
    expect()


def expect() -> None:
    """Write down what the version at hand makes of the runs and settings that are there."""
    found: dict[str, Any] = {run.id: {"read": as_read(run)} for run in Store(RUNS).runs()}
    found[FINISHED]["answers"] = answers(load_run(FINISHED, RUNS))
    with tempfile.TemporaryDirectory() as folder:
        ended = brought_to_their_end(copied(Path(folder)))
        hashes = {name: bits(run) for name, run in ended.items()}
        for name, run in ended.items():
            found.setdefault(name, {}).update(as_ended(run) if name == "probe" else {"end": as_ended(run)})
    save("expected.json", found)
    save("expected_bits.json", {"machine": machine(), "sha256": hashes})
    save("expected_configs.json", {name: as_completed(name) for name in config_names()})


def rename(run: Run, run_id: str) -> None:
    run.folder.path.rename(run.folder.path.with_name(run_id))


def brought_to_their_end(store: Store) -> dict[str, Run]:
    return {**{run_id: resume(run_id, store.root) for run_id in INTERRUPTED.values()}, "probe": probe(store)}


def save(name: str, value: Any) -> None:
    (HOME / name).write_text(json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    import platform

    import torch

    return {
        "torch": str(torch.__version__),
        "capability": torch.backends.cpu.get_cpu_capability(),
        "processor": processor(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")


def compare_bits() -> int:
    """One line for each run; the number of those that differ."""
    frozen: dict[str, Any] = json.loads((HOME / "expected_bits.json").read_text(encoding="utf-8"))
    if machine() != frozen["machine"]:
        print(f"Other bits are no mistake here: they were written on {frozen['machine']}, and this is {machine()}.")
    differ = 0
    with tempfile.TemporaryDirectory() as folder:
        for name, run in brought_to_their_end(copied(Path(folder))).items():
            same = bits(run) == frozen["sha256"][name]
            differ += not same
            print(f"{name}: {'the same bits' if same else 'OTHER BITS'}")
    return differ


def main() -> int:
    commands: dict[str, Callable[[], Any]] = {"--bits": compare_bits, "--write": write}
    if len(sys.argv) != 2 or sys.argv[1] not in commands:
        print(__doc__)
        return 2
    os.environ.setdefault("FEWLAB_CACHE", tempfile.mkdtemp())
    return 1 if commands[sys.argv[1]]() else 0


if __name__ == "__main__":
    sys.exit(main())

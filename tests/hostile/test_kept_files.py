"""Model files, snapshots, splits and kept images that are damaged, swapped or prepared by a stranger: one clear
sentence or a right answer, and no code of theirs is run.
"""

from __future__ import annotations

import io
import json
import os
import pickle
import shutil
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from engine.config.run_config import RunConfig
from engine.errors import RunError
from engine.predictor import Predictor
from engine.runs.folder import RunFolder
from engine.runs.store import Run
from engine.runs.stored_images import load_stored_images
from engine.training.retest import retest
from tests.hostile.attacks import GARBAGE, Attack, flipped, sentence


def about(folder: RunFolder) -> dict[str, Any]:
    with safetensors.safe_open(folder.model_file, "pt") as file:
        found: dict[str, Any] = json.loads(file.metadata()["fewlab"])
    return found


def tensors(folder: RunFolder) -> dict[str, torch.Tensor]:
    return safetensors.torch.load(folder.model_file.read_bytes())


def described(folder: RunFolder, **changes: Any) -> bytes:
    """The model file with other metadata; None leaves an entry out."""
    plain = {key: value for key, value in (about(folder) | changes).items() if value is not None}
    return safetensors.torch.save(tensors(folder), {"fewlab": json.dumps(plain)})


def without(key: str, folder: RunFolder, trace: Path) -> bytes:
    return described(folder, **{key: None})


MODELS: dict[str, Callable[[RunFolder, Path], bytes]] = {
    "empty": lambda run, trace: b"",
    "cut off": lambda run, trace: run.model_file.read_bytes()[:2000],
    "without its end": lambda run, trace: run.model_file.read_bytes()[:-4],
    "garbage": lambda run, trace: GARBAGE,
    "a header without end": lambda run, trace: b"\xff" * 8 + GARBAGE,
    "a pickle": lambda run, trace: pickle.dumps(Attack(trace)),
    "a checkpoint": lambda run, trace: run.checkpoint_file.read_bytes(),
    "without metadata": lambda run, trace: safetensors.torch.save(tensors(run)),
    "with another program's metadata": lambda run, trace: safetensors.torch.save(tensors(run), {"format": "pt"}),
    "metadata that is no JSON": lambda run, trace: safetensors.torch.save(tensors(run), {"fewlab": "{"}),
    "metadata that is a list": lambda run, trace: safetensors.torch.save(tensors(run), {"fewlab": "[]"}),
    "metadata nested without end": lambda run, trace: safetensors.torch.save(tensors(run), {"fewlab": "[" * 100_000}),
    "a version in words": lambda run, trace: described(run, version="one"),
    "other weights": lambda run, trace: safetensors.torch.save(
        {"weight": torch.zeros(3)}, {"fewlab": json.dumps(about(run))}
    ),
    "weights of another size": lambda run, trace: safetensors.torch.save(
        {k: torch.zeros(2) for k in tensors(run)}, {"fewlab": json.dumps(about(run))}
    ),
    "more classes than weights": lambda run, trace: described(run, problem={"classes": 99, "channels": 1, "size": 8}),
    "classes without end": lambda run, trace: described(run, problem={"classes": 10**15, "channels": 1, "size": 8}),
    "images of a million pixels a side": lambda run, trace: described(
        run, problem={"classes": 10, "channels": 1, "size": 1_000_000}
    ),
    "a table for every atom": lambda run, trace: described(
        run,
        config=RunConfig.parse({"method": "label_propagation"}).model_dump(mode="json"),
        problem={"classes": 10, "channels": 1, "size": 8, "counts": {"all": 10**13}},
    ),
    "images of no pixels": lambda run, trace: described(run, problem={"classes": 10, "channels": 1, "size": 0}),
    "images of two channels": lambda run, trace: described(run, problem={"classes": 10, "channels": 2, "size": 8}),
    "a network that is larger than the file": lambda run, trace: described(
        run, config={**about(run)["config"], "backbone": {"name": "small_cnn", "width": 256}}
    ),
    "fewer names than classes": lambda run, trace: described(run, class_names=["a"]),
    **{
        f"without {key}": partial(without, key)
        for key in ("version", "config", "class_names", "background", "metrics", "problem")
    },
}


@pytest.mark.parametrize("make", MODELS.values(), ids=list(MODELS))
def test_a_model_that_cannot_be_used_is_one_sentence(
    run: RunFolder, trace: Path, make: Callable[[RunFolder, Path], bytes]
) -> None:
    run.model_file.write_bytes(make(run, trace))
    text = sentence(lambda: Predictor(run))
    assert text.startswith(f"The model file of run {run.id} is damaged or not FewLab's (")
    assert text.endswith("): resume or repeat the run to write it again.")
    assert isinstance(run.model_about(), dict)  # pages that only want to know what it says go on
    assert not trace.exists()


@pytest.mark.parametrize("make", ["directory", "pipe"])
def test_what_is_no_file_in_the_place_of_a_model_is_one_sentence(run: RunFolder, make: str) -> None:
    run.model_file.unlink()
    run.model_file.mkdir() if make == "directory" else os.mkfifo(run.model_file)
    assert sentence(lambda: Predictor(run)).startswith(f"The model file of run {run.id} is damaged or not FewLab's (")
    assert run.model_about() == {}


@pytest.mark.parametrize("background", [None, "white", 5.0])
def test_a_model_says_how_bright_its_background_is_as_a_share(run: RunFolder, background: Any) -> None:
    run.model_file.write_bytes(described(run, background=background))
    assert sentence(lambda: Predictor(run)).startswith(f"The model file of run {run.id} is damaged or not FewLab's (")


def test_a_model_answers_about_images_that_may_not_be_written_to(run: RunFolder) -> None:
    images = np.zeros((2, 1, 8, 8), np.uint8)
    images.flags.writeable = False
    assert Predictor(run).probabilities(images).shape == (2, 10)  # torch's warning would be an error here


def test_no_model_and_a_newer_model_say_so(run: RunFolder) -> None:
    newer = described(run, version=4)
    assert run.model_about() == about(run)
    run.model_file.unlink()
    assert run.model_about() == {}
    assert (
        sentence(lambda: Predictor(run))
        == f"Run {run.id} has no model yet: let it finish, or stop it to keep what it has learned."
    )
    run.model_file.write_bytes(newer)
    assert (
        sentence(lambda: Predictor(run))
        == f"The model of run {run.id} was written in format 4 and this FewLab reads up to 2: update FewLab to open it."
    )


# snapshots, the split, the kept images


def zipped(content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("ids.npy", content)
    return buffer.getvalue()


def pickled_array(trace: Path) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, ids=np.array([Attack(trace)], dtype=object))
    return buffer.getvalue()


def plain_array() -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, np.arange(3))
    return buffer.getvalue()


ARRAYS: dict[str, Callable[[bytes, Path], bytes]] = {
    "empty": lambda whole, trace: b"",
    "cut off": lambda whole, trace: whole[: len(whole) // 2],
    "one byte wrong": lambda whole, trace: flipped(whole),
    "garbage": lambda whole, trace: GARBAGE,
    "a zip of garbage": lambda whole, trace: zipped(GARBAGE),
    "the beginning of a zip": lambda whole, trace: b"PK\x03\x04",
    "one bare array": lambda whole, trace: plain_array(),
    "a pickle": lambda whole, trace: pickle.dumps(Attack(trace)),
    "an array of pickles": lambda whole, trace: pickled_array(trace),
}


@pytest.mark.parametrize("damage", ARRAYS.values(), ids=list(ARRAYS))
def test_a_snapshot_that_cannot_be_read_is_one_sentence(
    run: RunFolder, trace: Path, damage: Callable[[bytes, Path], bytes]
) -> None:
    path = run.snapshots / "00000040.npz"
    path.write_bytes(damage(path.read_bytes(), trace))
    assert sentence(lambda: run.snapshot(40)).startswith(f"The snapshot of step 40 of run {run.id} cannot be read (")
    assert not trace.exists()


@pytest.mark.parametrize("damage", ARRAYS.values(), ids=list(ARRAYS))
def test_a_split_that_cannot_be_read_is_one_sentence(
    run: RunFolder, trace: Path, damage: Callable[[bytes, Path], bytes]
) -> None:
    path = run.path / "split.npz"
    path.write_bytes(damage(path.read_bytes(), trace))
    assert sentence(lambda: retest(run)).startswith(f"The split of run {run.id} cannot be read (")
    assert not trace.exists()


def test_a_split_of_images_that_the_data_set_does_not_have_is_one_sentence(run: RunFolder) -> None:
    run.write_split(**{**run.split(), "test": np.array([10**6])})
    assert (
        sentence(lambda: retest(run))
        == f"The split of run {run.id} names images that its data set does not have: restore split.npz or the data."
    )


def test_a_missing_snapshot_and_names_that_are_no_steps(run: RunFolder) -> None:
    assert (
        sentence(lambda: run.snapshot(7))
        == f"The snapshot of step 7 of run {run.id} cannot be read (FileNotFoundError)."
    )
    for name in ("x.npz", "..npz", "12.tmp.npz", "-5.npz"):
        (run.snapshots / name).write_bytes(b"")
    assert run.snapshot_steps() == [20, 40]


@pytest.mark.parametrize("name", ["images.npy", "labels.npy", "ids.npy", "about.json"])
@pytest.mark.parametrize(
    "content",
    [None, b"", GARBAGE, b"[]", b"\x93NUMPY\x01\x00"],
    ids=["missing", "empty", "garbage", "a list", "cut off"],
)
def test_kept_images_that_cannot_be_read_are_one_sentence(
    trained: Callable[..., Run], tmp_path: Path, name: str, content: bytes | None
) -> None:
    folder = trained(method={"name": "supervised"}).folder
    content_hash = folder.events()[0]["pictures"]
    kept = tmp_path / ".pictures" / content_hash
    shutil.copytree(folder.path.parent / ".pictures" / content_hash, kept)
    assert len(load_stored_images(tmp_path, content_hash).ids) == 1797
    (kept / name).unlink() if content is None else (kept / name).write_bytes(content)
    with pytest.raises(RunError) as refused:
        load_stored_images(tmp_path, content_hash)
    assert (
        str(refused.value)
        == "The images of this run are no longer in the cache: start a run on the same data set to bring them back."
    )

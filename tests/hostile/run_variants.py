"""One good run folder, made without training, and some hundred ways in which a stranger's may be wrong."""

from __future__ import annotations

import io
import json
import os
import struct
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.config.run_config import RunConfig
from engine.runs.folder import RunFolder, Status
from engine.runs.projections import Projection, write_projection
from engine.runs.stored_images import store_images

GOOD = "20260301-120000-fixmatch-digits-900d"
IDS = np.arange(12)
PART = np.repeat(np.arange(4, dtype=np.uint8), 3)
CLASSES, FEATURES = 3, 4
Arrays = dict[str, NDArray[Any]]


def arrays() -> Arrays:
    draws = np.random.default_rng(0)
    weights = draws.dirichlet(np.ones(CLASSES), 6).astype(np.float16)
    return {
        "ids": IDS,
        "part": PART,
        "probabilities": draws.dirichlet(np.ones(CLASSES), 12).astype(np.float16),
        "embeddings": draws.normal(size=(12, FEATURES)).astype(np.float16),
        "projections": draws.normal(size=(12, 2)).astype(np.float16),
        "pseudo_ids": IDS[3:6],
        "pseudo_labels": np.array([0, 1, 2], np.int32),
        "pseudo_confidence": np.array([0.5, 0.9, 0.99], np.float32),
        "pseudo_weight": np.array([0, 1, 1], np.float16),
        "pseudo_threshold": np.full(3, 0.8, np.float32),
        "candidate_ids": IDS[:6],
        "candidate_weights": weights,
        "candidate_sets": np.ones((6, CLASSES), bool),
        "view_weak": np.zeros((2, 1, 8, 8), np.uint8),
        "view_strong": np.zeros((2, 1, 8, 8), np.uint8),
        "view_ids": IDS[:2],
    }


def make(root: Path, name: str = GOOD) -> RunFolder:
    """A finished run of three evaluations on twelve images."""
    folder = RunFolder(root / name)
    folder.path.mkdir(parents=True)
    folder.write_config(
        RunConfig.parse({"method": "fixmatch", "data": "digits", "budget": {"steps": 20}}).model_dump(mode="json")
    )
    folder.write_status(Status("finished", 20, 20, 1.5, 900.0, metrics={"test/accuracy": 0.5}))
    folder.add_event("start", 0, pictures="abc", machine={"device": "cpu"})
    folder.add_event("change", 5, key="method.threshold", value=0.8)
    for step in (0, 10, 20):
        folder.add_metrics({"step": step, "seconds": step / 10, "loss/labeled": 2.0, "test/accuracy": 0.5})
        folder.write_snapshot(step, arrays())
    folder.write_split(
        labeled=IDS[:3], pool=IDS[:6], validation=IDS[6:9], test=IDS[9:], candidates=np.ones((6, CLASSES), bool)
    )
    pixels = np.random.default_rng(1).integers(0, 256, (12, 1, 8, 8), dtype=np.uint8)
    store_images(root, "abc", pixels, IDS % CLASSES, IDS, ("cat", "dog", "<b>cow"))
    points = np.zeros((1, 12, 2), np.float32)
    one = np.ones(1)
    write_projection(
        folder.path,
        "kept",
        Projection(IDS, PART, IDS % CLASSES, points, np.array([20]), one, one, np.ones((1, 3)), 1.0),
    )
    header = json.dumps({"__metadata__": {"fewlab": json.dumps({"temperature": 1.5})}}).encode()
    folder.model_file.write_bytes(struct.pack("<Q", len(header)) + header)
    return folder


# ways to be wrong


def written(name: str, content: bytes, folder: RunFolder) -> None:
    (folder.path / name).write_bytes(content)


def appended(name: str, content: str, folder: RunFolder) -> None:
    with open(folder.path / name, "a", encoding="utf-8") as file:
        file.write(content + "\n")


def settings(name: str, key: str, text: str, folder: RunFolder) -> None:
    """A dotted key of config.json or status.json set to JSON that Python's own writer may not write."""
    keys = key.split(".")
    plain = json.loads((folder.path / name).read_bytes())
    inner = plain
    for one in keys[:-1]:
        inner = inner[one]
    inner[keys[-1]] = "HERE"
    (folder.path / name).write_text(json.dumps(plain).replace('"HERE"', text))


def snapshot(changes: dict[str, Any], folder: RunFolder) -> None:
    """The last snapshot with other arrays; None leaves one out."""
    changed = {name: array for name, array in {**arrays(), **changes}.items() if array is not None}
    np.savez(folder.snapshots / "00000020.npz", **changed)


def split(changes: dict[str, Any], folder: RunFolder) -> None:
    with np.load(folder.path / "split.npz") as file:
        plain = {name: file[name] for name in file.files}
    np.savez(folder.path / "split.npz", **{k: v for k, v in {**plain, **changes}.items() if v is not None})


def in_place(name: str, kind: str, folder: RunFolder) -> None:
    path = folder.path / name
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(kind)


def zipped(members: dict[str, bytes], packed: bool, folder: RunFolder) -> None:
    with zipfile.ZipFile(
        folder.snapshots / "00000020.npz", "w", zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
    ) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def npy(shape: tuple[int, ...], dtype: Any, content: bytes = b"") -> bytes:
    """An array's file whose header may promise more than there is."""
    buffer = io.BytesIO()
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, header)
    return buffer.getvalue() + content


def bomb(folder: RunFolder) -> None:
    """Two kilobytes per megabyte: 600 MB of zeros."""
    with (
        zipfile.ZipFile(folder.snapshots / "00000020.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive,
        archive.open("embeddings.npy", "w", force_zip64=True) as member,
    ):
        member.write(npy((600, 1_000_000), np.uint8))
        for _ in range(600):
            member.write(bytes(1_000_000))


def many_entries(folder: RunFolder) -> None:
    with zipfile.ZipFile(folder.snapshots / "00000020.npz", "w") as archive:
        for number in range(5_000):
            archive.writestr(f"{number}.npy", b"")


def renamed(name: str, folder: RunFolder) -> None:
    folder.path.rename(folder.path.with_name(name))


NESTED = '{"a":' * 60 + "1" + "}" * 60
CONFIG: dict[str, tuple[str, str]] = {
    "data a list": ("data", "[]"),
    "data a word": ("data", '"digits"'),
    "data without a name": ("data.name", "null"),
    "data with a number for a name": ("data.name", "5"),
    "labels a word": ("data.labels", '"few"'),
    "labels a list": ("data.labels", "[2]"),
    "labels of a kind that is a list": ("data.labels.kind", "[]"),
    "labels per class in words": ("data.labels.per_class", '"two"'),
    "labels per class none": ("data.labels.per_class", "null"),
    "labels at most in words": ("data.labels.at_most", '"yes"'),
    "the draw of labels in words": ("data.split_seed", '"x"'),
    "a path that is a number": ("data.path", "7"),
    "the method a word": ("method", '"fixmatch"'),
    "the method's name an object": ("method.name", "{}"),
    "the method's name a megabyte": ("method.name", '"' + "x" * 1_000_000 + '"'),
    "the backbone a number": ("backbone", "1.5"),
    "initial weights that are a list": ("backbone.init", "[]"),
    "the optimizer a word": ("optimizer", '"sgd"'),
    "views that are a list": ("augment", "[1]"),
    "a view that is a word": ("augment.weak", '"x"'),
    "the budget a list": ("budget", "[]"),
    "steps in words": ("budget.steps", '"many"'),
    "steps beyond measure": ("budget.steps", "1" + "0" * 400),
    "steps below zero": ("budget.steps", "-5"),
    "a seed that is not a number": ("seed", "NaN"),
    "a seed beyond a float": ("seed", "1e999"),
    "a seed that is true": ("seed", "true"),
    "a threshold beyond a float": ("method.threshold", "1e999"),
    "a threshold that is not a number": ("method.threshold", "NaN"),
    "a name that is an object": ("name", "{}"),
    "settings nested sixty deep": ("hardware", NESTED),
    "hardware a list": ("hardware", "[]"),
}
CONFIG_THAT_READS: dict[str, tuple[str, str]] = {
    "a method nobody knows": ("method.name", '"telepathy"'),
    "a data set nobody knows": ("data.name", '"../../etc"'),
    "a threshold in words": ("method.threshold", '"high"'),
    "a threshold out of range": ("method.threshold", "50"),
    "a threshold that is none": ("method.threshold", "null"),
    "a setting nobody knows": ("method.charm", "[1, 2]"),
}
STATUS: dict[str, tuple[str, str]] = {
    "a step in words": ("step", '"5"'),
    "half a step": ("step", "1.5"),
    "a step below zero": ("step", "-1"),
    "steps beyond measure": ("steps", "1" + "0" * 400),
    "seconds that are not a number": ("seconds", "NaN"),
    "seconds beyond a float": ("seconds", "1e999"),
    "an infinite heartbeat": ("heartbeat", "Infinity"),
    "a place in the queue that is not a number": ("order", "NaN"),
    "a reason that is a list": ("reason", "[]"),
    "a reason of a megabyte": ("reason", '"' + "x" * 1_000_000 + '"'),
    "metrics a list": ("metrics", "[0.5]"),
    "a metric in words": ("metrics.test/accuracy", '"high"'),
    "a metric that is true": ("metrics.test/accuracy", "true"),
}
STATUS_THAT_READS: dict[str, str] = {
    "a metric that is not a number": "NaN",
    "a metric beyond a float": "1e999",
    "a metric of four hundred digits": "1" + "0" * 400,
}
EVENTS: dict[str, str] = {
    "an event that is a list": '{"event": [], "step": 1}',
    "an event without a step": '{"event": "change", "key": "method.threshold"}',
    "an event at step NaN": '{"event": "change", "step": NaN, "key": "method.threshold", "value": 0.5}',
    "an event at half a step": '{"event": "change", "step": 0.5, "key": "method.threshold", "value": 0.5}',
    "a change to NaN": '{"event": "change", "step": 6, "key": "method.threshold", "value": NaN}',
    "a change beyond measure": '{"event": "change", "step": 6, "key": "method.threshold", "value": 1' + "0" * 400 + "}",
    "a change to an object": '{"event": "change", "step": 6, "key": "method.threshold", "value": {"a": [1]}}',
    "a change out of range": '{"event": "change", "step": 6, "key": "method.threshold", "value": 1e30}',
    "a change of a list": '{"event": "change", "step": 6, "key": ["method"], "value": 1}',
    "a refusal without a reason": '{"event": "refused", "step": 6}',
    "a refusal that is an object": '{"event": "refused", "step": 6, "reason": {}}',
}
METRICS: dict[str, str] = {
    "a row at step NaN": '{"step": NaN, "loss/labeled": 1}',
    "a row at half a step": '{"step": 1.5, "loss/labeled": 1}',
    "a row at step true": '{"step": true, "loss/labeled": 1}',
    "a row below zero": '{"step": -1, "loss/labeled": 1}',
    "a row at a step beyond measure": '{"step": 1' + "0" * 400 + ', "loss/labeled": 1}',
    "a loss that is not a number": '{"step": 15, "loss/labeled": NaN}',
    "a loss beyond a float": '{"step": 15, "loss/labeled": 1e999}',
    "a loss of four hundred digits": '{"step": 15, "loss/labeled": 1' + "0" * 400 + "}",
    "a loss that is true": '{"step": 15, "loss/labeled": true}',
    "a loss in words": '{"step": 15, "loss/labeled": "low", "mask_rate": []}',
    "a name of a megabyte": '{"step": 15, "' + "x" * 900_000 + '": 1}',
    "two thousand names": json.dumps({"step": 15, **{f"metric {i}": i for i in range(2_000)}}),
    "a line of three megabytes": '{"step": 15, "note": "' + "x" * 3_000_000 + '"}',
}
NOTES: dict[str, bytes] = {
    "a list": b"[]",
    "no JSON": b"{",
    "a note that is a number": b'{"note": 3, "tags": []}',
    "a note of six hundred characters": b'{"note": "' + b"x" * 600 + b'"}',
    "a note of half a letter": b'{"note": "\\ud800"}',
    "a note with a bell": b'{"note": "ding \\u0007"}',
    "tags that are a word": b'{"tags": "abc"}',
    "tags of numbers": b'{"tags": [1, 2]}',
    "a tag of two words": b'{"tags": ["a b"]}',
    "a tag of nothing": b'{"tags": [""]}',
    "a tag of a hundred letters": b'{"tags": ["' + b"x" * 100 + b'"]}',
    "a tag that turns what follows": b'{"tags": ["\\u202eevil"]}',
    "a tag twice": b'{"tags": ["a", "a"]}',
    "eleven tags": json.dumps({"tags": [f"t{i}" for i in range(11)]}).encode(),
    "deep tags": b'{"tags": ' + b"[" * 50_000 + b"]" * 50_000 + b"}",
}
_P = arrays()
SNAPSHOTS: dict[str, dict[str, Any]] = {
    "no ids": {"ids": None},
    "no parts": {"part": None},
    "no embeddings": {"embeddings": None},
    "ids a scalar": {"ids": np.int64(5)},
    "ids in words": {"ids": np.array([str(i) for i in IDS])},
    "ids of broken numbers": {"ids": IDS + 0.5},
    "ids below zero": {"ids": IDS - 100},
    "ids beyond int64": {"ids": IDS.astype(np.uint64) + np.uint64(2**63)},
    "ids that are no images": {"ids": IDS + 10_000},
    "one id twelve times": {"ids": IDS * 0},
    "a table of ids": {"ids": np.stack([IDS, IDS], 1)},
    "too few ids": {"ids": IDS[:5]},
    "parts out of range": {"part": PART + 4},
    "parts of floats": {"part": PART.astype(float)},
    "too few parts": {"part": PART[:2]},
    "probabilities a scalar": {"probabilities": np.float16(0.5)},
    "probabilities in a row": {"probabilities": np.full(12, 0.5)},
    "probabilities in words": {"probabilities": np.full((12, 3), "a")},
    "probabilities that are not numbers": {"probabilities": np.full((12, 3), np.nan)},
    "infinite probabilities": {"probabilities": np.full((12, 3), np.inf)},
    "probabilities above one": {"probabilities": np.full((12, 3), 40.0)},
    "probabilities that are all zero": {"probabilities": np.zeros((12, 3))},
    "complex probabilities": {"probabilities": np.ones((12, 3), complex)},
    "no classes": {"probabilities": np.zeros((12, 0))},
    "more classes than the images have": {"probabilities": np.full((12, 7), 1 / 7)},
    "fewer classes than the images have": {"probabilities": np.ones((12, 1))},
    "a class for every atom": {"ids": IDS[:0], "part": PART[:0], "probabilities": np.zeros((0, 2**40))},
    "no images at all": {n: _P[n][:0] for n in ("ids", "part", "probabilities", "embeddings", "projections")},
    "embeddings that are not numbers": {"embeddings": np.full((12, 4), np.nan)},
    "infinite embeddings": {"embeddings": np.full((12, 4), np.inf, np.float16)},
    "embeddings in a cube": {"embeddings": np.zeros((12, 4, 4))},
    "embeddings of no features": {"embeddings": np.zeros((12, 0))},
    "too few embeddings": {"embeddings": np.zeros((3, 4))},
    "projections that are not numbers": {"projections": np.full((12, 2), np.nan)},
    "pseudo-labels without confidence": {"pseudo_confidence": None},
    "pseudo-labels without weight": {"pseudo_weight": None},
    "pseudo-labels without ids": {"pseudo_ids": None},
    "pseudo-labels of different lengths": {"pseudo_labels": np.array([1])},
    "a pseudo-label out of range": {"pseudo_labels": np.array([0, 1, 99])},
    "a pseudo-label far below zero": {"pseudo_labels": np.array([0, 1, -99])},
    "pseudo-labels of floats": {"pseudo_labels": np.ones(3)},
    "pseudo-labels of strange images": {"pseudo_ids": np.array([1, 2, 5_000])},
    "confidence above one": {"pseudo_confidence": np.full(3, 9.0)},
    "confidence that is not a number": {"pseudo_confidence": np.full(3, np.nan)},
    "weights that are not numbers": {"pseudo_weight": np.full(3, np.nan)},
    "a threshold that is a scalar": {"pseudo_threshold": np.float32(0.5)},
    "a threshold that is not a number there": {"pseudo_threshold": np.full(3, np.nan)},
    "candidates without sets": {"candidate_sets": None},
    "candidates of strange images": {"candidate_ids": IDS[:6] + 900},
    "candidate sets of other classes": {"candidate_sets": np.ones((6, 9), bool)},
    "candidate weights below zero": {"candidate_weights": -_P["candidate_weights"]},
    "views of floats": {"view_weak": np.zeros((2, 1, 8, 8))},
    "views of two channels": {"view_weak": np.zeros((2, 2, 8, 8), np.uint8)},
    "views without pixels": {"view_weak": np.zeros((2, 1, 0, 8), np.uint8)},
    "views of different numbers": {"view_weak": np.zeros((1, 1, 8, 8), np.uint8)},
    "a view that is a scalar": {"view_weak": np.uint8(4)},
    "arrays nobody knows": {"<script>": np.arange(3), "../../x": np.arange(4)},
}
SPLITS: dict[str, dict[str, Any]] = {
    "no test images": {"test": None},
    "test images in words": {"test": np.array(["a"])},
    "test images that are none": {"test": np.array([77, 88])},
    "test images below zero": {"test": np.array([-5])},
    "a pool of one number": {"pool": np.int64(3)},
    "a pool of another length": {"pool": IDS[:2]},
    "classes without end": {"classes": np.int64(2**40)},
    "classes of a million": {"classes": np.int64(100_000)},
    "classes in a row": {"classes": np.array([3, 3])},
    "no number of classes": {"classes": None},
    "candidates of floats": {"candidates": np.ones((6, 1))},
}
METADATA: dict[str, bytes] = {
    "a header longer than the file": struct.pack("<Q", 2**60) + b"{}",
    "a header of brackets": struct.pack("<Q", 200_000) + b"[" * 200_000,
    "a temperature in words": b'{"temperature": "warm"}',
    "a temperature of zero": b'{"temperature": 0}',
    "a temperature that is not a number": b'{"temperature": NaN}',
}


def metadata(content: bytes, folder: RunFolder) -> None:
    if content.startswith(b"{"):
        header = json.dumps({"__metadata__": {"fewlab": content.decode()}}).encode()
        content = struct.pack("<Q", len(header)) + header
    folder.model_file.write_bytes(content)


Damage = Callable[[RunFolder], None]
# The run is listed no longer: it has one line in Runs, from which it can be deleted.
DAMAGED: dict[str, Damage] = {
    **{f"config: {name}": partial(settings, "config.json", *of) for name, of in CONFIG.items()},
    **{f"status: {name}": partial(settings, "status.json", *of) for name, of in STATUS.items()},
    "config: larger than any": partial(written, "config.json", b'{"a": "' + b"x" * 5_000_000 + b'"}'),
    **{
        f"{name} a {kind}": partial(in_place, name, kind)
        for name in ("config.json", "status.json", "metrics.jsonl", "events.jsonl")
        for kind in ("pipe", "directory")
    },
    "config a link to a device": partial(in_place, "config.json", "/dev/zero"),
    "an id that is no date": partial(renamed, "20261301-999999-fixmatch-digits-900d"),
    "an id of the year 0": partial(renamed, "00000101-000000-fixmatch-digits-900d"),
    "an id of the year 1": partial(renamed, "00010101-000000-fixmatch-digits-900d"),
    "an id of the last year": partial(renamed, "99991231-235959-fixmatch-digits-900d"),
}
# The run is listed; whoever reads what is wrong gets one sentence, or what is right of it.
LISTED: dict[str, Damage] = {
    **{f"config: {name}": partial(settings, "config.json", *of) for name, of in CONFIG_THAT_READS.items()},
    **{
        f"status: {name}": partial(settings, "status.json", "metrics.test/accuracy", text)
        for name, text in STATUS_THAT_READS.items()
    },
    **{f"event: {name}": partial(appended, "events.jsonl", line) for name, line in EVENTS.items()},
    **{f"metrics: {name}": partial(appended, "metrics.jsonl", line) for name, line in METRICS.items()},
    **{f"snapshot: {name}": partial(snapshot, changes) for name, changes in SNAPSHOTS.items()},
    **{f"split: {name}": partial(split, changes) for name, changes in SPLITS.items()},
    **{f"model: {name}": partial(metadata, content) for name, content in METADATA.items()},
    **{f"notes: {name}": partial(written, "notes.json", content) for name, content in NOTES.items()},
    **{
        f"{name} a {kind}": partial(in_place, name, kind)
        for name in ("split.npz", "model.safetensors", "notes.json", "snapshots/00000020.npz", "projections/kept.npz")
        for kind in ("pipe", "directory")
    },
    "images named by a path": partial(
        written, "events.jsonl", b'{"event": "start", "step": 0, "pictures": "../../../etc"}\n'
    ),
    "images of another set": partial(written, "events.jsonl", b'{"event": "start", "step": 0, "pictures": "0ther"}\n'),
    "snapshot: a name of superscript digits": partial(written, "snapshots/\u00b2\u00b2.npz", b""),
    "snapshot: a name of Arabic digits": partial(
        written, "snapshots/\u0661\u0662\u0663\u0664\u0661\u0662\u0663\u0664.npz", b""
    ),
    "snapshot: a short name": partial(written, "snapshots/5.npz", b""),
    "snapshot: a name of a hundred digits": partial(written, "snapshots/" + "9" * 100 + ".npz", b""),
    "snapshot: six hundred megabytes in two": bomb,
    "snapshot: five thousand entries": many_entries,
    "snapshot: a header that promises a terabyte": partial(
        zipped, {"ids.npy": npy((12,), np.int64, IDS.tobytes()), "embeddings.npy": npy((12, 2**33), np.float64)}, False
    ),
    "snapshot: a header of a shape below zero": partial(zipped, {"ids.npy": npy((-12,), np.int64)}, False),
    "snapshot: one array twice": partial(
        zipped, {"ids.npy": npy((12,), np.int64, IDS.tobytes()), "ids": npy((12,), np.int64, IDS.tobytes())}, True
    ),
}

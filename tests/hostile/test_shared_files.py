"""A run as one file: it opens elsewhere as it was, and of a file that is anything else nothing stays."""

from __future__ import annotations

import io
import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.analysis.evaluated_run import EvaluatedRun
from engine.errors import FewLabError, RunError
from engine.predictor import Predictor
from engine.runs.folder import RunFolder
from engine.runs.shared_file import open_shared, share
from engine.runs.store import Run, Store
from engine.training.model_file import load_model
from engine.training.retest import retest
from tests.hostile.run_variants import NOTES


@pytest.fixture(scope="module")
def original(trained: Callable[..., Run]) -> Run:
    return trained(method={"name": "supervised"})


@pytest.fixture(scope="module")
def file(original: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("shared") / "run.fewlab"
    share([original], made, with_images=True)
    return made


def opened(file: Path, root: Path) -> Any:
    return open_shared(file, Store(root), load_model)


def test_a_run_opens_elsewhere_with_curves_evaluations_images_and_answers_and_can_be_measured_again(
    original: Run, file: Path, tmp_path: Path
) -> None:
    assert opened(file, tmp_path / "there") == ([original.id], [])
    run = Store(tmp_path / "there").run(original.id)
    assert (run.config, run.status.metrics) == (original.config, original.status.metrics)
    assert run.status.seconds == original.status.seconds
    assert run.status.images_per_second == original.status.images_per_second
    assert run.folder.metrics() == original.folder.metrics()
    here, there = EvaluatedRun(original), EvaluatedRun(run)
    assert there.steps == here.steps
    step = here.steps[-1]
    mine, theirs = here.predictions(step, "test"), there.predictions(step, "test")
    assert (mine.probabilities == theirs.probabilities).all()
    assert (mine.true_labels == theirs.true_labels).all()
    assert (here.pixels(int(mine.ids[0])) == there.pixels(int(mine.ids[0]))).all()
    image = np.random.default_rng(0).integers(0, 256, (20, 20, 1), dtype=np.uint8)
    (a,), (b,) = (Predictor(one.folder).predict([image]) for one in (original, run))
    assert (a.probabilities == b.probabilities).all()
    assert (a.distance, a.nearest) == (b.distance, b.nearest)
    assert not run.folder.checkpoint_file.exists()
    assert retest(original.folder)["test/accuracy"] == original.status.metrics["test/accuracy"]


def test_without_images_none_go_along_and_a_run_that_is_here_is_left_as_it_is(original: Run, tmp_path: Path) -> None:
    small = tmp_path / "small.fewlab"
    share([original], small)
    with zipfile.ZipFile(small) as archive:
        assert not [name for name in archive.namelist() if name.startswith("images/")]
        for name in archive.namelist():
            if "/snapshots/" in name:
                kept = np.load(io.BytesIO(archive.read(name)))
                assert not [array for array in kept if array.startswith("view_")], name
                assert "probabilities" in kept
    opened(small, tmp_path / "there")
    run = Store(tmp_path / "there").run(original.id)
    assert EvaluatedRun(run).images is None
    assert any("view_ids" in original.folder.snapshot(step) for step in original.folder.snapshot_steps())
    Store(tmp_path / "there").rename(original.id, "my own name")
    assert opened(small, tmp_path / "there") == ([], [original.id])
    assert Store(tmp_path / "there").run(original.id).name == "my own name"


def test_a_note_and_tags_go_along_as_they_were_written(original: Run, tmp_path: Path) -> None:
    shutil.copytree(original.folder.path, tmp_path / "here" / original.id)
    here, there = Store(tmp_path / "here"), Store(tmp_path / "there")
    share([here.run(original.id)], tmp_path / "plain.fewlab")
    here.annotate(original.id, "<b>first</b> try\n=1+1, \u05d0\u200f", ["baseline", "für-später"])
    share([here.run(original.id)], tmp_path / "run.fewlab")
    opened(tmp_path / "run.fewlab", there.root)
    assert there.run(original.id).notes == here.run(original.id).notes
    assert there.run(original.id).notes.tags == ("baseline", "für-später")
    # An earlier FewLab opens what has no notes, and says of the others that they are newer.
    versions = [
        json.loads(zipfile.ZipFile(tmp_path / name).read("shared.json"))["version"]
        for name in ("plain.fewlab", "run.fewlab")
    ]
    assert versions == [1, 2]
    with zipfile.ZipFile(io.BytesIO(here.open(original.id).as_zip())) as archive:
        archive.extractall(tmp_path / "unpacked")
    assert Store(tmp_path / "unpacked").run(original.id).notes == here.run(original.id).notes


def test_images_of_a_stranger_never_stand_for_ones_own(original: Run, file: Path, tmp_path: Path) -> None:
    """Under the hash that they claim, later runs of one's own would be shown with them."""
    opened(file, tmp_path / "there")
    content = original.folder.content_hash()
    assert content is not None
    assert not (tmp_path / "there" / ".pictures" / content).exists()
    run = Store(tmp_path / "there").run(original.id)
    assert (run.folder.content_hash() or "").startswith("shared")


def test_a_run_that_is_named_twice_goes_along_once(original: Run, tmp_path: Path) -> None:
    share([original, original], tmp_path / "twice.fewlab")
    assert opened(tmp_path / "twice.fewlab", tmp_path / "there") == ([original.id], [])


def test_features_of_another_width_tell_no_distance_and_the_model_answers(original: Run, tmp_path: Path) -> None:
    shutil.copytree(original.folder.path, tmp_path / original.id)
    folder = RunFolder(tmp_path / original.id)
    step = folder.snapshot_steps()[-1]
    arrays = folder.snapshot(step)
    folder.write_snapshot(step, {**arrays, "embeddings": arrays["embeddings"][:, :3]})
    image = np.zeros((20, 20, 1), np.uint8)
    (answer,) = Predictor(folder).predict([image])
    (before,) = Predictor(original.folder).predict([image])
    assert (answer.probabilities == before.probabilities).all()
    assert (answer.nearest, answer.distance) == (None, None)


def test_members_that_lie_over_each_other_are_refused_before_anything_is_unpacked(file: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        run = json.loads(archive.read("shared.json"))["runs"][0]
    made = tmp_path / "over.fewlab"
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("shared.json", json.dumps({"version": 1, "runs": [run], "images": []}))
        archive.writestr(f"runs/{run}/snapshots/00000001.npz", bytes(1_000_000))
        first = archive.filelist[-1]
        for number in range(2, 60):
            again = zipfile.ZipInfo(f"runs/{run}/snapshots/{number:08}.npz")
            again.header_offset, again.CRC = first.header_offset, first.CRC
            again.file_size = again.compress_size = first.file_size
            archive.filelist.append(again)
            archive.NameToInfo[again.filename] = again
    assert made.stat().st_size < 1_100_000
    with pytest.raises(RunError, match="no part of a shared run"):
        opened(made, tmp_path / "there")


def test_a_run_that_has_not_ended_is_not_shared(original: Run, tmp_path: Path) -> None:
    shutil.copytree(original.folder.path, tmp_path / "here" / original.id)
    store = Store(tmp_path / "here")
    store.open(original.id).update_status(state="interrupted")
    with pytest.raises(RunError, match="only a run that has ended can be shared"):
        share([store.run(original.id)], tmp_path / "x.fewlab")
    assert not (tmp_path / "x.fewlab").exists()


# what strangers send

Change = Callable[[dict[str, bytes]], None]


def rewritten(file: Path, to: Path, change: Change, packed: int = zipfile.ZIP_STORED) -> Path:
    with zipfile.ZipFile(file) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(to, "w", packed) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return to


def run_of(members: dict[str, bytes]) -> str:
    return str(json.loads(members["shared.json"])["runs"][0])


def put(name: str, content: bytes) -> Change:
    """{run}: the run's id; {images}: the images' hash."""

    def change(members: dict[str, bytes]) -> None:
        about = json.loads(members["shared.json"])
        members[name.format(run=about["runs"][0], images=about["images"][0])] = content

    return change


def about(**changes: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        members["shared.json"] = json.dumps({**json.loads(members["shared.json"]), **changes}).encode()

    return change


def without(name: str) -> Change:
    def change(members: dict[str, bytes]) -> None:
        del members[name.format(run=run_of(members))]

    return change


def status(**changes: Any) -> Change:
    def change(members: dict[str, bytes]) -> None:
        name = f"runs/{run_of(members)}/status.json"
        members[name] = json.dumps({**json.loads(members[name]), **changes}).encode()

    return change


def cut(name: str) -> Change:
    def change(members: dict[str, bytes]) -> None:
        full = next(member for member in members if member.endswith(name))
        members[full] = members[full][: len(members[full]) // 2]

    return change


OTHER = "20250101-000000-a-b-c"
ATTACKS: dict[str, Change] = {
    "a path out of the folder": put("runs/{run}/../../../evil", b"x"),
    "an absolute path": put("/tmp/evil", b"x"),
    "a file that no run has": put("runs/{run}/evil.py", b"import os"),
    "a checkpoint": put("runs/{run}/checkpoint.pt", b"\x80\x04."),
    "a hidden file": put("runs/{run}/.status.json", b"{}"),
    "a snapshot of another name": put("runs/{run}/snapshots/evil.npz", b"x"),
    "a run that is not listed": put(f"runs/{OTHER}/config.json", b"{}"),
    "images that are not listed": put("images/abc/images.npy", b"x"),
    "no description": without("shared.json"),
    "a description of nothing": put("shared.json", b"[]"),
    "a description that is no JSON": put("shared.json", b"{"),
    "a deep description": put("shared.json", b"[" * 100_000),
    "a newer version": about(version=99),
    "a version that is none": about(version="1"),
    "no runs": about(runs=[]),
    "a run's id that is a path": about(runs=["../../etc"]),
    "a run twice": lambda members: about(runs=[run_of(members)] * 2)(members),
    "a run that is missing": lambda members: about(runs=[run_of(members), OTHER])(members),
    "no settings": without("runs/{run}/config.json"),
    "settings that are none": put("runs/{run}/config.json", b'{"method": 1}'),
    "settings with infinity": put("runs/{run}/config.json", b'{"method": {"name": "fixmatch", "x": 1e999}}'),
    "no status": without("runs/{run}/status.json"),
    "a status of a run that trains": status(state="running"),
    "a status that is none": status(state="evil"),
    **{f"notes: {name}": put("runs/{run}/notes.json", content) for name, content in NOTES.items()},
    "a split that is none": put("runs/{run}/split.npz", b"PK\x03\x04"),
    "no split": without("runs/{run}/split.npz"),
    "a pickle as a model": put("runs/{run}/model.safetensors", b"\x80\x04cposix\nsystem\n."),
    "half a model": cut("model.safetensors"),
    "half a snapshot": cut(".npz"),
    "half the images": cut("images.npy"),
    "images that are a pickle": put("images/{images}/images.npy", b"\x93NUMPY\x01\x00\x10\x00{'descr':'|O'}   "),
    "class names that are none": put("images/{images}/about.json", b'{"class_names": 3}'),
}


@pytest.mark.parametrize("name", ATTACKS)
def test_of_a_file_that_is_anything_else_nothing_stays(file: Path, tmp_path: Path, name: str) -> None:
    root = tmp_path / "there"
    made = rewritten(file, tmp_path / "made.fewlab", ATTACKS[name])
    with pytest.raises(FewLabError) as refused:
        opened(made, root)
    sentence = str(refused.value)
    assert sentence.endswith("."), sentence
    assert "\n" not in sentence
    assert Store(root).runs() == []
    assert {path.name for path in root.rglob("*")} <= {".pictures"}
    assert {path.name for path in tmp_path.iterdir()} == {"there", "made.fewlab"}


def test_packed_members_cut_off_files_and_other_files_are_refused(file: Path, tmp_path: Path) -> None:
    packed = rewritten(file, tmp_path / "packed.fewlab", lambda members: None, zipfile.ZIP_DEFLATED)
    half = tmp_path / "half.fewlab"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    text = tmp_path / "text.fewlab"
    text.write_text("Dear diary")
    for made in (packed, half, text, tmp_path / "missing.fewlab", tmp_path):
        with pytest.raises(RunError):
            opened(made, tmp_path / "there")
    assert Store(tmp_path / "there").runs() == []


def test_a_damaged_byte_anywhere_in_the_model_or_a_snapshot_is_seen(file: Path, tmp_path: Path) -> None:
    """The checksum of the archive's member sees what its content would not show."""
    data = bytearray(file.read_bytes())
    with zipfile.ZipFile(file) as archive:
        member = next(one for one in archive.infolist() if one.filename.endswith("model.safetensors"))
    data[member.header_offset + 3_000] ^= 1
    (tmp_path / "bad.fewlab").write_bytes(data)
    with pytest.raises(RunError, match="damaged"):
        opened(tmp_path / "bad.fewlab", tmp_path / "there")

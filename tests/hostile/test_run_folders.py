"""Run folders of strangers, each wrong in one way: whatever is read of them is right or refused in one sentence, soon
and in little memory, and the runs beside them stay listed.
"""

from __future__ import annotations

import io
import time
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.analysis.evaluated_run import EvaluatedRun, images_shown_by, stamp
from engine.errors import FewLabError, RunError
from engine.lab.projections.projection_inputs import Sample, Source, load_inputs
from engine.runs.folder import PARTS, RunFolder
from engine.runs.projections import read_projection
from engine.runs.store import Run, Store
from tests.hostile.run_variants import CLASSES, DAMAGED, GOOD, LISTED, Damage, make

BESIDE = "20260302-120000-supervised-digits-0000"
SOON = 3.0  # seconds for everything that can be asked of a run, on a machine that does other things too


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    make(tmp_path, BESIDE)
    return make(tmp_path)


def questions(run: Run) -> Iterator[tuple[str, Callable[[], Any]]]:
    """All that pages ask of a run."""
    folder = run.folder
    asked: tuple[Callable[[], Any], ...] = (
        *(folder.config, folder.status, folder.events, folder.content_hash, folder.changes, folder.metrics),
        *(folder.split, folder.candidates, folder.model_about, folder.temperature, folder.snapshot_steps),
        *(folder.as_zip, folder.size_on_disk, folder.notes),
    )
    for ask in asked:
        yield ask.__name__, ask
    yield "name and date", lambda: (run.name, run.created.timestamp())
    yield "stamp", lambda: stamp(run)
    yield "projection", lambda: read_projection(folder.path, "kept")
    for step in folder.snapshot_steps():
        yield f"snapshot {step}", partial(shown, run, step)
        for source in ("embeddings", "projections", "pixels"):
            yield f"{source} {step}", partial(points, folder, source, step)
    evaluated = EvaluatedRun(run)
    for name in ("content", "images", "class_names", "sampled", "has_projections"):
        yield name, partial(getattr, evaluated, name)
    for step in evaluated.steps:
        for part in PARTS:
            yield f"predictions {step} {part}", partial(predicted, evaluated, step, part)
        yield f"history {step}", partial(seen, evaluated, step)
        yield f"others {step}", partial(evaluated.predictions_of, np.array([1, 999]), step)


def points(folder: RunFolder, source: Source, step: int) -> None:
    """What Space projects."""
    (frame,) = load_inputs(folder.path, source, [step], Sample()).features()
    assert np.isfinite(frame).all()


def shown(run: Run, step: int) -> None:
    """What Train draws of an evaluation."""
    arrays = run.folder.snapshot(step)
    images = images_shown_by(run, arrays)
    for name, array in arrays.items():
        assert array.dtype.kind in "iufb"
        assert array.dtype.kind != "f" or np.isfinite(array).all(), name
    if images is None:
        return
    for i, sample in enumerate(arrays.get("pseudo_ids", ())):
        row = int(images.rows(np.array([sample]))[0])
        assert images.ids[row] == sample
        assert images.class_names[int(arrays["pseudo_labels"][i])]
        assert 0 <= arrays["pseudo_confidence"][i] <= 1.01
        assert arrays["pseudo_weight"][i] >= 0
    for i, sample in enumerate(arrays.get("candidate_ids", ())):
        assert images.ids[int(images.rows(np.array([sample]))[0])] == sample
        assert len(arrays["candidate_sets"][i]) == len(arrays["candidate_weights"][i]) == len(images.class_names)
    views = [array for name, array in arrays.items() if name.startswith("view_") and name != "view_ids"]
    assert len({len(view) for view in views}) < 2
    assert all(view.shape[1] in (1, 3) and view.dtype == np.uint8 for view in views)


def predicted(run: EvaluatedRun, step: int, part: str) -> None:
    """What Errors and Pseudo-labels draw."""
    predictions = run.predictions(step, part)
    names = run.class_names
    assert predictions.labels.shape == predictions.confidence.shape == predictions.ids.shape
    assert all(names[label] for label in predictions.labels)
    assert all(-1 <= label < len(names) for label in predictions.true_labels)
    table = np.zeros((len(names), len(names)))
    known = predictions.with_known_label()
    np.add.at(table, (known.true_labels, known.labels), 1)
    run.prediction_history(part).changes()
    for sample in predictions.ids[:2] if run.images is not None else ():
        assert run.pixels(int(sample)).ndim == 3


def seen(run: EvaluatedRun, step: int) -> None:
    for sample in (0, 4, 11, 999):
        history = run.image_history(sample, step)
        if history is not None:
            assert all(0 <= label < len(run.class_names) for label, _ in history.likeliest(3))
            assert all(np.isfinite(near.cosine) for near in history.nearest)


def ask_everything(run: Run) -> dict[str, str]:
    """The sentences of what could not be answered. Any other error than a FewLabError is a failure."""
    refused: dict[str, str] = {}
    asked = questions(run)
    name = "to be opened"
    while True:
        try:
            name, ask = next(asked)
            ask()
        except StopIteration:
            break
        except FewLabError as error:
            refused[name] = str(error)
            if name == "to be opened":
                break
    assert all("\n" not in sentence and len(sentence) < 500 for sentence in refused.values())
    return refused


def test_the_run_that_the_others_are_made_from_answers_everything(folder: RunFolder) -> None:
    assert ask_everything(Store(folder.path.parent).run(GOOD)) == {}
    assert folder.temperature() == 1.5
    assert EvaluatedRun(Store(folder.path.parent).run(GOOD)).class_names == ("cat", "dog", "<b>cow")


@pytest.mark.parametrize("damage", DAMAGED.values(), ids=list(DAMAGED))
def test_a_damaged_run_has_one_line_by_which_it_can_be_deleted_and_the_others_stay(
    folder: RunFolder, damage: Damage
) -> None:
    damage(folder)
    store, began = Store(folder.path.parent), time.perf_counter()
    assert [run.id for run in store.runs()] == [BESIDE]
    assert store.queue() == []
    ((broken, sentence),) = store.unreadable()
    assert broken.id in sentence
    assert "\n" not in sentence
    assert len(sentence) < 500
    with pytest.raises(RunError) as refused:
        store.run(broken.id)
    assert str(refused.value) == sentence
    assert time.perf_counter() - began < SOON
    store.delete(broken.id)
    assert store.unreadable() == []
    assert not list(store.root.glob(".deleted-*"))


@pytest.mark.parametrize("damage", LISTED.values(), ids=list(LISTED))
def test_a_run_that_is_wrong_inside_is_listed_and_answers_in_sentences(folder: RunFolder, damage: Damage) -> None:
    damage(folder)
    store, began = Store(folder.path.parent), time.perf_counter()
    assert [run.id for run in store.runs()] == [BESIDE, GOOD]
    assert store.unreadable() == []
    refused = ask_everything(store.run(GOOD))
    assert time.perf_counter() - began < SOON
    assert not [name for name in refused if name in ("events", "metrics", "changes", "size_on_disk", "as_zip")]


@pytest.mark.parametrize("damage", [d for n, d in LISTED.items() if n.startswith(("metrics", "event"))])
def test_of_journals_only_finite_numbers_at_whole_steps_are_read(folder: RunFolder, damage: Damage) -> None:
    damage(folder)
    rows = folder.metrics()
    assert [row["step"] for row in rows][:3] == [0, 10, 20] or [row["step"] for row in rows] == [0, 10, 15, 20]
    for row in rows:
        assert all(type(value) in (int, float) and np.isfinite(value) for value in row.values())
    assert len({name for row in rows for name in row}) <= 310
    assert all(isinstance(event["event"], str) and type(event["step"]) is int for event in folder.events())
    assert all(np.isfinite(c.value) for c in folder.changes() if isinstance(c.value, float))


@pytest.mark.parametrize("damage", [damage for name, damage in LISTED.items() if name.startswith("notes: ")])
def test_notes_that_are_none_hide_no_run_and_are_refused_in_a_sentence(folder: RunFolder, damage: Damage) -> None:
    damage(folder)
    run = Store(folder.path.parent).run(GOOD)
    assert run.notes == ("", ())
    with pytest.raises(RunError) as refused:
        folder.notes()
    sentence = str(refused.value)
    assert GOOD in sentence
    assert sentence.isprintable()
    assert len(sentence) < 300
    Store(folder.path.parent).annotate(GOOD, "written anew", [])
    assert folder.notes() == ("written anew", ())


def test_infinite_features_are_cut_and_what_is_no_number_is_refused(folder: RunFolder) -> None:
    LISTED["snapshot: infinite embeddings"](folder)
    assert folder.snapshot(20)["embeddings"].max() == np.finfo(np.float16).max
    LISTED["snapshot: embeddings that are not numbers"](folder)
    with pytest.raises(RunError) as refused:
        folder.snapshot(20)
    assert (
        str(refused.value)
        == f"The snapshot of step 20 of run {GOOD} cannot be read (embeddings holds values that are not numbers)."
    )


def test_candidate_sets_are_those_of_the_pool_or_refused(folder: RunFolder) -> None:
    assert folder.candidates().tolist() == [[True] * CLASSES] * 6  # type: ignore[union-attr]  # they are there
    LISTED["split: classes of a million"](folder)
    with pytest.raises(RunError, match=r"\(the candidate sets do not fit the number of classes\)\.$"):
        folder.candidates()


@pytest.mark.parametrize("entry", ["outside.txt", "out", "snapshots/00000099.npz"])
def test_an_export_follows_no_link_and_holds_nothing_half_written(
    folder: RunFolder, tmp_path: Path, entry: str
) -> None:
    secret = tmp_path / "secret"
    secret.mkdir()
    (secret / "key").write_text("secret")
    (folder.path / entry).symlink_to(secret if entry == "out" else secret / "key")
    (folder.snapshots / "00000030.tmp.npz").write_bytes(b"half")
    before = folder.size_on_disk()
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr("x", "")
    data = folder.as_zip()
    (tmp_path / "x.zip").write_bytes(data)
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = archive.namelist()
        assert all(b"secret" not in archive.read(name) for name in names)
    assert f"{GOOD}/snapshots/00000020.npz" in names
    assert not [name for name in names if "tmp" in name or "out" in name or "99" in name]
    assert before < 10 * len(data)


def test_a_checkpoint_that_is_renamed_during_an_export_is_no_error(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_checkpoint(b"first")
    listed = folder._own_files()
    folder.checkpoint_file.rename(folder.previous_checkpoint_file)  # between the listing and the reading
    monkeypatch.setattr(RunFolder, "_own_files", lambda self: listed)
    with zipfile.ZipFile(io.BytesIO(folder.as_zip())) as archive:
        assert f"{GOOD}/checkpoint.pt" not in archive.namelist()
        assert f"{GOOD}/config.json" in archive.namelist()

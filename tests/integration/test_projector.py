"""Projections in their own process: answered, kept, cancelled, and honest when that process dies. UMAP, which is
compiled for seconds, only once.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.analysis.neighbors import nearest_neighbors
from engine.analysis.projection import ProjectionRequest, project
from engine.analysis.trust import knn_purity, trustworthiness
from engine.errors import LabError, ProjectionCancelled, ProjectionError, RunError
from engine.lab.projections.projection_inputs import Sample, load_inputs
from engine.lab.projections.projection_queue import Job, ProjectionQueue
from engine.runs.folder import RunFolder
from engine.runs.stored_images import store_images
from tests.integration.process_helpers import ROOT, alive
from tests.waiting import until

N, D, K = 240, 8, 4
STEPS = [10, 20, 30]
KILL = getattr(signal, "SIGKILL", signal.SIGTERM)
PCA = ProjectionRequest(method="pca")
ALL = Sample()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with three snapshots of the same images, the second in another order and with one image less, and the
    images themselves.
    """
    root = tmp_path_factory.mktemp("projections") / "checkpoints"
    folder = RunFolder(root / "20260101-000000-made-up-0000")
    folder.path.mkdir(parents=True)
    rng = np.random.default_rng(0)
    ids, labels = np.arange(N) * 3, np.arange(N) % K
    labels[5] = -1
    images = rng.integers(0, 256, (N, 1, 8, 8), dtype=np.uint8)
    store_images(root, "cafe", images, labels, ids, tuple("abcd"))
    folder.add_event("start", 0, pictures="cafe")
    part = np.minimum(np.arange(N) * 4 // N + (np.arange(N) >= 8), 3).astype(np.uint8)
    part[:8], part[8:60] = 0, 1
    centers, noise = rng.normal(size=(K, D)), rng.normal(size=(N, D))
    for step in STEPS:
        order = rng.permutation(N)[1:] if step == 20 else np.arange(N)
        embeddings = (centers[labels] * step / 10 + noise).astype(np.float16)
        folder.write_snapshot(
            step,
            {
                "ids": ids[order],
                "part": part[order],
                "embeddings": embeddings[order],
                "probabilities": np.zeros((len(order), K), np.float16),
            },
        )
    return folder.path


@pytest.fixture(scope="module")
def shared(run: Path) -> Iterator[ProjectionQueue]:
    """One process for all tests that do not kill it."""
    projector = ProjectionQueue(run.parent)
    yield projector
    projector.close()


@pytest.fixture
def projector(run: Path) -> Iterator[ProjectionQueue]:
    made = ProjectionQueue(run.parent)
    yield made
    made.close()


def never_ends(projector: ProjectionQueue, run: Path, seed: int) -> Job:
    """A projection that runs for minutes unless it is stopped: t-SNE on one core, of frames enough."""
    folder = RunFolder(run.parent / "20260101-000000-made-up-long")
    if not folder.path.exists():
        folder.path.mkdir()
        rng = np.random.default_rng(0)
        for step in range(40):
            arrays: dict[str, np.ndarray[Any, Any]] = {
                "ids": np.arange(2000),
                "part": np.ones(2000, np.uint8),
                "embeddings": rng.normal(size=(2000, 8)).astype(np.float16),
            }
            folder.write_snapshot(step, arrays)
    return projector.ask(folder.path, "embeddings", ProjectionRequest(method="tsne", seed=seed), range(40), ALL)


def test_a_projection_is_what_the_engine_computes_with_its_figures_and_is_kept(
    run: Path, shared: ProjectionQueue
) -> None:
    job = shared.ask(run, "embeddings", PCA, STEPS, ALL)
    found = job.result(60)
    assert job.done()
    assert job.progress() == (1.0, "Done")
    material = load_inputs(run, "embeddings", STEPS, ALL)
    features = material.features()
    np.testing.assert_array_equal(found.frames, project(features, PCA))
    assert found.steps.tolist() == STEPS
    assert len(found.ids) == N - 1
    assert found.labels[found.ids == 15].tolist() == [-1]
    for e in range(3):
        assert found.trustworthiness[e] == trustworthiness(features[e], found.frames[e], "cosine")
        purity = knn_purity(nearest_neighbors(features[e], 15).indices, found.labels, K)
        assert found.purity[e] == purity.overall
        np.testing.assert_array_equal(found.purity_per_class[e], purity.per_class)
    assert found.purity[0] < found.purity[2]
    assert [path.suffix for path in (run / "projections").iterdir()] == [".npz"]


def test_what_is_kept_is_answered_without_a_process_until_something_that_matters_changes(
    run: Path, shared: ProjectionQueue
) -> None:
    shared.ask(run, "embeddings", PCA, STEPS, ALL).result(60)
    other = ProjectionQueue(run.parent)
    again = other.ask(run, "embeddings", PCA, [30, 10, 20, 20], ALL)
    assert again.done()
    assert again.result().frames.shape == (3, N - 1, 2)
    # A setting that PCA does not read is the same projection.
    assert other.ask(run, "embeddings", ProjectionRequest(method="pca", perplexity=7), STEPS, ALL).name == again.name
    assert other.pid is None
    kept = run / "projections" / f"{again.name}.npz"
    kept.write_bytes(kept.read_bytes()[:-40])
    mended = shared.ask(run, "embeddings", PCA, STEPS, ALL)
    assert not mended.done()
    np.testing.assert_array_equal(mended.result(60).frames, again.result().frames)
    names = {
        again.name,
        load_inputs(run, "embeddings", [10, 30], ALL).key("embeddings", PCA),
        load_inputs(run, "embeddings", STEPS, Sample(limit=100)).key("embeddings", PCA),
        load_inputs(run, "embeddings", STEPS, Sample(parts=("test",))).key("embeddings", PCA),
        load_inputs(run, "embeddings", STEPS, ALL).key("embeddings", ProjectionRequest(method="pca", dimensions=3)),
        load_inputs(run, "pixels", STEPS, ALL).key("pixels", PCA),
    }
    assert len(names) == 6


def test_the_sample_holds_all_labeled_images_and_is_the_same_in_all_frames(run: Path) -> None:
    drawn = load_inputs(run, "embeddings", STEPS, Sample(limit=50))
    assert len(drawn.ids) == 50
    whole = load_inputs(run, "embeddings", [10], ALL)
    assert set(whole.ids[whole.part == 0]) & set(load_inputs(run, "embeddings", STEPS, ALL).ids) <= set(drawn.ids)
    snapshots = [RunFolder(run).snapshot(step) for step in STEPS]
    for snapshot, features in zip(snapshots, drawn.features(), strict=True):
        rows = [int(np.nonzero(snapshot["ids"] == sample)[0][0]) for sample in drawn.ids]
        np.testing.assert_array_equal(features, snapshot["embeddings"][rows].astype(np.float32))
        assert (snapshot["part"][rows] == drawn.part).all()


def test_pixels_are_the_images_between_0_and_1_in_one_frame(run: Path, shared: ProjectionQueue) -> None:
    found = shared.ask(run, "pixels", PCA, STEPS, Sample(parts=("test",))).result(60)
    assert found.steps.tolist() == [0]
    material = load_inputs(run, "pixels", STEPS, Sample(parts=("test",)))
    images = np.load(run.parent / ".pictures" / "cafe" / "images.npy")
    np.testing.assert_allclose(material.features()[0], images[material.ids // 3].reshape(-1, 64) / 255, rtol=1e-6)
    np.testing.assert_array_equal(found.frames, project(material.features(), PCA))
    assert set(found.part) == {3}


def test_large_images_are_reduced_to_means_of_squares(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path / "20260101-000000-large-images-0000")
    folder.path.mkdir()
    images = np.random.default_rng(0).integers(0, 256, (5, 3, 75, 76), dtype=np.uint8)
    store_images(tmp_path, "large", images, np.zeros(5, np.int64), np.arange(5), ("one",))
    folder.add_event("start", 0, pictures="large")
    folder.write_snapshot(
        1, {"ids": np.arange(5), "part": np.zeros(5, np.uint8), "embeddings": np.zeros((5, 2), np.float16)}
    )
    features = load_inputs(folder.path, "pixels", [1], ALL).features()[0]  # squares of 3 by 3 pixels
    assert features.shape == (5, 3 * 25 * 25)
    assert features[4, 1] == pytest.approx(images[4, 0, :3, 3:6].mean() / 255)


def test_what_cannot_be_projected_is_said_at_once(run: Path, tmp_path: Path, projector: ProjectionQueue) -> None:
    def refused(kind: type[Exception], *asked: object) -> str:
        with pytest.raises(kind) as error:
            projector.ask(*asked)  # type: ignore[arg-type]
        return str(error.value)

    assert (
        refused(ProjectionError, run, "embeddings", PCA, [], ALL)
        == "There is nothing to project: choose at least one evaluation."
    )
    assert (
        refused(RunError, run, "embeddings", PCA, [11], ALL)
        == f"The snapshot of step 11 of run {run.name} cannot be read (FileNotFoundError)."
    )
    bare = RunFolder(tmp_path / "20260101-000000-bare-run-0000")
    bare.path.mkdir()
    bare.write_snapshot(
        1, {"ids": np.arange(5), "part": np.zeros(5, np.uint8), "embeddings": np.zeros((5, 2), np.float16)}
    )
    assert refused(RunError, bare.path, "pixels", PCA, [1], ALL).startswith(
        f"Run {bare.id} does not say which images it was trained on"
    )
    assert (
        refused(ProjectionError, bare.path, "embeddings", PCA, [1], Sample(parts=("validation", "test")))
        == "There are no validation or test images in this evaluation: choose other parts."
    )
    assert projector.pid is None
    bare.write_snapshot(2, {"ids": np.arange(5), "part": np.zeros(5, np.uint8)})
    assert refused(RunError, bare.path, "embeddings", PCA, [2], ALL).startswith("The snapshot of step 2 of run")


def test_the_engines_own_sentence_arrives(tmp_path: Path, run: Path, shared: ProjectionQueue) -> None:
    bare = RunFolder(tmp_path / "20260101-000000-flat-run-0000")
    bare.path.mkdir()
    bare.write_snapshot(
        1, {"ids": np.arange(5), "part": np.zeros(5, np.uint8), "embeddings": np.ones((5, 2), np.float16)}
    )
    with pytest.raises(
        LabError,
        match=(
            r"^All 5 points have the same features, so there is nothing to lay out: the network tells no image from"
            r" another there\.$"
        ),
    ):
        shared.ask(bare.path, "embeddings", PCA, [1], ALL).result(60)
    assert not list(bare.path.rglob("*.npz"))[1:]


@pytest.mark.slow
def test_umap_tells_its_progress_and_repeats_what_the_same_seed_gave_in_another_process(
    run: Path, shared: ProjectionQueue
) -> None:
    request = ProjectionRequest(method="umap", seed=1)
    job = shared.ask(run, "embeddings", request, STEPS, Sample(limit=60))
    # Asked again while it runs, as a reloaded page does.
    assert shared.ask(run, "embeddings", request, STEPS, Sample(limit=60)) is job
    told = set()

    def ended() -> bool:
        told.add(job.progress())
        return job.done()

    until(ended, "the projection")
    assert any("UMAP" in words for _, words in told)
    assert len({share for share, _ in told}) > 3
    assert job.result().frames.shape == (3, 60, 2)
    np.testing.assert_array_equal(
        job.result().frames, project(load_inputs(run, "embeddings", STEPS, Sample(limit=60)).features(), request)
    )


def test_a_cancel_stops_the_process_keeps_nothing_and_the_next_question_is_answered(
    run: Path, projector: ProjectionQueue
) -> None:
    long, waiting = never_ends(projector, run, 1), never_ends(projector, run, 2)
    assert waiting.progress() == (0.0, "Waiting for another projection")
    until(lambda: long.progress()[0] > 0.001, "progress")
    first = projector.pid
    assert first is not None
    waiting.cancel()
    assert projector.pid == first  # who only waits is taken out of the queue
    after = projector.ask(run, "embeddings", ProjectionRequest(method="pca", dimensions=3), [10], Sample(limit=99))
    long.cancel()
    assert not alive(first)
    for job in (long, waiting):
        assert job.done()
        with pytest.raises(ProjectionCancelled, match=r"^The projection was cancelled\.$"):
            job.result()
    assert after.result(60).frames.shape == (1, 99, 3)
    assert projector.pid not in (None, first)
    assert not (long.run / "projections").exists()
    after.cancel()  # too late to change anything
    assert after.result().steps.tolist() == [10]


def test_a_process_that_dies_says_so_in_one_sentence_and_is_started_again(
    run: Path, projector: ProjectionQueue
) -> None:
    long = never_ends(projector, run, 3)
    until(lambda: long.progress()[0] > 0.001, "progress")
    assert projector.pid is not None
    os.kill(projector.pid, KILL)
    with pytest.raises(LabError, match=r"^The engine's process ended before it answered: try again\.$"):
        long.result(30)
    assert projector.ask(
        run, "embeddings", ProjectionRequest(method="pca", dimensions=3), [10], Sample(limit=77)
    ).result(60).frames.shape == (1, 77, 3)


def test_a_process_started_early_answers_the_first_question(run: Path, projector: ProjectionQueue) -> None:
    projector.start()
    early = projector.pid
    assert early is not None
    projector.ask(run, "embeddings", ProjectionRequest(method="pca", dimensions=3), [10], Sample(limit=88)).result(60)
    assert projector.pid == early


def test_closing_ends_the_process_and_tells_who_waits(run: Path) -> None:
    projector = ProjectionQueue(run.parent)
    long = never_ends(projector, run, 4)
    until(lambda: long.progress()[0] > 0.001, "progress")
    pid = projector.pid
    assert pid is not None
    projector.close()
    assert not alive(pid)
    with pytest.raises(ProjectionCancelled):
        long.result()


def test_a_process_whose_server_is_gone_ends_in_the_midst_of_its_work(run: Path, projector: ProjectionQueue) -> None:
    long = never_ends(projector, run, 5)
    until(lambda: long.progress()[0] > 0.001, "progress")
    pid = projector.pid
    assert pid is not None
    projector._link.close()  # closes its input, as the death of this process would
    until(lambda: not alive(pid), "the end of the process")


def test_neither_side_imports_torch() -> None:
    code = (
        "import sys, engine.lab.projections.projection_queue, engine.lab.projections.projection_worker,"
        " engine.analysis.layouts.umap as layout, openTSNE; layout._imported(); print('torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout.strip().lower()) is False

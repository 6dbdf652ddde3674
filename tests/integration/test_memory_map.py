"""Training from a memory map: the same bits as from memory, without a copy of the images in the trainer or beside the
runs.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.importing.image_cache import cache_root
from engine.errors import RunError
from engine.lab.executors.inline import train
from engine.runs.store import Run
from engine.runs.stored_images import load_stored_images, store_images
from engine.training import assemble
from engine.training.loops import batches
from engine.training.model_file import load_model
from engine.training.retest import retest
from tests.fixtures_images import encoded, folder_of, source
from tests.integration.process_helpers import ROOT


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Three unbalanced classes of noisy color images, with unlabeled ones."""
    random = np.random.default_rng(0)
    files: dict[str, bytes] = {}
    for k, (name, n) in enumerate([("cat", 40), ("dog", 25), ("hen", 12), ("unlabeled", 60)]):
        for i in range(n):
            pixels = random.integers(0, 120, (12, 12, 3))
            pixels[:, :, (k if k < 3 else i) % 3] += 100
            files[f"{name}/{i}.png"] = encoded(pixels)
    return folder_of(tmp_path / "pets", files)


def config(pets: Path, method: str = "fixmatch") -> RunConfig:
    return RunConfig.parse(
        {
            "data": {"name": "folder", "path": str(pets), "size": 8, "labels": {"kind": "few", "per_class": 3}},
            "method": {"name": method},
            "budget": {"steps": 12, "batch_size": 8, "evaluate_every": 5},
            "hardware": {"device": "cpu", "threads": 1},
        }
    )


def in_memory(images: ImageSet) -> ImageSet:
    """The same set in memory, with nothing known of it from an import."""
    return ImageSet(
        images.name,
        np.array(images.images),
        images.labels,
        images.ids,
        images.is_test,
        images.class_names,
        images.symmetries,
    )


def results(run: Run) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    weights = load_model(run.folder)[0].state_dict()
    snapshots = [dict(run.folder.snapshot(step)) for step in run.folder.snapshot_steps()]
    metrics = [{name: value for name, value in row.items() if name != "seconds"} for row in run.folder.metrics()]
    return weights, snapshots, metrics


@pytest.mark.parametrize("method", ["fixmatch", "supervised"])
def test_a_run_from_the_map_is_bit_for_bit_the_run_from_memory(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    mapped = train(config(pets, method), tmp_path / "mapped")
    images = source(pets).load()
    assert isinstance(images.images, np.memmap)
    monkeypatch.setattr(assemble, "load_images", lambda config: in_memory(images))
    copied = train(config(pets, method), tmp_path / "copied")
    assert mapped.folder.events()[0]["fingerprint"] == copied.folder.events()[0]["fingerprint"]
    for one, other in zip(results(mapped), results(copied), strict=True):
        assert_same(one, other)
    monkeypatch.undo()
    again = retest(mapped.folder)
    assert again == {name: mapped.status.metrics[name] for name in again}


def assert_same(one: Any, other: Any) -> None:
    assert type(one) is type(other)
    if isinstance(one, dict):
        assert one.keys() == other.keys()
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list):
        assert len(one) == len(other)
        for a, b in zip(one, other, strict=True):
            assert_same(a, b)
    elif isinstance(one, torch.Tensor):
        assert torch.equal(one, other)
    elif isinstance(one, np.ndarray):
        assert np.array_equal(one, other)
    else:
        assert one == other or (one != one and other != other)


def test_rows_gathered_from_the_map_are_the_rows(pets: Path) -> None:
    images = source(pets).load()
    held = batches.device_tensor(images.images, "cpu")
    assert held.data_ptr() == images.images.ctypes.data  # not a copy
    rows = torch.tensor([5, 0, 136, 5])
    assert torch.equal(held.index_select(0, rows), torch.from_numpy(np.array(images.images))[rows])


@pytest.mark.slow
def test_a_large_set_costs_the_trainer_no_memory_of_its_own(tmp_path: Path) -> None:
    if not Path("/proc/self/status").exists():
        pytest.skip("memory of a process is read from /proc")
    program = """
import sys, threading
import numpy as np
from engine.config.run_config import RunConfig
from engine.lab.executors import inline
from engine.data.image_set import ImageSet, Known
from engine.training.evaluation import evaluator as evaluate
from engine.training import assemble

def anonymous():
    return int(next(line for line in open("/proc/self/status") if line.startswith("RssAnon")).split()[1]) // 1024

n = 100_000
# 1,229 MB, a hole in the file
np.lib.format.open_memmap(sys.argv[1] + "/images.npy", mode="w+", dtype=np.uint8, shape=(n, 3, 64, 64))
ids = np.arange(n)
images = np.load(sys.argv[1] + "/images.npy", mmap_mode="r")
known = Known("0" * 16, np.ones((3, 256), np.int64))
images = ImageSet("large", images, ids % 10, ids, ids >= 99_900, tuple("0123456789"), frozenset(), known)
assemble.load_images = lambda config: images
evaluate.SAMPLE = evaluate.FINAL_SAMPLE = 64  # or the activations of whole evaluation batches would hide what is asked
inline.check = lambda config, checkpoints: None
small = {
    "data": {"name": "noise"},
    "method": {"name": "supervised"},
    "budget": {"steps": 3, "batch_size": 8},
    "hardware": {"device": "cpu", "threads": 1},
}
before = anonymous()
peak = [before]
done = threading.Event()
def watch():
    while not done.wait(0.01):
        peak[0] = max(peak[0], anonymous())
watcher = threading.Thread(target=watch, daemon=True)
watcher.start()
inline.train(RunConfig.parse(small), sys.argv[1] + "/runs")
done.set()
watcher.join()
print(peak[0] - before)
"""
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout.split()[-1]) < 600  # MB, for activations; the images have 1,229


# the images beside the runs


def test_galleries_link_the_cache_instead_of_copying_it(pets: Path, tmp_path: Path) -> None:
    images = source(pets).load()
    assert isinstance(images.images, np.memmap)
    folder = store_images(tmp_path, images.content_hash, images.images, images.labels, images.ids, images.class_names)
    assert (folder / "images.npy").samefile(str(images.images.filename))
    kept = load_stored_images(tmp_path, images.content_hash)
    assert np.array_equal(kept.images, images.images)
    assert np.array_equal(kept.images[kept.rows(np.array([7, 3]))], images.images[[7, 3]])


def test_the_names_of_the_files_are_kept_beside_the_images_by_id(pets: Path, tmp_path: Path) -> None:
    images = source(pets).load()
    ids, backwards = np.arange(len(images.ids)), images.file_names[::-1]
    store_images(tmp_path, "named", images.images, images.labels, images.ids, images.class_names)
    assert load_stored_images(tmp_path, "named").file_name(0) is None  # as of a set that came from no files
    store_images(tmp_path, "named", images.images, images.labels, images.ids, images.class_names, images.file_names)
    kept = load_stored_images(tmp_path, "named")
    assert [kept.file_name(one) for one in ids.tolist()] == list(images.file_names)
    assert kept.file_name(len(ids)) is None
    turned = np.ascontiguousarray(images.images[::-1])
    store_images(tmp_path, "turned", turned, images.labels[::-1], ids[::-1], images.class_names, backwards)
    assert load_stored_images(tmp_path, "turned").file_name(3) == images.file_names[3]
    for wrong in ('["only one"]', "{}", "[1]", "["):
        store_images(tmp_path, f"w{len(wrong)}", images.images, images.labels, ids, images.class_names, backwards)
        (tmp_path / ".pictures" / f"w{len(wrong)}" / "files.json").write_text(wrong)
        assert load_stored_images(tmp_path, f"w{len(wrong)}").file_name(3) is None


@pytest.mark.parametrize("part", [lambda images: images[:5], lambda images: images[::-1]])
def test_a_part_of_a_map_is_copied(pets: Path, tmp_path: Path, part: Callable[[Any], Any]) -> None:
    images = part(source(pets).load().images)
    ids = np.arange(len(images))
    store_images(tmp_path, "part", images, np.zeros_like(ids), ids, ("a",))
    assert np.array_equal(load_stored_images(tmp_path, "part").images, images)


def test_without_hard_links_a_deleted_cache_is_brought_back_by_the_next_run(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))

    def refused(*names: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr("os.link", refused)

    def save() -> Path:
        images = source(pets).load()
        return store_images(tmp_path, "x", images.images, images.labels, images.ids, images.class_names)

    assert (save() / "images.npy").is_symlink()
    for file in cache_root().rglob("*.npy"):
        file.unlink()
    with pytest.raises(RunError):
        load_stored_images(tmp_path, "x")
    assert (save() / "images.npy").is_symlink()
    assert len(load_stored_images(tmp_path, "x").images) == 137

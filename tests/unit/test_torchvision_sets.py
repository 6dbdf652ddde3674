"""MNIST, Fashion-MNIST and CIFAR-10: found where they lie, read as torchvision reads them, downloaded only if they are
nowhere, and one sentence without a network.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import pickle
import shutil
import struct
import tarfile
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torchvision

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.sets.cifar10 import Cifar10
from engine.data.sets.fashion_mnist import FashionMnist
from engine.data.sets.mnist import Mnist
from engine.errors import DataError, ImportCancelled
from tests.fixtures_images import unpack

REAL = {
    "mnist": (Mnist, torchvision.datasets.MNIST, "ed70ff333a217908"),
    "fashion_mnist": (FashionMnist, torchvision.datasets.FashionMNIST, "c0b8dc7d553df804"),
}


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


# The real ones


@pytest.mark.parametrize("name", list(REAL))
def test_the_real_set_is_read_from_a_read_only_copy_of_the_packed_files(
    name: str, real_data: Path, tmp_path: Path
) -> None:
    cls, theirs, content = REAL[name]
    source = cls(cls.Params.model_validate({"root": str(real_data / "torchvision")}))
    assert source.ready() is False
    report = source.prepare()
    images = source.load()
    assert (report.read, report.skipped, sum(report.training.values()), sum(report.test.values())) == (
        70_000,
        {},
        60_000,
        10_000,
    )
    assert images.content_hash == content
    shutil.copytree(
        real_data / "torchvision" / theirs.__name__, tmp_path / "copy" / theirs.__name__, copy_function=shutil.copyfile
    )
    (tmp_path / "copy" / theirs.__name__).chmod(0o755)
    (tmp_path / "copy" / theirs.__name__ / "raw").chmod(0o755)
    for train in (True, False):
        part = theirs(tmp_path / "copy", train=train, download=True)  # unpacks beside the packed files
        rows = images.is_test != train
        assert np.array_equal(images.images[rows][:, 0], part.data.numpy())
        assert np.array_equal(images.labels[rows], part.targets.numpy())
    assert [k.split(" - ")[0] for k in theirs.classes] == list(images.class_names)
    for packed in (tmp_path / "copy").rglob("*.gz"):
        packed.unlink()
    shutil.rmtree(tmp_path / "cache")
    assert (
        cls(cls.Params.model_validate({"root": str(tmp_path / "copy")})).load().content_hash == content
    )  # from the unpacked files alone


def test_what_was_decoded_once_needs_its_files_no_more(real_data: Path) -> None:
    Mnist(Mnist.Params(root=str(real_data / "torchvision"))).prepare()
    assert Mnist(Mnist.Params(root="/nowhere")).ready() is True


# Tiny ones in the same formats, served by a web server of our own


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    (tmp_path / "web").mkdir()

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "web")))
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{web.server_port}/"
    web.shutdown()
    thread.join()
    web.server_close()


def idx(array: np.ndarray[Any, Any]) -> bytes:
    return (
        struct.pack(">HBB", 0, 8, array.ndim)
        + struct.pack(f">{array.ndim}I", *array.shape)
        + array.astype(np.uint8).tobytes()
    )


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


@pytest.fixture
def tiny_mnist(tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    random = np.random.default_rng(0)
    parts = {"train": 30, "t10k": 10}
    files: dict[str, bytes] = {}
    for part, n in parts.items():
        files[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(random.integers(0, 256, (n, 28, 28))))
        files[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(np.arange(n) % 10))
    for name, data in files.items():
        (tmp_path / "web" / name).write_bytes(data)
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", [(name, md5(data)) for name, data in files.items()])
    monkeypatch.setattr(torchvision.datasets.MNIST, "mirrors", [server + "gone/", server])
    monkeypatch.setattr(Mnist, "shape", (40, 1, 28, 28))
    monkeypatch.setattr(Mnist, "training", 30)
    return files


def mnist(root: Path) -> Mnist:
    return Mnist(Mnist.Params(root=str(root)))


def test_missing_files_are_downloaded_with_progress_from_the_next_mirror_if_one_fails(
    tmp_path: Path, tiny_mnist: dict[str, bytes]
) -> None:
    told: list[tuple[int, int]] = []
    mnist(tmp_path / "data").prepare(lambda done, total: told.append((done, total)))
    size = len(tiny_mnist["train-images-idx3-ubyte.gz"])
    assert (size, size) in told
    assert told[-1] == (40, 40)
    images: ImageSet = mnist(tmp_path / "data").load()
    assert images.labels.tolist() == [*range(10)] * 4
    assert images.is_test.tolist() == [False] * 30 + [True] * 10
    assert {path.name: path.read_bytes() for path in (tmp_path / "data" / "MNIST" / "raw").iterdir()} == tiny_mnist


def test_only_what_is_missing_is_downloaded(tmp_path: Path, tiny_mnist: dict[str, bytes]) -> None:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name in list(tiny_mnist)[:3]:
        (raw / name).write_bytes(tiny_mnist[name])
        (tmp_path / "web" / name).unlink()
    assert len(mnist(tmp_path / "data").load().ids) == 40


def test_where_the_root_cannot_be_written_downloads_go_to_the_cache(
    tmp_path: Path, tiny_mnist: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("engine.data.sets.torchvision_source._writable", lambda root: False)
    mnist(tmp_path / "data").prepare()
    assert not (tmp_path / "data").exists()
    assert len(list((tmp_path / "cache" / "downloads" / "MNIST" / "raw").iterdir())) == 4


def test_a_cancelled_download_leaves_no_part_of_a_file(tmp_path: Path, tiny_mnist: dict[str, bytes]) -> None:
    with pytest.raises(ImportCancelled) as cancelled:
        mnist(tmp_path / "data").prepare(None, lambda: True)
    size = f"{len(tiny_mnist['train-images-idx3-ubyte.gz']):,}"
    assert str(cancelled.value) == f"The import was cancelled after {size} of {size} bytes: nothing of it was kept."
    assert list((tmp_path / "data").rglob("*.*")) == []


def test_a_server_that_answers_with_something_else_is_not_believed(
    tmp_path: Path, tiny_mnist: dict[str, bytes], server: str
) -> None:
    (tmp_path / "web" / "train-images-idx3-ubyte.gz").write_bytes(b"<html>log in first</html>")
    with pytest.raises(DataError) as refused:
        mnist(tmp_path / "data").load()
    assert f"could not be downloaded ({server}train-images-idx3-ubyte.gz answered with another file): " in str(
        refused.value
    )
    assert [path for path in (tmp_path / "data").rglob("*") if path.is_file()] == []


def test_without_a_network_one_sentence_says_where_the_files_were_looked_for_and_what_else_can_be_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(url: str, timeout: float) -> None:
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("urllib.request.urlopen", unreachable)
    with pytest.raises(DataError) as refused:
        Cifar10(Cifar10.Params(root=str(tmp_path / "data"))).load()
    assert (
        str(refused.value)
        == f"CIFAR-10 is not on this computer (cifar-10-python.tar.gz not found in {tmp_path / 'data'}) and could not"
        " be downloaded (Name or service not known): connect to the internet, put the files there, set data.root to"
        " a folder that has them, or choose a data set that comes with FewLab (digits, shapes)."
    )
    assert not (tmp_path / "data").exists()


def test_a_changed_file_is_refused_and_not_unpacked(tmp_path: Path, tiny_mnist: dict[str, bytes]) -> None:
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    (raw / "train-images-idx3-ubyte.gz").write_bytes(tiny_mnist["train-images-idx3-ubyte.gz"][:-1])
    with pytest.raises(DataError) as refused:
        mnist(tmp_path / "data").load()
    path = raw / "train-images-idx3-ubyte.gz"
    assert (
        str(refused.value)
        == f"{path} is not the file of MNIST (its md5 sum differs): remove it, so that it is downloaded again, or set"
        " data.root to another folder."
    )


@pytest.fixture
def tiny_cifar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Twelve images in CIFAR-10's format, packed, in tmp_path/data: red rises with the number of the image."""
    theirs = torchvision.datasets.CIFAR10
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    files: dict[str, bytes] = {}
    for i, name in enumerate(names):
        pixels = np.zeros((2, 3, 32, 32), np.uint8)
        pixels[:, 0] = np.array([2 * i, 2 * i + 1])[:, None, None]
        files[name] = pickle.dumps(
            {"data": pixels.reshape(2, -1), "labels": [2 * i % 10, (2 * i + 1) % 10]}, protocol=2
        )
    files["batches.meta"] = pickle.dumps({"label_names": list(Cifar10.class_names)}, protocol=2)
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "cifar-10-python.tar.gz").write_bytes(buffer.getvalue())
    monkeypatch.setattr(theirs, "tgz_md5", md5(buffer.getvalue()))
    monkeypatch.setattr(theirs, "train_list", [[name, md5(files[name])] for name in names[:5]])
    monkeypatch.setattr(theirs, "test_list", [["test_batch", md5(files["test_batch"])]])
    monkeypatch.setattr(
        theirs, "meta", {"filename": "batches.meta", "key": "label_names", "md5": md5(files["batches.meta"])}
    )
    monkeypatch.setattr(Cifar10, "shape", (12, 3, 32, 32))
    monkeypatch.setattr(Cifar10, "training", 10)
    return tmp_path / "data"


def test_cifar_is_read_packed_and_unpacked(tiny_cifar: Path, tmp_path: Path) -> None:
    images = Cifar10(Cifar10.Params(root=str(tiny_cifar))).load()
    assert images.images[:, :, 7, 7].tolist() == [[i, 0, 0] for i in range(12)]
    assert images.labels.tolist() == [*range(10), 0, 1]
    assert images.symmetries == {"flip"}
    assert [path.name for path in tiny_cifar.iterdir()] == ["cifar-10-python.tar.gz"]  # nothing is unpacked beside it
    unpack(tiny_cifar / "cifar-10-python.tar.gz")
    shutil.rmtree(tmp_path / "cache")
    assert Cifar10(Cifar10.Params(root=str(tiny_cifar))).load().content_hash == images.content_hash


def test_a_pickle_that_is_not_the_official_one_is_never_opened(
    tiny_cifar: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Evil:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tiny_cifar / "owned",))

    unpack(tiny_cifar / "cifar-10-python.tar.gz")
    (tiny_cifar / "cifar-10-batches-py" / "data_batch_3").write_bytes(pickle.dumps(Evil()))
    with pytest.raises(DataError) as refused:
        Cifar10(Cifar10.Params(root=str(tiny_cifar))).load()
    path = tiny_cifar / "cifar-10-batches-py" / "data_batch_3"
    assert (
        str(refused.value)
        == f"{path} is not the file of CIFAR-10 (its md5 sum differs): remove it, so that it is downloaded again, or"
        " set data.root to another folder."
    )
    assert not (tiny_cifar / "owned").exists()


# What is said about them


def test_class_names_are_torchvisions() -> None:
    assert list(FashionMnist.class_names) == torchvision.datasets.FashionMNIST.classes
    assert [name.split(" - ")[0] for name in torchvision.datasets.MNIST.classes] == list(Mnist.class_names)


@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_strong_views_of_white_on_black_are_never_solarized(name: str) -> None:
    config = RunConfig.parse({"data": {"name": name}, "method": {"name": "fixmatch"}})
    assert "solarize" in config.augment["strong"].without  # type: ignore[attr-defined]  # the recipe's own


@pytest.mark.parametrize(("name", "setting"), [("mnist", "root"), ("cifar10", "root"), ("folder", "path")])
def test_where_a_set_lies_is_no_part_of_what_a_run_is(name: str, setting: str) -> None:
    here, there = (RunConfig.parse({"data": {"name": name, setting: place}}) for place in ("/here", "/there"))
    assert here.fingerprint("content") == there.fingerprint("content")
    assert here.fingerprint("content") != here.fingerprint("other content")

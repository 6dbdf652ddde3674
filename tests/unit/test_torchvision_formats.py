"""CIFAR-100, SVHN, STL-10 and FER-2013, from small files in their official formats."""

from __future__ import annotations

import hashlib
import io
import pickle
import shutil
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torchvision
from numpy.typing import NDArray
from PIL import Image
from scipy.io import savemat

from engine.config.run_config import RunConfig
from engine.data.image_set import ImageSet
from engine.data.sets import stl10 as stl10_module
from engine.data.sets.cifar100 import Cifar100
from engine.data.sets.fer2013 import Fer2013
from engine.data.sets.stl10 import Stl10
from engine.data.sets.svhn import Svhn
from engine.data.split import make_split
from engine.errors import DataError
from tests.fixtures_images import folder_of, unpack

Bytes = NDArray[np.uint8]


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FEWLAB_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def noise(*shape: int) -> Bytes:
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


def packed(path: Path, files: dict[str, bytes]) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode="w:gz") as archive:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return path.read_bytes()


# CIFAR-100


@pytest.fixture
def tiny_cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bytes:
    theirs, pixels = torchvision.datasets.CIFAR100, noise(8, 3, 32, 32)
    files = {
        name: pickle.dumps(
            {
                "data": pixels[rows].reshape(-1, 3072),
                "fine_labels": [99, 0, 7, 3, 1, 2, 50, 98][rows],
                "coarse_labels": [0] * 8,
            },
            protocol=2,
        )
        for name, rows in (("train", slice(0, 5)), ("test", slice(5, 8)))
    }
    files["meta"] = pickle.dumps({"fine_label_names": list(Cifar100.class_names)}, protocol=2)
    inside = {f"cifar-100-python/{name}": data for name, data in files.items()}
    content = packed(tmp_path / "data" / "cifar-100-python.tar.gz", inside)
    monkeypatch.setattr(theirs, "tgz_md5", md5(content))
    for part in ("train", "test"):
        monkeypatch.setattr(theirs, f"{part}_list", [[part, md5(files[part])]])
    monkeypatch.setattr(theirs, "meta", {"filename": "meta", "key": "fine_label_names", "md5": md5(files["meta"])})
    monkeypatch.setattr(Cifar100, "shape", (8, 3, 32, 32))
    monkeypatch.setattr(Cifar100, "training", 5)
    return pixels


def test_cifar100_has_its_fine_labels_packed_and_unpacked(tiny_cifar100: Bytes, tmp_path: Path) -> None:
    images = Cifar100(Cifar100.Params(root=str(tmp_path / "data"))).load()
    assert np.array_equal(images.images, tiny_cifar100)
    assert images.labels.tolist() == [99, 0, 7, 3, 1, 2, 50, 98]
    assert images.is_test.tolist() == [False] * 5 + [True] * 3
    assert images.symmetries == {"flip"}
    unpack(tmp_path / "data" / "cifar-100-python.tar.gz")
    shutil.rmtree(tmp_path / "cache")
    again = Cifar100(Cifar100.Params(root=str(tmp_path / "data"))).load()
    assert again.content_hash == images.content_hash


def test_the_hundred_classes_are_in_the_order_of_their_names_which_is_that_of_their_labels() -> None:
    names = list(Cifar100.class_names)
    assert len(set(names)) == 100
    assert names == sorted(names)
    assert (names[0], names[3], names[53], names[99]) == ("apple", "bear", "orange", "worm")


# SVHN


@pytest.fixture
def tiny_svhn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bytes:
    theirs, pixels = torchvision.datasets.SVHN, noise(7, 3, 32, 32)
    listed = dict(theirs.split_list)
    (tmp_path / "data").mkdir()
    for part, rows, labels in (("train", slice(0, 4), [10, 1, 9, 10]), ("test", slice(4, 7), [5, 10, 2])):
        path = tmp_path / "data" / f"{part}_32x32.mat"
        # [rows, columns, colors, images]; the digit 0 is the label 10.
        savemat(path, {"X": pixels[rows].transpose(2, 3, 1, 0), "y": np.array(labels, np.uint8)[:, None]})
        listed[part] = ["http://127.0.0.1:9/", path.name, md5(path.read_bytes())]
    monkeypatch.setattr(theirs, "split_list", listed)
    monkeypatch.setattr(Svhn, "shape", (7, 3, 32, 32))
    monkeypatch.setattr(Svhn, "training", 4)
    return pixels


def test_svhn_is_read_with_zero_as_a_digit_like_the_others(tiny_svhn: Bytes, tmp_path: Path) -> None:
    images = Svhn(Svhn.Params(root=str(tmp_path / "data"))).load()
    assert np.array_equal(images.images, tiny_svhn)
    assert images.labels.tolist() == [0, 1, 9, 0, 5, 0, 2]
    assert images.is_test.tolist() == [False] * 4 + [True] * 3
    assert images.symmetries == frozenset()


def test_house_numbers_are_tilted_less_than_photos_and_never_mirrored() -> None:
    config = RunConfig.parse({"data": {"name": "svhn"}, "method": {"name": "fixmatch"}})
    assert Svhn.variants == (frozenset(),)
    assert config.augment["weak"].flip == "auto"  # type: ignore[attr-defined]  # as far as the set's symmetries go
    assert config.augment["strong"].rotate == 20.0  # type: ignore[attr-defined]


def test_a_changed_file_of_svhn_is_refused(tiny_svhn: Bytes, tmp_path: Path) -> None:
    path = tmp_path / "data" / "test_32x32.mat"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DataError) as refused:
        Svhn(Svhn.Params(root=str(tmp_path / "data"))).load()
    assert str(refused.value) == (
        f"{path} is not the file of SVHN (its md5 sum differs): remove it, so that it is downloaded again, or set"
        " data.root to another folder."
    )


# STL-10


@pytest.fixture
def tiny_stl10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bytes:
    """Four labeled, five unlabeled and three test images."""
    theirs, pixels = torchvision.datasets.STL10, noise(12, 3, 96, 96)
    columns_first = pixels.transpose(0, 1, 3, 2)
    files = {
        "train_X.bin": columns_first[:4].tobytes(),
        "train_y.bin": bytes([1, 10, 2, 2]),
        "unlabeled_X.bin": columns_first[4:9].tobytes(),
        "test_X.bin": columns_first[9:].tobytes(),
        "test_y.bin": bytes([10, 1, 3]),
    }
    inside = {f"stl10_binary/{name}": data for name, data in files.items()}
    inside["stl10_binary/class_names.txt"] = "\n".join(Stl10.class_names).encode()
    content = packed(tmp_path / "data" / "stl10_binary.tar.gz", inside)
    monkeypatch.setattr(theirs, "tgz_md5", md5(content))
    for part in ("train_list", "test_list"):
        names = [name for name, _ in getattr(theirs, part)]
        monkeypatch.setattr(theirs, part, [[name, md5(files[name])] for name in names])
    monkeypatch.setattr(Stl10, "shape", (12, 3, 96, 96))
    monkeypatch.setattr(Stl10, "training", 9)
    monkeypatch.setattr(stl10_module, "_BLOCK", 2)  # five unlabeled images are three blocks
    return pixels


def test_stl10_brings_its_unlabeled_images_as_the_pool(tiny_stl10: Bytes, tmp_path: Path) -> None:
    source = Stl10(Stl10.Params(root=str(tmp_path / "data"), split_seed=0, validation=0.0))
    report = source.prepare()
    images: ImageSet = source.load()
    assert (report.read, report.unlabeled, sum(report.training.values()), sum(report.test.values())) == (12, 5, 4, 3)
    assert np.array_equal(images.images, tiny_stl10)
    assert images.labels.tolist() == [0, 9, 1, 1] + [-1] * 5 + [9, 0, 2]
    assert images.is_test.tolist() == [False] * 9 + [True] * 3
    split = make_split(images, source.params)  # all labels that came with it, unless another number is asked for
    assert (split.labeled.tolist(), split.unlabeled.tolist()) == ([0, 1, 2, 3], [4, 5, 6, 7, 8])
    unpack(tmp_path / "data" / "stl10_binary.tar.gz")
    shutil.rmtree(tmp_path / "cache")
    again = Stl10(Stl10.Params(root=str(tmp_path / "data"))).load()
    assert again.content_hash == images.content_hash


def test_stl10_starts_with_all_its_labels_for_methods_that_take_them() -> None:
    for method in ("fixmatch", "supervised", "label_spreading", "linear_probe"):
        config = RunConfig.parse({"data": {"name": "stl10"}, "method": {"name": method}})
        assert config.data.labels.kind == "all", method
    assert RunConfig.parse({"data": {"name": "stl10"}, "method": {"name": "simclr"}}).data.labels.kind == "none"


# FER-2013


def fer_csv(pixels: Bytes, labels: list[int], usage: list[str]) -> bytes:
    rows = [
        f'{label},"{" ".join(map(str, image.ravel()))}",{use}'
        for image, label, use in zip(pixels, labels, usage, strict=True)
    ]
    return ("emotion,pixels,Usage\n" + "\n".join(rows) + "\n").encode()


@pytest.fixture
def tiny_fer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bytes:
    pixels = noise(6, 1, 48, 48)
    usage = ["PublicTest", "Training", "Training", "PrivateTest", "Training", "Training"]
    content = fer_csv(pixels, [6, 0, 3, 4, 6, 1], usage)
    folder_of(tmp_path / "data", {"fer2013/fer2013.csv": content})
    resources = {**torchvision.datasets.FER2013._RESOURCES, "fer": ("fer2013.csv", md5(content))}
    monkeypatch.setattr(torchvision.datasets.FER2013, "_RESOURCES", resources)
    monkeypatch.setattr(Fer2013, "shape", (6, 1, 48, 48))
    monkeypatch.setattr(Fer2013, "training", 4)
    return pixels


def fer(root: Path) -> Fer2013:
    return Fer2013(Fer2013.Params(root=str(root)))


def test_fer2013_is_read_as_torchvision_reads_it(tiny_fer: Bytes, tmp_path: Path) -> None:
    images = fer(tmp_path / "data").load()
    assert images.images.shape == (6, 1, 48, 48)
    for split, is_test in (("train", False), ("test", True)):
        part = list(torchvision.datasets.FER2013(str(tmp_path / "data"), split=split))
        rows = images.is_test == is_test
        assert np.array_equal(images.images[rows][:, 0], [np.asarray(image) for image, _ in part])
        assert images.labels[rows].tolist() == [label for _, label in part]
    assert np.array_equal(images.images[0], tiny_fer[1])
    assert [images.class_names[k] for k in images.labels] == ["angry", "happy", "neutral", "disgust", "neutral", "sad"]
    assert (images.name, images.symmetries) == ("fer2013", frozenset({"flip"}))


def test_the_version_with_a_folder_for_each_expression_is_read_where_the_file_is_not(tmp_path: Path) -> None:
    files = {}
    for part, count in (("train", 4), ("test", 2)):
        for k, name in enumerate(("surprise", "angry")):
            for i in range(count):
                buffer = io.BytesIO()
                Image.fromarray(np.full((48, 48), 60 * k + i, np.uint8)).save(buffer, "PNG")
                files[f"fer2013/{part}/{name}/im{i}.png"] = buffer.getvalue()
    folder_of(tmp_path / "data", files)
    source = fer(tmp_path / "data")
    assert source.ready() is False
    report = source.prepare()
    assert (report.training, report.test) == ({"angry": 4, "surprise": 4}, {"angry": 2, "surprise": 2})
    images = source.load()
    assert (images.name, images.images.shape, images.class_names) == ("fer2013", (12, 1, 48, 48), ("angry", "surprise"))
    assert images.images[images.labels == 1].max() == 3


@pytest.mark.slow
def test_real_folders_of_expressions_are_read(real_data: Path, tmp_path: Path) -> None:
    """Part of them, as its README counts them."""
    with zipfile.ZipFile(real_data / "images" / "fer2013_jpeg.zip") as archive:
        archive.extractall(tmp_path / "data" / "fer2013")
    report = fer(tmp_path / "data").prepare()
    assert report.skipped == {}
    assert (report.training["happy"], report.test["disgust"]) == (2_044, 34)
    assert (sum(report.training.values()), sum(report.test.values())) == (7_801, 2_200)
    images = fer(tmp_path / "data").load()
    assert images.class_names == ("angry", "disgust", "fear", "happy", "neutral", "sad", "surprise")
    assert (images.channels, images.size) == (1, 48)


def test_where_fer2013_is_not_a_sentence_says_where_to_get_it_and_where_to_put_it(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refused:
        fer(tmp_path / "data").load()
    assert str(refused.value) == (
        f"FER-2013 is not on this computer (fer2013.csv not found in {tmp_path / 'data' / 'fer2013'}): download it from"
        " https://www.kaggle.com/c/challenges-in-representation-learning-facial-expression-recognition-challenge and"
        " put fer2013.csv, or its folders train and test, there, or set data.root to a folder that has them."
    )
    assert not (tmp_path / "data").exists()


def test_another_file_under_that_name_is_refused(tiny_fer: Bytes, tmp_path: Path) -> None:
    path = tmp_path / "data" / "fer2013" / "fer2013.csv"
    path.write_bytes(path.read_bytes().replace(b"Training", b"training"))
    with pytest.raises(DataError) as refused:
        fer(tmp_path / "data").load()
    assert str(refused.value) == (
        f"{path} is not the file of FER-2013 (its md5 sum differs): get it again from the page that it is downloaded"
        " from, or set data.root to another folder."
    )

"""What people may name and delete on a server that others reach too."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from engine.allowed_folders import VARIABLE, allow_only, allowed_folders
from engine.config.run_config import RunConfig
from engine.data.sets.folder import Folder
from engine.data.sets.mnist import Mnist
from engine.errors import ConfigError, LabError
from engine.lab.lab import Lab
from engine.training.assemble import check
from tests.fixtures_images import folder_of, grey
from ui.shell.server import listens_to_this_machine_only, open_lab

NOT_OPEN = (
    f"data.path names a place that this server does not open to others: upload a zip archive, or ask whoever runs the"
    f" server to list its folder in {VARIABLE}."
)


TWO_CLASSES = {
    f"{name}/{number}.png": grey(level + number) for name, level in (("a", 0), ("b", 200)) for number in range(3)
}


def folder(path: Path | str) -> Folder:
    return Folder(Folder.Params(path=str(path)))


@pytest.fixture
def opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of images in the only allowed one, and the same beside it."""
    folder_of(tmp_path / "open" / "images", TWO_CLASSES)
    folder_of(tmp_path / "private" / "images", TWO_CLASSES)
    monkeypatch.setenv(VARIABLE, str(tmp_path / "open"))
    return tmp_path


def refused(path: Path | str) -> str:
    with pytest.raises(ConfigError) as error:
        folder(path)
    return str(error.value)


def test_only_what_lies_in_an_allowed_folder_is_opened(opened: Path) -> None:
    assert folder(opened / "open" / "images").ready() is False  # looked at, and to be imported
    for path in ("private/images", "private/nothing/here", "open/../private/images", "open-too"):
        assert refused(opened / path) == NOT_OPEN, path
    (opened / "open" / "circle").symlink_to(opened / "open" / "circle")
    circle = str(opened / "open" / "circle" / "a")
    for name in ("/etc/passwd", "~", ".", "/", "~nobody-of-that-name/images", "a\0b", circle):
        assert refused(name) == NOT_OPEN, name


def test_a_link_out_of_an_allowed_folder_leads_nowhere(opened: Path) -> None:
    (opened / "open" / "link").symlink_to(opened / "private", target_is_directory=True)
    assert refused(opened / "open" / "link" / "images") == NOT_OPEN


def test_nothing_is_downloaded_into_a_folder_that_is_not_open(opened: Path) -> None:
    with pytest.raises(ConfigError, match=r"^data\.root names a place that this server does not open to others: ask"):
        Mnist(Mnist.Params(root=str(opened / "private")))
    assert Mnist(Mnist.Params()).params.root == "data"  # where it always lies


def test_weights_are_read_from_allowed_folders_only(opened: Path) -> None:
    asked = {
        "method": {"name": "supervised"},
        "data": {"name": "digits"},
        "backbone": {"name": "small_cnn", "init": f"file:{opened / 'private' / 'weights.safetensors'}"},
    }
    with pytest.raises(ConfigError, match=r"^backbone\.init names a place that this server does not open"):
        check(RunConfig.parse(asked), opened)
    asked["backbone"]["init"] = f"file:{opened / 'open' / 'weights.safetensors'}"
    with pytest.raises(ConfigError, match=r"there is no such file"):
        check(RunConfig.parse(asked), opened)


def test_without_a_list_every_folder_is_open_and_with_an_empty_one_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder_of(tmp_path / "images", TWO_CLASSES)
    monkeypatch.delenv(VARIABLE, raising=False)
    assert allowed_folders() is None
    assert folder(tmp_path / "images").ready() is False
    monkeypatch.setenv(VARIABLE, "")
    assert refused(tmp_path / "images") == NOT_OPEN
    allow_only([tmp_path, Path("/elsewhere")])
    assert os.environ[VARIABLE] == f"{tmp_path}{os.pathsep}/elsewhere"
    assert folder(tmp_path / "images").ready() is False


def test_a_folder_that_a_list_cannot_hold_opens_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "")
    allow_only([tmp_path / f"a{os.pathsep}b", tmp_path / "open"])
    assert allowed_folders() == [tmp_path / "open"]


@pytest.mark.parametrize(("address", "is_shared"), [("0.0.0.0", True), ("localhost", False)])
def test_a_server_that_others_reach_opens_uploads_alone_and_deletes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, is_shared: bool
) -> None:
    monkeypatch.setenv(VARIABLE, "")  # so that it is put back as it was, whatever the server makes of it
    monkeypatch.delenv(VARIABLE)
    monkeypatch.setenv("FEWLAB_CHECKPOINTS", str(tmp_path))
    monkeypatch.setattr("streamlit.get_option", lambda name: {"server.address": address}[name])
    made = open_lab()
    assert made.may_delete is not is_shared
    assert allowed_folders() == ([tmp_path / ".uploads", tmp_path / "labels"] if is_shared else None)


def test_runs_are_not_deleted_where_others_come(tmp_path: Path) -> None:
    lab = Lab(tmp_path, may_delete=False)
    run = lab.store.create(RunConfig.parse({"data": {"name": "digits"}}).model_dump(mode="json"))
    with pytest.raises(LabError) as error:
        lab.delete(run.id)
    assert "whoever runs it can remove the run's folder" in str(error.value)
    assert run.path.is_dir()


@pytest.mark.parametrize("address", ["localhost", "127.0.0.1", "127.1.2.3", "::1"])
def test_a_server_on_the_loopback_is_reached_from_its_machine_alone(address: str) -> None:
    assert listens_to_this_machine_only(address)


@pytest.mark.parametrize("address", ["", "0.0.0.0", "::", "192.168.1.7", "lab.example.org", "unix:///run/fewlab.sock"])
def test_any_other_address_is_reached_by_others(address: str) -> None:
    assert not listens_to_this_machine_only(address)

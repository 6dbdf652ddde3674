"""Pipes, devices, sockets and directories where a file should be: refused in one sentence, never waited for."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from engine.__main__ import app
from engine.config.run_config import RunConfig
from engine.errors import ConfigError, FewLabError, RunError
from engine.plain_file import open_plain_file, read_plain_file
from engine.runs.store import Store
from engine.training import checkpoint
from engine.training.assemble import check

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no such files")


def a_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(os.path.relpath(path))  # the name of a socket is short


KINDS: dict[str, Callable[[Path], object]] = {
    "pipe": os.mkfifo,
    "device": lambda path: path.symlink_to("/dev/zero"),
    "socket": a_socket,
    "directory": Path.mkdir,
}


@pytest.fixture(params=list(KINDS))
def strange(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    KINDS[request.param](tmp_path / "strange.json")
    return tmp_path / "strange.json"


def soon(act: Callable[[], object], seconds: float = 20.0) -> str:
    """The sentence that `act` is refused with, in a thread: a pipe would be waited for without end."""
    sentences: list[str] = []

    def run() -> None:
        try:
            act()
        except FewLabError as error:
            sentences.append(str(error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(seconds)
    assert not thread.is_alive(), "it waits"
    (sentence,) = sentences
    return sentence


def test_it_is_not_opened(strange: Path) -> None:
    with pytest.raises(OSError, match=r"a pipe, a device or a socket|Is a directory"):
        open_plain_file(strange)


def test_a_file_is_read_up_to_its_limit(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_plain_file(tmp_path / "a", 5) == b"12345"
    with pytest.raises(OSError, match="it is larger than"):
        read_plain_file(tmp_path / "a", 4)


@pytest.mark.parametrize("ending", ["", ".pt"])
def test_initial_weights(strange: Path, tmp_path: Path, ending: str) -> None:
    path = strange.rename(strange.with_name(f"weights{ending}"))
    config = RunConfig.parse({"method": "supervised", "backbone": {"name": "small_cnn", "init": f"file:{path}"}})
    sentence = soon(lambda: check(config, tmp_path))
    assert sentence.startswith(f"backbone.init names {path}, which cannot be read (")
    assert sentence.endswith("): give a safetensors file or a state dict saved by torch.")


def test_a_file_of_weights_still_loads(tmp_path: Path) -> None:
    config = RunConfig.parse(
        {"method": "supervised", "backbone": {"name": "small_cnn", "init": f"file:{tmp_path}/w.pt"}}
    )
    torch.save({"nothing": torch.zeros(1)}, tmp_path / "w.pt")
    with pytest.raises(ConfigError, match=r"^w\.pt does not fit the network small_cnn"):
        check(config, tmp_path)


def test_a_data_set(strange: Path, tmp_path: Path) -> None:
    if strange.is_dir():
        pytest.skip("a directory is a data set")
    config = RunConfig.parse({"method": "supervised", "data": {"name": "folder", "path": str(strange)}})
    assert soon(lambda: check(config, tmp_path)).endswith(
        "which is neither a folder nor a file: choose a folder of images or a zip archive."
    )


def test_a_checkpoint(strange: Path, tmp_path: Path) -> None:
    folder = Store(tmp_path / "runs").create(RunConfig.parse({}).model_dump(mode="json"))
    strange.rename(folder.checkpoint_file)
    sentence = soon(lambda: checkpoint.load(folder))
    assert sentence.startswith(f"Run {folder.id} cannot be resumed: checkpoint.pt is damaged (")
    with pytest.raises(RunError):
        checkpoint.load(folder)


def test_the_config_file_and_images_of_the_command_line(strange: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--config", str(strange)])
    assert done.exit_code == 2
    assert done.stderr.startswith(f"{strange} cannot be read: ")


@pytest.mark.parametrize("value", ["[" * 50_000, '{"a":' * 50_000])
def test_brackets_without_end_are_a_word_like_any_other(value: str, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["train", "--set", f"method.threshold={value}", "--checkpoints", str(tmp_path)])
    assert done.exit_code == 2
    assert done.stderr.startswith("method.threshold is ")
    assert not list(tmp_path.iterdir())

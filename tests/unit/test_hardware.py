"""What a run computes with: "auto" becomes facts, and what is not there is refused with a sentence."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch

from engine.config.parts import Hardware
from engine.config.run_config import RunConfig
from engine.cores import usable_cores
from engine.errors import ConfigError
from engine.training.hardware import Machine, resolve
from engine.training.together import check_several

CORES = usable_cores()


def pretend(monkeypatch: pytest.MonkeyPatch, gpus: int) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpus > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: gpus)


@pytest.mark.parametrize(
    ("gpus", "asked", "device", "precision"),
    [
        (0, "auto", "cpu", "float32"),
        (0, "cpu", "cpu", "float32"),
        (1, "auto", "cuda", "bfloat16"),
        (1, "cuda:0", "cuda:0", "bfloat16"),
        (2, "cuda:1", "cuda:1", "bfloat16"),
        (2, "cpu", "cpu", "float32"),
    ],
)
def test_auto_becomes_what_is_there(
    gpus: int, asked: str, device: str, precision: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, gpus)
    found = resolve(Hardware.parse({"device": asked}))
    assert (found.device, found.precision) == (device, precision)
    assert found.is_cuda == device.startswith("cuda")


@pytest.mark.parametrize(
    ("gpus", "asked", "sentence"),
    [
        (0, "cuda", 'hardware.device is "cuda", but no GPU was found: choose "auto" or "cpu".'),
        (0, "cuda:1", 'hardware.device is "cuda:1", but no GPU was found: choose "auto" or "cpu".'),
        (1, "cuda:1", 'hardware.device is "cuda:1", but there is one GPU: choose "auto", "cpu" or "cuda:0".'),
        (2, "cuda:3", 'hardware.device is "cuda:3", but there are 2 GPUs: choose "auto", "cpu", "cuda:0" or "cuda:1".'),
    ],
)
def test_a_gpu_that_is_not_there_is_refused(
    gpus: int, asked: str, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, gpus)
    with pytest.raises(ConfigError) as refused:
        resolve(Hardware.parse({"device": asked}))
    assert str(refused.value) == sentence


def test_bfloat16_can_be_asked_for_on_a_cpu() -> None:
    assert resolve(Hardware(device="cpu", precision="bfloat16")).precision == "bfloat16"


def test_threads_are_the_cores_and_never_more() -> None:
    assert resolve(Hardware(device="cpu")).threads == CORES
    assert resolve(Hardware(device="cpu", threads=1)).threads == 1
    with pytest.raises(ConfigError, match=f"hardware.threads is {CORES + 1}, but FewLab may use {CORES} core"):
        resolve(Hardware(device="cpu", threads=CORES + 1))


def test_a_machine_of_an_earlier_run_is_read_with_what_was_not_stated_then() -> None:
    noted = {"device": "cpu", "precision": "float32", "threads": 1, "channels_last": True, "torch_version": "2.9"}
    machine = Machine(**noted)  # type: ignore[arg-type]
    assert (machine.deterministic, machine.tf32, machine.compiled) == (True, None, False)
    assert Machine(**resolve(Hardware(device="cpu")).plain()) == resolve(Hardware(device="cpu"))


def test_waiting_threads_are_told_to_be_brief_before_torch_is_loaded_unless_another_count_is_set() -> None:
    code = (
        "import os, sys, engine; print(os.environ['GOMP_SPINCOUNT'], os.environ['KMP_BLOCKTIME'],"
        " 'torch' in sys.modules)"
    )
    without = {name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "KMP_BLOCKTIME")}
    for set_by_hand, expected in (({}, "10000 1 False"), ({"GOMP_SPINCOUNT": "7"}, "7 1 False")):
        command = [sys.executable, "-c", code]
        done = subprocess.run(command, env={**without, **set_by_hand}, capture_output=True, text=True, check=True)
        assert done.stdout.strip() == expected


class Four:
    """Four processes on one machine, as far as resolving asks."""

    size = local_size = 4


def several(**wanted: object) -> Machine:
    return resolve(Hardware.parse(wanted), Four())  # type: ignore[arg-type]  # no process is asked for anything


def test_several_processes_share_the_cores_and_are_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engine.training.hardware.usable_cores", lambda: 10)
    assert (several(device="cpu").threads, several(device="cpu").processes) == (2, 4)
    assert several(device="cpu", threads=5).threads == 5
    assert resolve(Hardware(device="cpu")).processes == 1


@pytest.mark.parametrize(
    ("gpus", "wanted", "sentence"),
    [
        (
            4,
            {"device": "cuda:1"},
            'hardware.device is "cuda:1", but each of several processes takes the GPU of its own number: choose "auto",'
            ' "cuda" or "cpu".',
        ),
        (
            1,
            {"device": "auto"},
            '4 processes were started and there is one GPU here: start one for each GPU, or choose "cpu" as'
            " hardware.device.",
        ),
        (
            0,
            {"deterministic": False},
            "hardware.deterministic is off, but several processes repeat what they do not divide, and must agree to the"
            " bit: turn it on, or train in one process.",
        ),
        (
            0,
            {"compile": True},
            "hardware.compile is on, but a compiled network cannot be divided among processes: turn it off, or train in"
            " one process.",
        ),
    ],
)
def test_what_several_processes_cannot_compute_with_is_refused(
    gpus: int, wanted: dict[str, object], sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend(monkeypatch, gpus)
    with pytest.raises(ConfigError) as refused:
        check_several(RunConfig.parse({"hardware": wanted}), Four())  # type: ignore[arg-type]  # nobody is asked
    assert str(refused.value) == sentence


def test_four_processes_on_four_gpus_are_as_one_on_each(monkeypatch: pytest.MonkeyPatch) -> None:
    pretend(monkeypatch, 4)
    assert several(device="auto").device == several(device="cuda").device == "cuda"

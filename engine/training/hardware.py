"""Device, precision, threads and memory format: resolved once per run, stored, and used again on resume."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

# Must stand in the environment before CUDA's libraries start, or cuBLAS refuses to be deterministic.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch
from torch import nn

from engine.backbones.mixed_precision import MixedPrecision, set_precision
from engine.config.parts import Hardware
from engine.cores import usable_cores
from engine.errors import ConfigError
from engine.processes.group import Processes

M = TypeVar("M", bound=nn.Module)


@dataclass(frozen=True)
class Machine:
    """What a run was resolved to. Other threads or another memory format give other bits, so a resumed run takes these
    again.
    """

    device: str
    precision: str
    threads: int
    channels_last: bool
    torch_version: str
    deterministic: bool = True
    tf32: bool | None = None  # None: as torch has it, in runs from before it was stated
    compiled: bool = False
    processes: int = 1  # that divide each step

    @property
    def is_cuda(self) -> bool:
        return self.device.startswith("cuda")

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self) -> None:
        """Set this process up: threads, deterministic algorithms, the precision of float32 products on a GPU."""
        torch.set_num_threads(self.threads)
        torch.use_deterministic_algorithms(self.deterministic)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a module property
        if self.is_cuda:
            torch.cuda.set_device(self.device if ":" in self.device else f"{self.device}:0")
            torch.backends.cudnn.benchmark = not self.deterministic
            if self.tf32 is not None:
                torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = self.tf32

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def place(self, module: M) -> M:
        """The module on this device, in this memory format, its networks in this precision and compiled if it is said
        so.
        """
        set_precision(module, self.precision)
        placed = module.to(self.device).to(memory_format=self.memory_format)
        if self.compiled:
            for network in placed.modules():
                if isinstance(network, MixedPrecision):
                    network.compile()
        return placed


def resolve(wanted: Hardware, processes: Processes | None = None) -> Machine:
    """Turn "auto" into facts, for this process alone or for each of several. Raises ConfigError if a GPU is asked for
    that is not there, or more threads than cores.
    """
    together = 1 if processes is None else processes.local_size
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    asked, _, number = wanted.device.partition(":")
    if asked == "cuda" and int(number or 0) >= gpus:
        there = {0: "no GPU was found", 1: "there is one GPU"}.get(gpus, f"there are {gpus} GPUs")
        others = ['"auto"', '"cpu"', *(f'"cuda:{n}"' for n in range(gpus))]
        raise ConfigError(f'hardware.device is "{wanted.device}", but {there}: choose {_either(others)}.')
    device = wanted.device if asked == "cuda" else "cuda" if gpus and asked == "auto" else "cpu"
    rounds = wanted.precision == "bfloat16" or (wanted.precision == "auto" and device != "cpu")
    precision = "bfloat16" if rounds else "float32"
    cores = usable_cores()
    if wanted.threads > cores:
        raise ConfigError(
            f"hardware.threads is {wanted.threads}, but FewLab may use {cores} core{'s' if cores > 1 else ''} here, and"
            f" more threads only wait for one another: choose at most {cores}, or 0 for one per core."
        )
    threads = wanted.threads or max(1, cores // together)
    # channels_last measured a fifth to a third faster for these networks on CPU, and is what GPU convolutions want in
    # bfloat16.
    return Machine(
        device,
        precision,
        threads,
        True,
        str(torch.__version__),
        wanted.deterministic,
        wanted.tf32,
        wanted.compile,
        1 if processes is None else processes.size,
    )


def _either(words: list[str]) -> str:
    return " or ".join([", ".join(words[:-1]), words[-1]])

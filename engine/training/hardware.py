"""Device, precision, threads and memory format: resolved once per run, stored, and used again on resume."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass
from typing import Any, TypeVar

# Must stand in the environment before CUDA's libraries start, or cuBLAS refuses to be deterministic.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch
from torch import nn

from engine.backbones.mixed_precision import set_precision
from engine.config.parts import Hardware
from engine.cores import usable_cores
from engine.errors import ConfigError

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

    @property
    def is_cuda(self) -> bool:
        return self.device.startswith("cuda")

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def apply(self) -> None:
        """Set this process up: threads and deterministic algorithms."""
        torch.set_num_threads(self.threads)
        torch.use_deterministic_algorithms(True)
        torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a module property
        if self.is_cuda:
            torch.backends.cudnn.benchmark = False

    @property
    def memory_format(self) -> torch.memory_format:
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def place(self, module: M) -> M:
        """The module on this device, in this memory format, its networks in this precision."""
        set_precision(module, self.precision)
        return module.to(self.device).to(memory_format=self.memory_format)


def resolve(wanted: Hardware) -> Machine:
    """Turn "auto" into facts. Raises ConfigError if a GPU is asked for and there is none."""
    has_cuda = torch.cuda.is_available()
    if wanted.device == "cuda" and not has_cuda:
        raise ConfigError('hardware.device is "cuda", but no GPU was found: choose "auto" or "cpu".')
    device = "cuda" if has_cuda and wanted.device != "cpu" else "cpu"
    precision = wanted.precision if wanted.precision != "auto" else ("bfloat16" if device == "cuda" else "float32")
    threads = wanted.threads or usable_cores()
    # channels_last measured a fifth to a third faster for these networks on CPU, and is what GPU convolutions want in
    # bfloat16.
    return Machine(device, precision, threads, True, str(torch.__version__))

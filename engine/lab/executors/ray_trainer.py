"""The runs of a sweep trained on the machines of a Ray cluster, several at once, in one folder that all of them share.

Ray says where a process runs and starts another one when it dies; it carries no data. A worker reads and writes the
run's folder, from which this process, and any page, sees how far it is. docs/decisions/0025 says why.
"""

from __future__ import annotations

import queue
import socket
import tempfile
import time
import warnings
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit

from filelock import Timeout

import engine
from engine.config.parts import Hardware
from engine.errors import ConfigError, FewLabError, RunError
from engine.lab.executors.ray_worker import RayWorker, sees
from engine.runs.folder import RESUMABLE, TAKEN_OUT, RunFolder
from engine.runs.store import Store
from engine.training.commands import Control
from engine.training.recorder import CHECKPOINT_SECONDS

_LOOKS = 0.25  # seconds between two looks at a run that trains
_AGAIN = 2.0  # seconds until a run that goes on is told to end again: its worker may have died meanwhile
_DEATHS = 3  # of a worker, which Ray starts again; then its run is interrupted: it may need more memory than there is
_ANSWERS = 10.0  # seconds in which a cluster answers at all
_STARTS = 120.0  # seconds in which a machine has started a process and imported torch


class RayTrainer:
    """Inside `with`, it holds the lock on the folder of the runs: a FewLab that is opened there meanwhile shows them
    and trains none. The folder is seen under the same path by all machines.
    """

    def __init__(
        self,
        checkpoints: Path,
        hardware: Hardware,
        address: str,
        asked: Control,
        checkpoint_seconds: float = CHECKPOINT_SECONDS,
    ) -> None:
        """hardware: of every run. address: ray://HOST:PORT. asked: told to end, it interrupts the runs and leaves the
        sweep. Raises ConfigError for another address, if Ray is not installed, or if the runs do not say what each
        takes of a machine.
        """
        self._host, self._port = _host_and_port(address)
        self._ray = _ray()
        _check(hardware)
        self._store, self._hardware, self._address, self._asked = Store(checkpoints.resolve()), hardware, address, asked
        self._seconds = checkpoint_seconds
        self._lock = self._store.lock()
        self._idle: queue.SimpleQueue[Any] = queue.SimpleQueue()  # workers that have trained a run
        self.at_once = 1

    def __enter__(self) -> RayTrainer:
        """Raises RunError if another FewLab trains in this folder, no cluster answers, it has no room for a run, or a
        machine cannot train here.
        """
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            raise RunError(
                f"Another FewLab trains in {self._store.root}: close it, start the sweep, and open it again to watch."
            ) from None
        try:
            self._connect()
            self._find_room()
        except BaseException:
            self._close()
            raise
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._close()

    @property
    def leaves(self) -> bool:
        return self._asked.ends

    def train(self, run_id: str, look: Callable[[], bool]) -> None:
        """In any thread. A run whose worker has died too often is interrupted."""
        folder = self._store.open(run_id)
        if folder.status().state in RESUMABLE:
            self._store.requeue(run_id)
        try:
            worker = self._idle.get_nowait()  # a new one would import torch for seconds
        except queue.Empty:
            worker = self._worker.remote(str(self._store.root), self._seconds)
        try:
            is_idle = self._follow(folder, worker, look)
        except self._ray.exceptions.RayError as error:
            self._ray.kill(worker)  # one that only does not answer must not write into the folder any more
            _interrupt(folder, error)
        else:
            if is_idle:
                self._idle.put(worker)
            else:
                self._ray.kill(worker)
        look()  # what it wrote last

    def _follow(self, folder: RunFolder, worker: Any, look: Callable[[], bool]) -> bool:
        """Until the worker has trained the run, or no worker shall any more. Whether it is free for another one."""
        trained = worker.train.remote(folder.id)
        told = -_AGAIN
        while not self._ray.wait([trained], timeout=_LOOKS)[0]:
            if not look() or time.monotonic() - told < _AGAIN:
                continue
            if _taken_out(folder):  # it still waits for a machine
                return False
            told = time.monotonic()
            worker.end.remote(folder.id, "interrupt" if self.leaves else "stop")
        self._ray.get(trained)
        return True

    # the cluster

    def _connect(self) -> None:
        try:
            # Ray itself would wait half a minute for a port at which nobody answers.
            socket.create_connection((self._host, self._port), _ANSWERS).close()
            with warnings.catch_warnings(action="ignore"):  # they say what the error says
                self._ray.init(
                    self._address,
                    runtime_env={"py_modules": [str(Path(engine.__file__).parent)]},
                    log_to_driver=False,
                    logging_level="ERROR",
                )
        except (OSError, RuntimeError, ValueError, self._ray.exceptions.RayError) as error:
            raise RunError(
                f"No Ray cluster could be used at {self._address} ({type(error).__name__}): see that it runs, that this"
                " machine has its token, and the same versions of Ray and Python."
            ) from None

    def _find_room(self) -> None:
        """How many runs train at once, and what each takes of a machine."""
        machines = [node for node in self._ray.nodes() if node["Alive"]]
        on_gpu = self._hardware.device != "cpu" and any(node["Resources"].get("GPU") for node in machines)
        takes = {"CPU": self._hardware.threads, **({"GPU": 1} if on_gpu else {})}
        room = {
            node["NodeID"]: min(int(node["Resources"].get(kind, 0) // count) for kind, count in takes.items())
            for node in machines
        }
        self.at_once = sum(room.values())
        if not self.at_once:
            wanted = " and ".join(f"{count} {kind}" for kind, count in takes.items())
            raise RunError(
                f"No machine of the cluster has {wanted} for a run: set hardware.threads lower, or add a machine."
            )
        self._check_machines({node["NodeID"]: node["NodeManagerHostname"] for node in machines if room[node["NodeID"]]})
        self._worker = self._ray.remote(RayWorker).options(
            num_cpus=takes["CPU"],
            num_gpus=takes.get("GPU", 0),
            max_concurrency=2,
            max_restarts=_DEATHS,
            max_task_retries=_DEATHS,
        )

    def _check_machines(self, names: dict[str, str]) -> None:
        """names: of machines, by their ids in Ray. Raises RunError unless all of them have the folder of the runs, and
        what FewLab needs.
        """
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        asked = self._ray.remote(sees)
        with tempfile.NamedTemporaryFile(dir=self._store.root, prefix=".shared-") as file:
            answers = {
                name: asked.options(
                    num_cpus=0, scheduling_strategy=NodeAffinitySchedulingStrategy(machine, soft=False)
                ).remote(file.name)
                for machine, name in names.items()
            }
            for name, answer in answers.items():
                try:
                    seen = self._ray.get(answer, timeout=_STARTS)
                except self._ray.exceptions.RayError as error:
                    raise RunError(
                        f"The machine {name} of the cluster cannot run FewLab ({type(error).__name__}): install its"
                        " requirements there."
                    ) from None
                if not seen:
                    raise RunError(
                        f"The machine {name} of the cluster does not see {self._store.root}: mount the folder there,"
                        " under the same path."
                    )

    def _close(self) -> None:
        self._ray.shutdown()
        self._lock.release()


def _host_and_port(address: str) -> tuple[str, int]:
    with suppress(ValueError):  # a port that is no number
        parts = urlsplit(address)
        if parts.scheme == "ray" and parts.hostname and parts.port:
            return parts.hostname, parts.port
    raise ConfigError(
        f"Runs cannot be trained on {address[:80]!r}: give a Ray cluster's address, such as ray://HOST:10001."
    )


def _ray() -> Any:
    try:
        import ray
    except ImportError:
        raise ConfigError(
            "Ray is not installed: install it (pip install -r requirements-extras.txt), or leave --on out to train"
            " here."
        ) from None
    return ray


def _check(hardware: Hardware) -> None:
    if not hardware.threads:
        raise ConfigError(
            "On Ray several runs share a machine: say how many threads each takes, such as --set hardware.threads=1."
        )
    if ":" in hardware.device:
        raise ConfigError(
            f'hardware.device is "{hardware.device}", but Ray gives each run a GPU of its own: set it to "auto", "cuda"'
            ' or "cpu".'
        )


def _taken_out(folder: RunFolder) -> bool:
    """Take a run out of the queue, where no FewLab that is opened later shall train it; whether it was there."""
    with suppress(FewLabError):  # deleted meanwhile
        if folder.status().state == "queued":
            folder.update_status(state="stopped", reason=TAKEN_OUT)
            return True
    return False


def _interrupt(folder: RunFolder, error: Exception) -> None:
    reason = f"Its worker on the cluster ended while it trained ({type(error).__name__})."
    with suppress(FewLabError):  # deleted meanwhile
        status = folder.status_when_quiet()
        if status.active:
            folder.add_event("interrupted", status.step, reason=reason)
            folder.update_status(state="interrupted", reason=reason)

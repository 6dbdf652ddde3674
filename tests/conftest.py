"""Shared by all tests: one place for runs, real data sets when they are here, and a short config."""

from __future__ import annotations

import os

# One thread for this process and for those that tests start: on two cores more of them wait for each other longer than
# they help. Said before numpy and torch are loaded, which look once.
for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from engine.config.run_config import RunConfig
from engine.runs.store import Run, Store

# A busy machine is no mistake of the code; every test has its own time limit anyway.
settings.register_profile("fewlab", deadline=None)
settings.load_profile("fewlab")

# One thread: two on a busy machine wait for each other longer than they help.
SHORT = {"budget": {"steps": 40, "batch_size": 16, "evaluate_every": 20}, "hardware": {"device": "cpu", "threads": 1}}


def merged(base: dict[str, Any], top: dict[str, Any]) -> dict[str, Any]:
    """`top` over `base`, recursively."""
    return {
        **base,
        **{
            key: merged(base[key], value) if isinstance(value, dict) and isinstance(base.get(key), dict) else value
            for key, value in top.items()
        },
    }


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """No test reads or fills the cache of the person who runs it, and neither do the processes it starts."""
    before = os.environ.get("FEWLAB_CACHE")
    os.environ["FEWLAB_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield Path(os.environ["FEWLAB_CACHE"])
    if before is None:
        del os.environ["FEWLAB_CACHE"]
    else:
        os.environ["FEWLAB_CACHE"] = before


@pytest.fixture(autouse=True)
def _main_stays() -> Iterator[None]:
    """AppTest makes the page `__main__`, which the processes that later tests start would run again."""
    main = sys.modules["__main__"]
    yield
    sys.modules["__main__"] = main


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real image sets: $FEWLAB_TEST_DATA, else shared/data beside the repository. Where there is none, the
    test is skipped, or fails if FEWLAB_REQUIRE_DATA=1.
    """
    chosen = os.environ.get("FEWLAB_TEST_DATA")
    folder = Path(chosen) if chosen else Path(__file__).parents[2] / "shared" / "data"
    if not folder.is_dir():
        if os.environ.get("FEWLAB_REQUIRE_DATA") == "1":
            pytest.fail(f"no real image sets in {folder}")
        pytest.skip(f"no real image sets in {folder}: set FEWLAB_TEST_DATA to a folder that has them")
    return folder


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "checkpoints")


@pytest.fixture(scope="module")
def toy() -> Iterator[None]:
    """The made-up data set of the contract suite is registered."""
    from engine.registry import datasets
    from tests.contract.toy import Toy

    datasets.register(Toy)
    yield
    datasets.remove("toy")


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Run]:
    """Train a config once per session and hand the run to every test that asks for the same settings."""
    from engine.lab.executors.inline import train

    root = tmp_path_factory.mktemp("shared") / "checkpoints"
    done: dict[str, Run] = {}

    def get(**changes: Any) -> Run:
        config = RunConfig.parse(merged(SHORT, changes))
        key = config.fingerprint()
        if key not in done:
            done[key] = train(config, root)
        return done[key]

    return get

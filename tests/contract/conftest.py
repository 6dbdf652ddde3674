"""What the suites of methods run with."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from engine.analysis import probes
from engine.lab.executors.inline import train
from engine.registry import backbones
from engine.runs.store import Run
from engine.training.evaluation import probes as probe_suite
from tests.contract.dropout_cnn import DropoutCNN
from tests.contract.method_runs import Trained, config


@pytest.fixture(scope="module")
def parts_of_tests(toy: None) -> Iterator[None]:
    """The parts that were made for tests are registered."""
    backbones.register(DropoutCNN)
    yield
    backbones.remove("dropout_cnn")


@pytest.fixture(scope="module")
def few_probes() -> Iterator[None]:
    """Every kind of probe, but each fitted to two draws of labels and with two strengths of regularization to choose
    from. A run of twelve steps would otherwise end with 288 fits, which take twenty times as long as its training.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probe_suite, "DRAWS", 2)
        patch.setattr(probes, "GRID", (0.01, 1.0))
        yield


@pytest.fixture(scope="module")
def trained(parts_of_tests: None, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """The run of `config(method)`, trained once for all tests that only look at it."""
    root, done = tmp_path_factory.mktemp("contract"), dict[str, Run]()

    def get(method: str) -> Run:
        if method not in done:
            done[method] = train(config(method), root)
        return done[method]

    return get

"""The process that projects: `python -m engine.lab.projections.projection_worker`, JSON lines on standard input and
output. It imports no torch.

One question at a time, in its main thread: numba's simplest threading layer allows no second. It is kept because UMAP
is compiled at first use; it is killed when a person cancels, so what it writes is written whole or not at all.
"""

from __future__ import annotations

import os
import queue
import threading
import time
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np

from engine.errors import ProjectionError
from engine.lab.messages import ComputeProjection
from engine.lab.projections.projection_inputs import ProjectionInputs, Sample, Source, load_inputs
from engine.lab.worker_stdio import WorkerStdio, claim_stdio
from engine.runs.projections import Projection, read_projection, write_projection

_TRUST = 0.1  # share of the bar for the figures of trust
_OFTEN = 0.1  # seconds between two words on progress


class ProjectionWorker:
    """Answers ComputeProjection; says {"event": "progress", "job": ..., "share": ..., "words": ...} meanwhile."""

    def __init__(self, stdio: WorkerStdio) -> None:
        self._stdio = stdio
        self._questions: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def serve(self) -> None:
        threading.Thread(target=self._read, daemon=True, name="questions").start()
        import sklearn.decomposition  # noqa: F401  # what all questions need, loaded while none has come yet
        from threadpoolctl import threadpool_limits

        # Beside a training, threads of one product wait for each other longer than they help.
        threadpool_limits(1, user_api="blas")
        while True:
            question = self._questions.get()
            self._stdio.reply(question, partial(self._answer, question["arguments"]))

    def _read(self) -> None:
        for message in self._stdio.messages():
            self._questions.put(message)
        os._exit(0)  # the server is gone: nobody waits for what is being computed

    def _answer(self, arguments: dict[str, Any]) -> str:
        try:
            return self._project(ComputeProjection.read(arguments))
        except MemoryError:
            raise ProjectionError(
                "There is not enough memory for this projection: choose fewer points or fewer evaluations."
            ) from None

    def _project(self, message: ComputeProjection) -> str:
        """Compute a projection, keep it in the run's folder and answer under which name."""
        from engine.analysis.projection import ProjectionRequest, project

        told = 0.0

        def tell(share: float, words: str) -> None:
            nonlocal told
            if time.monotonic() - told > _OFTEN:
                told = time.monotonic()
                self._stdio.say({"event": "progress", "job": message.job, "share": share, "words": words})

        begun = time.perf_counter()
        tell(0.0, "Reading the evaluations")
        run, source = Path(message.run), cast(Source, message.source)
        wanted = ProjectionRequest.parse(message.request)
        inputs = load_inputs(run, source, message.steps, Sample.parse(message.sample))
        name = inputs.key(source, wanted)
        if read_projection(run, name) is None:
            features = inputs.features()
            frames = project(features, wanted, lambda share, words: tell(share * (1 - _TRUST), words))
            figures = _trust(
                inputs,
                features,
                frames,
                wanted.metric,
                lambda share: tell(1 - _TRUST * (1 - share), "Measuring how far it can be trusted"),
            )
            done = Projection(
                inputs.ids,
                inputs.part,
                inputs.labels,
                frames,
                np.array(inputs.steps, np.int64),
                *figures,
                seconds=time.perf_counter() - begun,
            )
            write_projection(run, name, done)
        return name


def _trust(inputs: ProjectionInputs, features: list[Any], frames: Any, metric: Any, tell: Any) -> tuple[Any, Any, Any]:
    """Trustworthiness [E], purity [E] and purity per class [E, K]."""
    from engine.analysis.neighbors import nearest_neighbors
    from engine.analysis.trust import NEIGHBORS, knn_purity, trust_rows, trustworthiness

    rows = trust_rows(len(inputs.ids))
    trusted, pure = [], []
    for number, (feature, frame) in enumerate(zip(features, frames, strict=True)):
        tell(number / len(features))
        trusted.append(trustworthiness(feature, frame, metric))
        pure.append(
            knn_purity(nearest_neighbors(feature, NEIGHBORS, metric, rows).indices, inputs.labels, inputs.classes, rows)
        )
    return np.array(trusted), np.array([p.overall for p in pure]), np.stack([p.per_class for p in pure])


def main() -> None:
    ProjectionWorker(claim_stdio()).serve()


if __name__ == "__main__":
    main()

"""The process that projects: `python -m engine.lab.projections.projection_worker`, JSON lines on standard input and
output. It imports no torch.

One question at a time, in its main thread: numba's simplest threading layer allows no second. It is kept because UMAP
is compiled at first use; it is killed when a person cancels, so what it writes is written whole or not at all.
"""

from __future__ import annotations

import json
import logging
import os
import queue
import sys
import threading
import time
from pathlib import Path
from typing import IO, Any

import numpy as np

from engine.errors import FewLabError
from engine.lab.projections.projection_inputs import ProjectionInputs, Sample, gather
from engine.lab.worker_stdio import claim_stdio
from engine.runs.projections import Projection, read_projection, write_projection

_TRUST = 0.1  # share of the bar for the figures of trust
_OFTEN = 0.1  # seconds between two words on progress
log = logging.getLogger("fewlab.projections")


class ProjectionWorker:
    """Answers `project`; says {"event": "progress", "job": ..., "share": ..., "words": ...} meanwhile."""

    def __init__(self, commands: IO[bytes], answers: IO[bytes]) -> None:
        self._commands, self._answers = commands, answers
        self._questions: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()

    def serve(self) -> None:
        threading.Thread(target=self._read, daemon=True, name="questions").start()
        import sklearn.decomposition
        import sklearn.manifold  # noqa: F401  # what all questions need, loaded while none has come yet
        from threadpoolctl import threadpool_limits

        threadpool_limits(
            1, user_api="blas"
        )  # beside a training, threads of one product wait for each other longer than they help
        while True:
            question = self._questions.get()
            try:
                self._say({"answer": question["id"], "value": self._project(**question["arguments"])})
            except FewLabError as error:
                self._say({"answer": question["id"], "error": str(error)})
            except MemoryError:
                self._say(
                    {
                        "answer": question["id"],
                        "error": (
                            "There is not enough memory for this projection: choose fewer points or fewer evaluations."
                        ),
                    }
                )
            except Exception as error:
                log.exception("a projection failed")
                self._say(
                    {
                        "answer": question["id"],
                        "error": (
                            f"The projection failed ({type(error).__name__}); the log in the checkpoints folder has the"
                            " details."
                        ),
                    }
                )

    def _read(self) -> None:
        for line in self._commands:
            self._questions.put(json.loads(line))
        os._exit(0)  # the server is gone: nobody waits for what is being computed

    def _project(
        self, job: int, run: str, source: Any, request: dict[str, Any], steps: list[int], sample: dict[str, Any]
    ) -> str:
        """Compute a projection, keep it in the run's folder and answer under which name."""
        from engine.analysis.projection import ProjectionRequest, project

        told = 0.0

        def tell(share: float, words: str) -> None:
            nonlocal told
            if time.monotonic() - told > _OFTEN:
                told = time.monotonic()
                self._say({"event": "progress", "job": job, "share": share, "words": words})

        begun = time.perf_counter()
        tell(0.0, "Reading the evaluations")
        wanted = ProjectionRequest.parse(request)
        material = gather(Path(run), source, steps, Sample.parse(sample))
        name = material.key(source, wanted)
        if read_projection(Path(run), name) is None:
            features = material.features()
            frames = project(features, wanted, lambda share, words: tell(share * (1 - _TRUST), words))
            figures = _trust(
                material,
                features,
                frames,
                wanted.metric,
                lambda share: tell(1 - _TRUST * (1 - share), "Measuring how far it can be trusted"),
            )
            done = Projection(
                material.ids,
                material.part,
                material.labels,
                frames,
                np.array(material.steps, np.int64),
                *figures,
                seconds=time.perf_counter() - begun,
            )
            write_projection(Path(run), name, done)
        return name

    def _say(self, message: dict[str, Any]) -> None:
        try:
            self._answers.write((json.dumps(message) + "\n").encode())
            self._answers.flush()
        except OSError:  # the server is gone; end-of-file will end this process too
            log.warning("nobody listens any more")


def _trust(
    material: ProjectionInputs, features: list[Any], frames: Any, metric: Any, tell: Any
) -> tuple[Any, Any, Any]:
    """Trustworthiness [E], purity [E] and purity per class [E, K]."""
    from engine.analysis.neighbors import nearest_neighbors
    from engine.analysis.trust import NEIGHBORS, knn_purity, trust_rows, trustworthiness

    rows = trust_rows(len(material.ids))
    trusted, pure = [], []
    for number, (feature, frame) in enumerate(zip(features, frames, strict=True)):
        tell(number / len(features))
        trusted.append(trustworthiness(feature, frame, metric))
        pure.append(
            knn_purity(
                nearest_neighbors(feature, NEIGHBORS, metric, rows).indices, material.labels, material.classes, rows
            )
        )
    return np.array(trusted), np.array([p.overall for p in pure]), np.stack([p.per_class for p in pure])


def main() -> None:
    # Before OpenMP is loaded: its threads otherwise spin while they wait, and beside a training t-SNE took three times
    # as long.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    answers = claim_stdio()
    ProjectionWorker(sys.stdin.buffer, answers).serve()


if __name__ == "__main__":
    main()

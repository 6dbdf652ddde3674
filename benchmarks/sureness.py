"""Whether "sure" and "none of these" hold what they say, on a folder of photos.

    python -m benchmarks.sureness FOLDER [--preset photos-probe] [--per-class 10] [--seeds 0 1 2] [--json]

Coverage: of the test images, the share whose prediction set holds the true class, and how many sets have one class, for
every coverage that the run can promise. None of these: each class in turn is left out of training, and its images are
told from the test images of the others by the distance to the nearest labeled image, and by 1 - the largest probability
(area under the ROC curve, seed 0).
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from engine.analysis.conformal import prediction_sets
from engine.config.overlay import apply_changes
from engine.config.run_config import RunConfig
from engine.id_positions import positions_of
from engine.lab.executors.inline import train
from engine.predictor import Answers, Predictor
from engine.presets import PRESETS
from engine.runs.store import Run
from engine.training.assemble import load_images

_AT_ONCE = 64


def trained(preset: str, folder: Path, per_class: int, seed: int, checkpoints: Path) -> Run:
    changes = {"data.path": str(folder), "data.labels.per_class": per_class, "seed": seed}
    return train(RunConfig.parse(apply_changes(PRESETS[preset].config, changes)), checkpoints)


def answers(predictor: Predictor, images: NDArray[np.uint8]) -> Answers:
    parts = [predictor.answers(np.array(images[at : at + _AT_ONCE])) for at in range(0, len(images), _AT_ONCE)]
    assert all(part.away is not None for part in parts)
    return Answers(
        np.concatenate([part.probabilities for part in parts]),
        None,
        np.concatenate([part.away for part in parts if part.away is not None]),
    )


def on_test(run: Run) -> tuple[Predictor, Answers, NDArray[np.int64]]:
    images = load_images(RunConfig.parse(run.config))
    rows = positions_of(run.folder.split()["test"], images.ids)
    rows = np.sort(rows[images.labels[rows] >= 0])
    predictor = Predictor(run.folder)
    return predictor, answers(predictor, np.array(images.images[rows])), images.labels[rows]


def coverage(runs: list[Run]) -> list[dict[str, Any]]:
    found: dict[float, list[tuple[float, float, float]]] = {}
    for run in runs:
        predictor, said, labels = on_test(run)
        assert predictor.certainty.conformal is not None
        for promised, cutoff in predictor.certainty.conformal.cutoffs.items():
            sets = prediction_sets(said.probabilities, cutoff)
            holds, one = sets[np.arange(len(sets)), labels], sets.sum(1) == 1
            right = float(holds[one].mean()) if one.any() else float("nan")
            found.setdefault(promised, []).append((float(holds.mean()), float(one.mean()), right))
    return [
        {
            "coverage": promised,
            "held": [held for held, _, _ in each],
            "one class": statistics.mean(one for _, one, _ in each),
            "of these right": statistics.mean(right for _, _, right in each),
        }
        for promised, each in sorted(found.items())
    ]


def none_of_these(preset: str, folder: Path, per_class: int, place: Path) -> list[dict[str, Any]]:
    rows = []
    for left_out in sorted(path.name for path in folder.iterdir() if path.is_dir()):
        others = place / f"without {left_out}"
        for path in folder.rglob("*"):
            inside = path.relative_to(folder)
            if path.is_file() and inside.parts[0] != left_out:
                (others / inside).parent.mkdir(parents=True, exist_ok=True)
                (others / inside).write_bytes(path.read_bytes())
        run = trained(preset, others, per_class, 0, place / "runs")
        predictor, known, _ = on_test(run)
        files = sorted(path for path in (folder / left_out).iterdir() if path.is_file())
        fitted = [predictor.preparation.fitted(predictor.read(path.read_bytes(), path.name)) for path in files]
        foreign = answers(predictor, np.stack([image.pixels for image in fitted]))
        assert known.distances is not None
        assert foreign.distances is not None
        truth = np.r_[np.zeros(len(known.probabilities)), np.ones(len(files))]
        usual = predictor.certainty.usual
        rows.append(
            {
                "left out": left_out,
                "distance": float(roc_auc_score(truth, np.r_[known.distances, foreign.distances])),
                "1 - largest probability": float(
                    roc_auc_score(truth, 1 - np.r_[known.probabilities.max(1), foreign.probabilities.max(1)])
                ),
                "called unfamiliar": None if usual is None else float((foreign.distances > usual).mean()),
                "wrongly so": None if usual is None else float((known.distances > usual).mean()),
            }
        )
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--preset", default="photos-probe")
    parser.add_argument("--per-class", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    if not arguments.folder.is_dir():
        parser.error(f"{arguments.folder} is no folder: an archive has to be unpacked first.")
    with tempfile.TemporaryDirectory() as place:
        os.environ.setdefault("FEWLAB_CACHE", str(Path(place) / "cache"))
        runs = [
            trained(arguments.preset, arguments.folder, arguments.per_class, seed, Path(place) / "runs")
            for seed in arguments.seeds
        ]
        found = {
            "coverage": coverage(runs),
            "none of these": none_of_these(arguments.preset, arguments.folder, arguments.per_class, Path(place)),
        }
    if arguments.json:
        print(json.dumps(found))
        return
    for rows in found.values():
        for row in rows:
            print(
                "  ".join(
                    f"{name} {value if isinstance(value, str | list) else round(value, 3)}"
                    for name, value in row.items()
                )
            )


if __name__ == "__main__":
    main()

"""What is gathered between two readings: scalars and pseudo-labels, kept on the device so that no step waits for
them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from engine.data.image_set import ImageSet
from engine.methods.base.batch import PseudoLabels
from engine.methods.base.method import StepResult

KEPT = 4_096  # the most recent pseudo-labels that a snapshot holds


class RunningMetrics:
    """Sums a step's scalars until `read`, and keeps its pseudo-labels until `pseudo_labels`. Its state travels in the
    checkpoint.
    """

    def __init__(self, images: ImageSet, device: str) -> None:
        order = np.argsort(images.ids, kind="stable")
        self._sorted_ids = torch.as_tensor(images.ids[order]).to(device)
        self._truth = torch.as_tensor(images.labels[order]).to(device)
        self._device = device
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._recent: list[dict[str, Tensor]] = []

    def add(self, result: StepResult) -> None:
        """Take in one step. Reads nothing off the device."""
        for name, value in result.scalars.items():
            self._sums[name] = (
                self._sums[name] + value.to(self._device) if name in self._sums else value.to(self._device).double()
            )
            self._counts[name] = self._counts.get(name, 0) + 1
        if result.pseudo_labels is None:
            return
        # A fitted method's are on the CPU.
        on_device = {
            name: part.to(self._device) for name, part in result.pseudo_labels._asdict().items() if part is not None
        }
        given = PseudoLabels(**on_device)
        # As `id_positions` finds them, but on the device, and unchecked: what the check says would have to be read off.
        truth = self._truth[torch.searchsorted(self._sorted_ids, given.ids)]
        counted = given.weight * (truth >= 0)
        for name, value in (("used", counted.sum()), ("right", (counted * (given.labels == truth)).sum())):
            self._sums[f"pseudo_label/{name}"] = self._sums.get(f"pseudo_label/{name}", 0.0) + value.double()
        recent = {
            "ids": given.ids,
            "labels": given.labels,
            "confidence": given.confidence.float(),
            "weight": given.weight.float(),
        }
        if given.threshold is not None:
            recent["threshold"] = given.threshold.float()
        self._recent.append(recent)
        while sum(len(part["ids"]) for part in self._recent[1:]) >= KEPT:
            self._recent.pop(0)

    def read(self) -> dict[str, float]:
        """Means since the last reading, each over the steps that reported it; `pseudo_label/accuracy` only where
        pseudo-labels were used and their truth is known.
        """
        names = list(self._sums)
        values = torch.stack([self._sums[name] for name in names]).tolist() if names else []
        sums = dict(zip(names, values, strict=True))
        used, right = sums.pop("pseudo_label/used", 0.0), sums.pop("pseudo_label/right", 0.0)
        means = {name: value / self._counts[name] for name, value in sums.items()}
        if used > 0:
            means["pseudo_label/accuracy"] = right / used
        self._sums, self._counts = {}, {}
        return means

    def pseudo_labels(self) -> dict[str, NDArray[Any]]:
        """The pseudo-labels since the last call, at most the KEPT newest, oldest first: arrays by name, empty dict if
        there were none.
        """
        if not self._recent:
            return {}
        joined = {
            name: torch.cat([part[name] for part in self._recent])[-KEPT:].cpu().numpy() for name in self._recent[0]
        }
        self._recent = []
        types: dict[str, Any] = {
            "ids": np.int64,
            "labels": np.int32,
            "confidence": np.float32,
            "weight": np.float16,
            "threshold": np.float32,
        }
        return {f"pseudo_{name}": values.astype(types[name]) for name, values in joined.items()}

    def state(self) -> dict[str, Any]:
        return {"sums": dict(self._sums), "counts": dict(self._counts), "kept": [dict(part) for part in self._recent]}

    def load_state(self, state: dict[str, Any]) -> None:
        self._sums = {name: value.to(self._device) for name, value in state["sums"].items()}
        # Checkpoints from before scalars were counted one by one have one number of steps for all.
        self._counts = state["counts"] if "counts" in state else dict.fromkeys(self._sums, state["steps"])
        self._recent = [{name: value.to(self._device) for name, value in part.items()} for part in state["kept"]]

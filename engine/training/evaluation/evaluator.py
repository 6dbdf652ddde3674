"""Evaluation: metrics of the served, averaged network, and the snapshot that the pages look into later."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from engine.analysis.candidates import ambiguity_left, identified, survivors
from engine.analysis.conformal import Conformal, conformal
from engine.analysis.metrics import headline, summary
from engine.analysis.temperature import fit_temperature, scaled
from engine.backbones.backbone import Backbone
from engine.data.image_set import ImageSet
from engine.data.split import Split
from engine.derived_seed import derive
from engine.errors import NonFiniteOutput
from engine.id_positions import positions_of
from engine.methods.base.method import Method, OnFrozenFeatures
from engine.runs.folder import PARTS
from engine.training.evaluation.feature_cache import FeatureCache, Told
from engine.training.evaluation.probes import LINEAR_BUDGETS, Features, ProbeSuite
from engine.training.hardware import Machine
from engine.training.probed_network import ProbedNetwork

# images of one part that a live evaluation looks at; the final one measures on all validation and test images
SAMPLE = 2_000
_BATCH = 512  # images that go through the network at once
_LARGEST_HALF = float(np.finfo(np.float16).max)
FINAL_SAMPLE = 5_000  # images of one part that the final snapshot keeps, those of the live ones among them


class FinalModel(NamedTuple):
    """What a run ends with: the network that answers, metrics of its probes, and what its file says of the probe it
    carries.

    probe is None where the method has logits of its own, and {"labels": 0} where there is neither: then nothing
    answers.
    """

    network: nn.Module
    metrics: dict[str, float]
    probe: dict[str, Any] | None


def _sample_of(positions: NDArray[np.int64], part: str, most: int) -> NDArray[np.int64]:
    """At most so many of the positions, more of them holding fewer. Each part draws for itself: with other labels a run
    still looks at the same test images.
    """
    return (
        positions
        if len(positions) <= SAMPLE
        else np.sort(np.random.default_rng(derive(0, f"snapshot {part}")).permutation(positions)[:most])
    )


class Evaluator:
    """Runs the served network over fixed samples of each part; which ones depends on the data alone, so evaluations can
    be compared.
    """

    def __init__(self, images: ImageSet, split: Split, machine: Machine) -> None:
        self._images, self._labels, self._machine = images, images.labels, machine
        self._positions: dict[str, NDArray[np.int64]] = {
            part: positions_of(getattr(split, part), images.ids) for part in PARTS
        }
        self._pool, self._candidates = positions_of(split.pool, images.ids), split.candidates
        self._candidate_rows = np.sort(
            np.random.default_rng(derive(0, "candidates")).permutation(len(split.pool))[:SAMPLE]
        )
        self._sample = {part: _sample_of(positions, part, SAMPLE) for part, positions in self._positions.items()}
        self._final_sample = {
            part: _sample_of(positions, part, FINAL_SAMPLE) for part, positions in self._positions.items()
        }
        self._probes = ProbeSuite(images, self._positions)
        self.temperature: float | None = None
        self.conformal: Conformal | None = None
        self._frozen: FeatureCache | None = None

    def freeze(self, backbone: Backbone) -> None:
        """Nothing will train this backbone: what is served reads its features, and those of weights that are worth
        keeping are computed once.
        """
        if backbone.params.init != "random":
            self._frozen = FeatureCache(self._images, backbone, self._machine)

    def evaluate(
        self, served: nn.Module, final: bool = False, head: nn.Module | None = None
    ) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
        """Metrics by name (`test/accuracy`, `validation/accuracy` ...) and the snapshot's arrays.

        The snapshot holds ids int64 [n], part uint8 [n] (index into PARTS), probabilities float16 [n, K] and embeddings
        float16 [n, D] of the fixed samples; with a projection head also projections float16 [n, P], what it makes of
        the features. A final evaluation measures on every validation and test image and adds macro F1 and AUC-ROC; it
        sets `temperature`, at which the network would be as sure as it is right, and `conformal`, from the same
        validation images. Of a network without logits there are no probabilities; it is measured by nearest neighbors
        among the training images of the samples.
        """
        metrics: dict[str, float] = {}
        found: dict[str, NDArray[np.float32]] = {}
        arrays: dict[str, list[NDArray[Any]]] = {
            "ids": [],
            "part": [],
            "probabilities": [],
            "embeddings": [],
            "projections": [],
        }
        for number, part in enumerate(PARTS):
            sample = (self._final_sample if final else self._sample)[part]
            if len(sample) == 0:
                continue
            features, probabilities = self.predict(served, sample)
            found[part] = features[np.isin(sample, self._sample[part])]
            known = self._labels[sample] >= 0
            arrays["ids"].append(self._images.ids[sample])
            arrays["part"].append(np.full(len(sample), number, np.uint8))
            arrays["embeddings"].append(_half(features))
            if head is not None:
                arrays["projections"].append(_half(self._projected(head, features)))
            if probabilities is None:
                continue
            arrays["probabilities"].append(probabilities.astype(np.float16))
            if part in ("validation", "test"):
                if final and len(sample) < len(self._positions[part]):
                    sample = self._positions[part]
                    _, probabilities = self.predict(served, sample)
                    known = self._labels[sample] >= 0
                if known.any() and probabilities is not None:
                    figures = (summary if final else headline)(probabilities[known], self._labels[sample][known])
                    metrics |= {f"{part}/{name}": value for name, value in figures.items()}
                    if final and part == "validation":
                        held_out, labels = probabilities[known], self._labels[sample][known]
                        self.temperature = fit_temperature(held_out, labels)
                        self.conformal = conformal(scaled(held_out, self.temperature), labels)
        if isinstance(served, ProbedNetwork) or not arrays["probabilities"]:
            metrics |= self._probes.neighbors(found, self._sample)
        return metrics, {name: np.concatenate(values) for name, values in arrays.items() if values}

    def candidates(self, method: Method) -> tuple[dict[str, float], dict[str, NDArray[Any]]]:
        """How far partial labels are told apart, over the whole pool, and the weights of a fixed sample of it; nothing
        for other methods.

        Metrics `candidates/identified`, `candidates/survivors` (both with the hidden truth) and `candidates/ambiguity`.
        Arrays: candidate_ids int64 [n], candidate_weights float16 [n, K], candidate_sets bool [n, K].
        """
        table = method.candidate_weights()
        if table is None or self._candidates is None:
            return {}, {}
        weights = table.float().cpu().numpy()
        truth = self._labels[self._pool]
        found = {
            "candidates/identified": identified(weights, self._candidates, truth),
            "candidates/survivors": survivors(weights, self._candidates, truth),
            "candidates/ambiguity": ambiguity_left(weights, self._candidates),
        }
        rows = self._candidate_rows
        arrays: dict[str, NDArray[Any]] = {
            "candidate_ids": self._images.ids[self._pool[rows]],
            "candidate_weights": weights[rows].astype(np.float16),
            "candidate_sets": self._candidates[rows],
        }
        return {name: value for name, value in found.items() if value is not None}, arrays

    def features(
        self, backbone: nn.Module, positions: NDArray[np.int64], told: Told = lambda done, total: None
    ) -> NDArray[np.float32]:
        """Features [n, D] of a backbone for the images at these positions, in eval mode and without augmentation; of
        the frozen one, if there is one. told: hears how far they are where that takes long, and may raise to stop.
        """
        if self._frozen is not None:
            return self._frozen.at(positions, told)
        backbone.eval()
        found: list[Tensor] = []
        with torch.inference_mode():
            for start in range(0, len(positions), _BATCH):
                if start:  # of a small set there is nothing to tell
                    told(start, len(positions))
                found.append(backbone(self._pixels(positions[start : start + _BATCH])).float().cpu())
        return torch.cat(found).numpy()

    def _projected(self, head: nn.Module, features: NDArray[np.float32]) -> NDArray[np.float32]:
        head.eval()
        with torch.inference_mode():
            return _finite(head(torch.as_tensor(features).to(self._machine.device)).float())

    def finalize(
        self, served: nn.Module, first: Callable[[], nn.Module | None], told: Callable[[int, int], bool]
    ) -> FinalModel:
        """The trained network as it will answer: itself if it has logits, else with the full linear probe on its
        features.

        first: makes the same network with the run's first weights, or None if they cannot be had. It and the raw pixels
        get every probe too, under names that end in /first_weights and /pixels: what a probe reaches on those was not
        learned by the run.

        told: hears how many probes of how many are done, and says whether the others are wanted; without them their
        metrics are missing.
        """
        if self.predict(served, self._anywhere[:1])[1] is not None:
            return FinalModel(served, {}, None)
        if not self._probes.labels:
            return FinalModel(served, {}, {"labels": 0})
        pieces = 1 + len(LINEAR_BUDGETS)
        done, every = 0, 3 * pieces

        def goes_on() -> bool:
            nonlocal done
            done += 1
            return told(done, every)

        probing = self._probes.linear(lambda positions: self.predict(served, positions)[0], goes_on=goes_on)
        metrics = dict(probing.metrics)
        baselines: dict[str, Features] = {"/pixels": self._probes.pixels}
        wanted = goes_on()
        begun = first() if wanted else None
        if begun is None:
            every -= pieces
        else:
            untrained = self._settled(begun)
            baselines["/first_weights"] = lambda positions: self.predict(untrained, positions)[0]
        for of, features in baselines.items() if wanted else ():
            found: dict[str, NDArray[np.float32]] = {
                part: features(positions) for part, positions in self._sample.items() if len(positions)
            }
            measured = self._probes.linear(features, of, goes_on).metrics | self._probes.neighbors(
                found, self._sample, of
            )
            # Settings are not chosen by them.
            metrics |= {name: value for name, value in measured.items() if name.startswith("test/")}
            if not goes_on():
                break
        probed = self._machine.place(ProbedNetwork(served, *probing.probe.weight.shape))
        probed.take(probing.probe)
        return FinalModel(probed, metrics, probing.about)

    @property
    def _anywhere(self) -> NDArray[np.int64]:
        return np.concatenate(list(self._positions.values()))

    def _settled(self, served: nn.Module) -> nn.Module:
        """The network with batch norm's running statistics taken from one pass over training images, which no
        training has done for it.
        """
        norms = [m for m in served.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
        served.train()
        for norm in norms:
            norm.reset_running_stats()
            norm.momentum = None  # the plain mean over all batches
        train = np.concatenate([self._sample["labeled"], self._sample["unlabeled"]])
        with torch.inference_mode():
            for start in range(0, len(train) if norms else 0, _BATCH):
                if len(train) - start > 1:  # a single image has no spread
                    served(self._pixels(train[start : start + _BATCH]))
        return served.eval()

    def _pixels(self, positions: NDArray[np.int64]) -> Tensor:
        pixels = torch.as_tensor(self._images.images[positions]).to(self._machine.device)
        return (pixels.float() / 255).contiguous(memory_format=self._machine.memory_format)

    def predict(
        self, served: nn.Module, positions: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32] | None]:
        """Features [n, D] and probabilities [n, K] of the images at these positions, in eval mode and without
        augmentation.

        None instead of probabilities where the network has no logits. Raises NonFiniteOutput.
        """
        served.eval()
        features: list[Tensor] = []
        probabilities: list[Tensor] = []
        answered: Callable[[slice], tuple[Tensor, Tensor | None]]
        if self._frozen is not None and isinstance(served, OnFrozenFeatures):
            known, answer = torch.as_tensor(self._frozen.at(positions)).to(self._machine.device), served.answer
            answered = lambda rows: (known[rows], answer(known[rows]))  # noqa: E731
        else:
            answered = lambda rows: served(self._pixels(positions[rows]))  # noqa: E731
        with torch.inference_mode():
            for start in range(0, len(positions), _BATCH):
                feature, logits = answered(slice(start, start + _BATCH))
                features.append(feature.float())
                if logits is not None:
                    probabilities.append(logits.float().softmax(1))
        return _finite(torch.cat(features)), _finite(torch.cat(probabilities)) if probabilities else None


def _finite(outputs: Tensor) -> NDArray[np.float32]:
    if not bool(torch.isfinite(outputs).all()):
        raise NonFiniteOutput
    array: NDArray[np.float32] = outputs.cpu().numpy()
    return array


def _half(features: NDArray[np.float32]) -> NDArray[np.float16]:
    """For a snapshot. Features beyond the largest half-precision number are stored as that number, not as infinity."""
    return np.clip(features, -_LARGEST_HALF, _LARGEST_HALF).astype(np.float16)

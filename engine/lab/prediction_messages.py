"""The requests about single images that a run answers, both halves of each, as in messages.py. No torch: see there."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from engine.analysis.certainty import Certainty
from engine.images.part import Part
from engine.lab.request import Answered, Plain, Request


@dataclass(frozen=True)
class ImagePrediction:
    """What a model answers about one image, or the sentence why it could not be read.

    seen: what the network was given, uint8 [C, H, W]; inverted, cropped: what was done for it. probabilities: by class,
    calibrated where the model has a temperature. top: the five most probable classes,
    best first, with theirs. truth: the class it is known to be. thumbnail: the decoded file, small, as PNG.
    neighbors: the nearest labeled images of the run and how far they are by cosine, the nearest first. nearest_name,
    distance: of that one.
    """

    name: str
    error: str | None = None
    seen: NDArray[np.uint8] | None = None
    inverted: bool = False
    probabilities: tuple[float, ...] = ()
    top: tuple[tuple[str, float], ...] = ()
    truth: str | None = None
    thumbnail: bytes | None = None
    cropped: bool = False
    neighbors: tuple[tuple[int, float], ...] = ()
    nearest_name: str = ""
    distance: float | None = None


class Predictions(NamedTuple):
    """A model's answers, with its class names and final metrics.

    temperature: what its confidence is calibrated by, None where it is not. fits_figures: whether a user's images are
    cropped to what they show. certainty: when it is sure of an answer.
    """

    class_names: list[str]
    metrics: dict[str, float]
    images: list[ImagePrediction]
    temperature: float | None = None
    fits_figures: bool = False
    certainty: Certainty = Certainty()


class _PredictionRequest(Request[Predictions]):
    patience = 300.0

    @staticmethod
    def write_reply(reply: Predictions) -> Plain:
        images = [
            {
                **vars(one),
                "seen": None if one.seen is None else _write_array(one.seen),
                "thumbnail": None if one.thumbnail is None else _write_bytes(one.thumbnail),
            }
            for one in reply.images
        ]
        return {**reply._asdict(), "images": images, "certainty": reply.certainty.plain()}

    @classmethod
    def read_reply(cls, value: Plain) -> Predictions:
        images = [
            ImagePrediction(
                **{
                    **one,
                    "seen": None if one["seen"] is None else _read_array(one["seen"]),
                    "probabilities": tuple(one["probabilities"]),
                    "top": tuple((name, probability) for name, probability in one["top"]),
                    "neighbors": tuple((sample, distance) for sample, distance in one["neighbors"]),
                    "thumbnail": None if one["thumbnail"] is None else base64.b64decode(one["thumbnail"]),
                }
            )
            for one in value["images"]
        ]
        return Predictions(**{**value, "images": images, "certainty": Certainty.read(value["certainty"])})


@dataclass(frozen=True)
class Predict(_PredictionRequest):
    """Classify image files, each (file name, content), with the model of the run in the folder `run`. as_it_is: neither
    cropped to what they show nor inverted. parts: of each file what is marked in it, None for the whole image; empty
    where nothing is marked in any.
    """

    name = "predict"
    run: str
    files: tuple[tuple[str, bytes], ...]
    as_it_is: bool = False
    parts: tuple[Part | None, ...] = ()

    def write(self) -> Plain:
        files = [[name, _write_bytes(content)] for name, content in self.files]
        return {"run": self.run, "files": files, "as_it_is": self.as_it_is, "parts": list(self.parts)}

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        files = tuple((name, base64.b64decode(content)) for name, content in arguments["files"])
        parts = tuple(None if part is None else Part(*part) for part in arguments["parts"])
        return cls(arguments["run"], files, arguments["as_it_is"], parts)


@dataclass(frozen=True)
class PredictNamed(_PredictionRequest):
    """Classify some of the images of a folder or archive, each by its name in the table that PredictFolder wrote."""

    name = "predict_named"
    slow = True
    run: str
    path: str
    files: tuple[str, ...]

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        return cls(**{**arguments, "files": tuple(arguments["files"])})


class ShownImage(NamedTuple):
    """An image file as a browser can show it. width, height: of the upright image, in pixels. uri: the same image, at
    most 1,024 pixels a side, as a data URI.
    """

    width: int
    height: int
    uri: str


@dataclass(frozen=True)
class ShowImage(Answered[ShownImage]):
    """An image file, upright and large enough to mark a part in it: browsers show neither 16-bit PNGs nor TIFFs."""

    name = "show_image"
    patience = 120.0
    file: str
    content: bytes

    def write(self) -> Plain:
        return {"file": self.file, "content": _write_bytes(self.content)}

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        return cls(arguments["file"], base64.b64decode(arguments["content"]))


@dataclass(frozen=True)
class PredictSamples(_PredictionRequest):
    """Classify `count` random test images of the run's own data set, which is stored under `content_hash`."""

    name = "predict_samples"
    run: str
    content_hash: str
    count: int
    seed: int


@dataclass(frozen=True)
class Explain(Request[NDArray[np.float32]]):
    """Where the model of the run in the folder `run` looks: engine.analysis.occlusion of an image as the network is
    given it, uint8 of this shape [C, H, W]; the reply is float32 [H, W].
    """

    name = "explain"
    patience = 120.0
    run: str
    pixels: bytes
    shape: tuple[int, ...]

    def write(self) -> Plain:
        return {"run": self.run, "pixels": _write_bytes(self.pixels), "shape": list(self.shape)}

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        return cls(arguments["run"], base64.b64decode(arguments["pixels"]), tuple(arguments["shape"]))

    @staticmethod
    def write_reply(reply: NDArray[np.float32]) -> Plain:
        return _write_array(np.ascontiguousarray(reply, "<f4").view(np.uint8))  # [H, 4 W]

    @classmethod
    def read_reply(cls, value: Plain) -> NDArray[np.float32]:
        return _read_array(value).view("<f4")


@dataclass(frozen=True)
class MakeViews(Request[dict[str, NDArray[np.uint8]]]):
    """`count` views of an image, uint8 of this shape [C, H, W], by each recipe of the run in the folder `run`; the
    reply is uint8 [count, C, H, W] by the name of the view, H and W those of the view.
    """

    name = "make_views"
    patience = 120.0
    run: str
    pixels: bytes
    shape: tuple[int, ...]
    count: int
    seed: int

    def write(self) -> Plain:
        return {**vars(self), "pixels": _write_bytes(self.pixels), "shape": list(self.shape)}

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        pixels, shape = base64.b64decode(arguments["pixels"]), tuple(arguments["shape"])
        return cls(**{**arguments, "pixels": pixels, "shape": shape})

    @staticmethod
    def write_reply(reply: dict[str, NDArray[np.uint8]]) -> Plain:
        return {name: _write_array(views) for name, views in reply.items()}

    @classmethod
    def read_reply(cls, value: Plain) -> dict[str, NDArray[np.uint8]]:
        return {name: _read_array(views) for name, views in value.items()}


def _write_bytes(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _write_array(array: NDArray[np.uint8]) -> Plain:
    return {"shape": list(array.shape), "data": _write_bytes(array.tobytes())}


def _read_array(value: Plain) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(value["data"]), np.uint8).reshape(value["shape"])

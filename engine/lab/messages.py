"""Every request that a worker process answers: its arguments, its reply, and how both travel as JSON.

Both halves of a message stand here, so that what one process writes is what the other reads. No torch: the server
imports this.
"""

from __future__ import annotations

import base64
from dataclasses import asdict, dataclass
from typing import Any, ClassVar, Generic, NamedTuple, Self, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray

from engine.analysis.certainty import Certainty
from engine.data.importing.preview import Preview

Plain = dict[str, Any]
R = TypeVar("R")


class Request(Generic[R]):
    """Base of all requests: a frozen dataclass of plain values, under a name. R: what the reply is.

    slow: it can take minutes and is answered in a thread of its own, so that nothing short waits for it. patience:
    seconds after which an answer is given up, and with it the process that does not give it.
    """

    name: ClassVar[str]
    slow: ClassVar[bool] = False
    patience: ClassVar[float] = 60.0

    def write(self) -> Plain:
        """The arguments as JSON."""
        return asdict(self)  # type: ignore[call-overload, no-any-return]  # every request is a dataclass

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        return cls(**arguments)

    @staticmethod
    def write_reply(reply: Any) -> Any:
        """The reply as JSON; by default it is plain already."""
        return reply

    @classmethod
    def read_reply(cls, value: Any) -> Any:
        return value


class Answered(Request[R]):
    """Base of requests whose reply is a NamedTuple of plain values: the type that stands in the brackets."""

    reply: ClassVar[type[Any]]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        (cls.reply,) = get_args(cls.__orig_bases__[0])  # type: ignore[attr-defined]  # every generic class has them

    @staticmethod
    def write_reply(reply: Any) -> Plain:
        plain: Plain = reply._asdict()
        return plain

    @classmethod
    def read_reply(cls, value: Plain) -> Any:
        return cls.reply(**value)


@dataclass(frozen=True)
class GetCatalog(Request[Plain]):
    """What can be chosen: engine.catalog."""

    name = "catalog"


@dataclass(frozen=True)
class CheckConfig(Request[Plain]):
    """The config resolved. Refused if the data or the weights to start from cannot do what it asks."""

    name = "check"
    config: Plain
    checkpoints: str


class Readiness(NamedTuple):
    """Whether a data set can be opened at once. key: its name in the image cache; "" if it is not there, or is of a
    kind that is not kept there.
    """

    ready: bool
    key: str


@dataclass(frozen=True)
class IsReady(Answered[Readiness]):
    """Whether a data set can be opened at once. data: the config's part."""

    name = "ready"
    data: Plain


class LabelsGiven(NamedTuple):
    """Training images of a set with and without a label of their own."""

    labeled: int
    unlabeled: int


@dataclass(frozen=True)
class CountLabels(Answered[LabelsGiven]):
    """How many labels a data set that can be opened at once came with."""

    name = "count_labels"
    data: Plain


@dataclass(frozen=True)
class ImportImages(Request[Plain | None]):
    """Read a data set into the cache; the reply is the import report, None if it was there already.

    progress_file: gets {"done": n, "total": n} now and then; a file `.cancel` beside it ends the import.
    """

    name = "prepare"
    slow = True
    data: Plain
    progress_file: str


class FeatureFile(NamedTuple):
    """Where features of all images of a set lie. path: float32 [N, D] in numpy's format, by the images' position."""

    path: str
    images: int


@dataclass(frozen=True)
class ComputeFeatures(Answered[FeatureFile]):
    """Compute the features of a data set's images with a network that is not trained further, as far as they are not
    kept already. data, backbone: the config's parts. key: the images' name in the cache, so that their files need not
    be listed again.

    progress_file: as in ImportImages.
    """

    name = "features"
    slow = True
    data: Plain
    key: str
    backbone: Plain
    checkpoints: str
    progress_file: str


@dataclass(frozen=True)
class PreviewFiles(Request[Preview]):
    """How a person's files are understood, before they are imported, with thumbnails of so many classes."""

    name = "preview_files"
    slow = True
    patience = 600.0
    data: Plain
    thumbnails: int = 12

    @staticmethod
    def write_reply(reply: Preview) -> Plain:
        return reply.plain()

    @classmethod
    def read_reply(cls, value: Plain) -> Preview:
        return Preview.of_plain(value)


class CheckedImages(NamedTuple):
    """issues: what is worth a look, as plain `engine.data.importing.image_checks.Issue`s. labels: file, class and part
    of every image as CSV. features: whether features were compared as well.
    """

    issues: list[Plain]
    labels: str
    features: bool = False


@dataclass(frozen=True)
class CheckImages(Answered[CheckedImages]):
    """Look through imported files, and write their labels as a table. features: the file that ComputeFeatures told,
    for what only features can tell; "" for none.
    """

    name = "check_images"
    slow = True
    patience = 600.0
    data: Plain
    features: str = ""


class ExportedModel(NamedTuple):
    """Of the exported file and the run: images on which their answers were compared, 0 where none could be read, and
    the largest difference of a probability.
    """

    compared: int
    largest: float


@dataclass(frozen=True)
class ExportModel(Answered[ExportedModel]):
    """Write a run's model, with its card and examples, to `file`, a zip. format: of `engine.export.formats`. Refused if
    it would not answer as the run does.
    """

    name = "export_model"
    slow = True
    patience = 600.0
    run: str
    format: str
    file: str


class FolderPredicted(NamedTuple):
    """images: classified now. before: rows that the table had already. refused: images that could not be read."""

    images: int
    before: int
    refused: int


@dataclass(frozen=True)
class PredictFolder(Answered[FolderPredicted]):
    """Classify all images of a folder or archive into `table`, a CSV; what has a row there is not classified again.

    sort_into: a folder for copies by class, "" for none. coverage: of the prediction sets. progress_file: as in
    ImportImages; cancelled, the rows so far stay and it is refused with a sentence.
    """

    name = "predict_folder"
    slow = True
    run: str
    path: str
    table: str
    sort_into: str
    coverage: float
    progress_file: str


class SharedRuns(NamedTuple):
    """runs: ids that are new here. before: ids that were here already."""

    runs: list[str]
    before: list[str]


@dataclass(frozen=True)
class OpenShared(Answered[SharedRuns]):
    """Bring the runs of a shared file into the folder of the runs, once each of its files was checked."""

    name = "open_shared"
    slow = True
    patience = 600.0
    file: str
    checkpoints: str


class DataPreview(NamedTuple):
    """What a run would learn from. labeled: ids of some labeled images, from all classes. counts: images by part. rare:
    a sentence on the classes with too few images, "" where there is none.
    """

    content_hash: str
    class_names: list[str]
    labeled: list[int]
    counts: dict[str, int]
    rare: str


@dataclass(frozen=True)
class PreviewData(Answered[DataPreview]):
    """Counts and labeled images of a run of this method on this data; its images are stored beside the runs."""

    name = "preview"
    patience = 300.0
    method: str
    data: Plain
    seed: int
    checkpoints: str


@dataclass(frozen=True)
class MeasureSpeed(Request[dict[str, float]]):
    """Seconds for `set_up`, one `step` and one `evaluation`, from really doing them."""

    name = "measure"
    slow = True
    config: Plain
    seconds: float = 0.7


@dataclass(frozen=True)
class CheckSweep(Request[None]):
    """Refused if a sweep of this plan could not be judged, or one of its settings not be trained."""

    name = "check_sweep"
    plan: Plain
    checkpoints: str


@dataclass(frozen=True)
class ImagePrediction:
    """What a model answers about one image, or the sentence why it could not be read.

    seen: what the network was given, uint8 [C, H, W]; inverted, cropped: what was done for it. probabilities: by class,
    calibrated where the model has a temperature. top: the five most probable classes,
    best first, with theirs. truth: the class it is known to be. thumbnail: the decoded file, small, as PNG. nearest,
    distance: the nearest labeled image of the run and how far it is by cosine, with its name.
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
    nearest: int | None = None
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
                    "thumbnail": None if one["thumbnail"] is None else base64.b64decode(one["thumbnail"]),
                }
            )
            for one in value["images"]
        ]
        return Predictions(**{**value, "images": images, "certainty": Certainty.read(value["certainty"])})


@dataclass(frozen=True)
class Predict(_PredictionRequest):
    """Classify image files, each (file name, content), with the model of the run in the folder `run`. as_it_is: neither
    cropped to what they show nor inverted.
    """

    name = "predict"
    run: str
    files: tuple[tuple[str, bytes], ...]
    as_it_is: bool = False

    def write(self) -> Plain:
        files = [[name, _write_bytes(content)] for name, content in self.files]
        return {"run": self.run, "files": files, "as_it_is": self.as_it_is}

    @classmethod
    def read(cls, arguments: Plain) -> Self:
        files = tuple((name, base64.b64decode(content)) for name, content in arguments["files"])
        return cls(arguments["run"], files, arguments["as_it_is"])


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
class ComputeProjection(Request[str]):
    """Compute a projection and keep it in the run's folder; the reply is the name it is kept under.

    request, sample: ProjectionRequest and Sample as plain values. job: names it in {"event": "progress", "job": ...}.
    """

    name = "project"
    job: int
    run: str
    source: str
    request: Plain
    steps: list[int]
    sample: Plain


def _write_bytes(content: bytes) -> str:
    return base64.b64encode(content).decode("ascii")


def _write_array(array: NDArray[np.uint8]) -> Plain:
    return {"shape": list(array.shape), "data": _write_bytes(array.tobytes())}


def _read_array(value: Plain) -> NDArray[np.uint8]:
    return np.frombuffer(base64.b64decode(value["data"]), np.uint8).reshape(value["shape"])

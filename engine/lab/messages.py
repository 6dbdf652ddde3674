"""The requests that a worker process answers, but for those about a model's predictions (prediction_messages.py).

Both halves of a message stand in one file, so that what one process writes is what the other reads. No torch: the
server imports this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from engine.data.importing.preview import Preview
from engine.lab.request import Answered, Plain, Request


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

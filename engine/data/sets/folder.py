"""A person's own images: a folder or zip archive with one folder per class, decoded once to one size."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from engine.config.parts import DataParams, PartialLabels
from engine.config.settings import param
from engine.cores import usable_cores
from engine.data.image_set import Cancelled, ImageSet, Progress, stratified_test
from engine.data.image_traits import ImageTraits
from engine.data.importing.cached_source import CachedSource, stop_if
from engine.data.importing.duplicates import tell_duplicates
from engine.data.importing.folder_layout import LayoutFile, natural, titles
from engine.data.importing.image_cache import KeptFiles, Writer
from engine.data.importing.image_files import File, ImageFiles, open_files
from engine.data.importing.import_report import Report
from engine.data.importing.preview import Preview, preview
from engine.data.importing.understanding import LabelsFrom, Understood, understand
from engine.data.labels.label_log import LabelLog
from engine.data.labels.labeled_set import with_labels
from engine.errors import DataError, ImageError
from engine.images.decode import image_size, optional_formats, read_image, without_warnings
from engine.images.fit import Color, Fit, import_image
from engine.registry import datasets

DECODING = 3  # raised whenever the same files would come out as other pixels, in another order or with other labels
TEST_SHARE = 0.2
THUMBNAIL = 72  # px, of a preview
CHUNK, CHUNK_BYTES = 64, 4 << 20  # images, and bytes of their files, that one thread decodes in one go
MOST_HELD = 256 << 20  # bytes of files that are in memory at once
# Bytes of a file below which threads only wait for each other: decoding is short, the Python around it is not.
SMALL = 4 << 10


class Fitted(NamedTuple):
    """pixels: uint8 [C, size, size]. digest: equal for files that show the same image. height, width: as decoded, of a
    large JPEG a fraction of its own.
    """

    pixels: NDArray[np.uint8]
    digest: bytes
    height: int
    width: int


Loaded = Fitted | ImageError  # or why not
_NOTHING = np.empty((0, 0, 0), np.uint8)


@datasets.register
class Folder(CachedSource):
    """`class/...` or `train/class/...` with `val/class/...` and `test/class/...`, with an optional `unlabeled/...`
    folder; images with a table of labels; or images without any class. What cannot be read is skipped and reported.
    """

    class Params(DataParams):
        name: Literal["folder"] = "folder"
        path: str = param(
            "",
            max_length=4096,
            is_path=True,
            help=(
                "Folder or zip archive with one folder of images per class; train, validation and test folders, an"
                " unlabeled folder and a table of labels (CSV) are understood."
            ),
        )
        labels_from: LabelsFrom = param(
            "auto",
            advanced=True,
            added=True,
            help=(
                "What tells the classes, where two readings are possible. folders: each folder is a class; table: a CSV"
                " file, or an annotation tool's export, beside the images; names: the file names, such as"
                " daisy_001.jpg; none: no image has a label."
            ),
        )
        label_column: str = param(
            "",
            advanced=True,
            added=True,
            max_length=1000,
            empty="found by content",
            help="Column of the table that holds the classes, or which of several files of labels does.",
        )
        size: int = param(32, ge=8, le=256, unit="px", help="Side of the square that every image is brought to.")
        fit: Fit = param(
            "crop",
            advanced=True,
            help=(
                "crop: the middle square. pad: the whole image, with its border continued. squash: the whole image,"
                " stretched."
            ),
        )
        color: Color = param("auto", advanced=True, help="auto: grey if every image is grey, else color.")
        mirror: bool = param(
            True,
            help="A mirrored image still shows the same class: true of most photographs, not of letters and digits.",
        )
        color_matters: bool = param(
            False,
            advanced=True,
            added=True,
            help="Color tells the classes apart, as with flowers: views then keep their hue.",
        )

        label_log: str = param(
            "",
            max_length=4096,
            is_path=True,
            advanced=True,
            added=True,
            help="Folder of the labels that were given on the Label page. Empty: the labels that the images came with.",
        )
        label_records: int = param(
            0,
            ge=0,
            le=10_000_000,
            advanced=True,
            added=True,
            help="How many records of those labels count: a run stays what it is while labeling goes on. 0: all.",
        )

    title = "My own images"
    summary = "A folder or zip archive of images, one folder per class."
    variants: ClassVar[tuple[frozenset[str], ...]] = (frozenset({"flip"}), frozenset())
    params: Params

    @classmethod
    def traits_of(cls, settings: dict[str, Any]) -> ImageTraits:
        return ImageTraits(color_matters=settings.get("color_matters") is True)

    @property
    def symmetries(self) -> frozenset[str]:
        return self.variants[0 if self.params.mirror else 1]

    def load(self) -> ImageSet:
        images = super().load()
        if not self.params.label_log:
            return images
        log = LabelLog(Path(self.params.label_log))
        records = self.params.label_records
        return with_labels(images, images.file_names, log.labels_at(records) if records else log.labels())

    def key(self) -> str:
        files = open_files(self.params.path, listed=False)
        try:
            return self._key(files)
        finally:
            files.close()

    def preview(self, thumbnails: int = 0) -> Preview:
        """What is understood of the files, without importing any; with the samples of so many classes as thumbnails.
        Raises DataError where nothing can be understood.
        """
        files = open_files(self.params.path)
        try:
            understood = self._understood(files)
            if not understood.layout.files:
                raise _no_images(files)
            found = preview(files, understood, TEST_SHARE)
            return self._with_thumbnails(files, found, thumbnails) if thumbnails else found
        finally:
            files.close()

    def _understood(self, files: ImageFiles) -> Understood:
        return understand(files, self.params.labels_from, self.params.label_column, self._reads_candidates)

    def _with_thumbnails(self, files: ImageFiles, found: Preview, classes: int) -> Preview:
        """Of the samples of so many classes and of unlabeled images, as the import would fit them."""
        of_name = {file.name: file for file in files.files}
        shown = [name for name, names in found.samples.items() if names]
        wanted = [name for of in [*shown[:classes], *shown[classes:][-1:]] for name in found.samples[of]]
        thumbnails: dict[str, str] = {}
        sides: list[int] = []
        with without_warnings():
            for name in wanted:
                try:
                    data = files.read(of_name[name])
                    image = read_image(data, name, smallest=2 * THUMBNAIL)
                    sides.append(min(image_size(data, name)))
                except ImageError:
                    continue
                pixels = import_image(image, THUMBNAIL, self.params.fit, self.params.color).transpose(1, 2, 0)
                png = io.BytesIO()
                Image.fromarray(pixels.squeeze(2) if pixels.shape[2] == 1 else pixels).save(png, "PNG")
                thumbnails[name] = base64.b64encode(png.getvalue()).decode("ascii")
        return replace(found, thumbnails=thumbnails, side=int(np.median(sides)) if sides else 0)

    def decode(self, writer: Writer, progress: Progress, cancelled: Cancelled) -> None:
        start = time.perf_counter()
        key = self.key()
        files = open_files(self.params.path)
        try:
            self._decode(files, writer, progress, cancelled, start)
        finally:
            files.close()
        if self.key() != key:
            raise DataError(
                f"{files.shown} changed while its images were read: import it again when nothing writes to it any more."
            )

    @property
    def _reads_candidates(self) -> bool:
        """Whether several labels of one image are read; for all other runs such an image is unlabeled."""
        return isinstance(self.params.labels, PartialLabels) and self.params.labels.generator == "given"

    def _key(self, files: ImageFiles) -> str:
        # With pillow-heif installed since, the same folder has more images.
        settings = [DECODING, optional_formats(), self.params.size, self.params.fit, self.params.color]
        settings += [self.params.labels_from, self.params.label_column]
        settings += ["candidates"] if self._reads_candidates else []
        return "folder-" + hashlib.sha256(json.dumps([settings, files.stamp]).encode()).hexdigest()[:24]

    def _decode(
        self, files: ImageFiles, writer: Writer, progress: Progress, cancelled: Cancelled, start: float
    ) -> None:
        understood = self._understood(files)
        layout = understood.layout
        report = Report(size=self.params.size, layout=understood.words, notes=understood.notes)
        for name, reason in understood.left_out:
            report.skip(name, reason)
        in_training = _classes_in(layout.files)
        wanted = [file for file in layout.files if file.of in in_training or file.of is None]
        for file in layout.files:
            if file.part != "training" and file.of not in in_training:
                report.skip(files.files[file.row].name, f"a {file.part} image of a class without training images")
        self._refuse_what_is_no_set(files, understood)

        read: list[LayoutFile] = []
        fitted: list[Fitted] = []
        total = len(wanted)
        progress(0, total)
        # One chunk after another: the order of the images, and with it their ids, is that of the sorted names.
        # Closed here, and not whenever Python collects it: until then threads wait and warnings are off everywhere.
        with closing(decoded(files, [files.files[file.row] for file in wanted], self._load)) as loaded:
            for done, (file, image) in enumerate(zip(wanted, loaded, strict=True), 1):
                if isinstance(image, ImageError):
                    report.skip(files.files[file.row].name, image.reason)
                else:
                    writer.add(image.pixels[None])
                    read.append(file)
                    fitted.append(image._replace(pixels=_NOTHING))  # they are in the file
                if done % CHUNK == 0 or done == total:
                    stop_if(cancelled, done, total, "images")
                    progress(done, total)
        self._finish(files, writer, report, read, fitted, start, has_classes=bool(in_training))

    def _finish(
        self,
        files: ImageFiles,
        writer: Writer,
        report: Report,
        read: list[LayoutFile],
        fitted: list[Fitted],
        start: float,
        has_classes: bool,
    ) -> None:
        # A class of which no training image could be read is no class; its other images cannot be taken back from
        # the file.
        classes = sorted(_classes_in(read), key=natural)
        if not read:
            most_first = sorted(report.skipped.items(), key=lambda item: (-item[1], item[0]))
            reasons = ", ".join(f"{count:,} {reason}" for reason, count in most_first)
            raise DataError(
                f"None of the files in {files.shown} is an image that can be read ({reasons}): choose a folder or zip"
                " archive of images."
            )
        if has_classes and len(classes) < 2:
            raise _too_few(files, classes)
        number = {name: k for k, name in enumerate(classes)}
        labels = np.array([-1 if file.of is None else number.get(file.of, -1) for file in read], dtype=np.int64)
        candidates = np.zeros((len(read), len(classes)), bool)
        for row, file in enumerate(read):
            candidates[row, [number[name] for name in file.candidates]] = True
        is_test, is_validation = (np.array([file.part == part for file in read]) for part in ("test", "validation"))
        report.own_test = bool((is_test & (labels >= 0)).any())
        if not report.own_test:
            is_test |= stratified_test(np.where(is_validation, -1, labels), TEST_SHARE)
        is_training = ~(is_test | is_validation)
        read_names = [files.files[file.row].name for file in read]
        digests = [image.digest for image in fitted]
        sizes = [(image.width, image.height) for image in fitted]
        writer.keep_files(KeptFiles(read_names, [digest.hex() for digest in digests], sizes))
        tell_duplicates(read_names, np.where(is_test, 2, is_validation.astype(np.int64)), labels, digests, report)
        names = titles(classes)
        report.read, report.channels = writer.shape[0], writer.shape[1]
        report.unlabeled = int(((labels < 0) & is_training).sum())
        report.loose = sum(file.loose for file in read)
        may_be = [(labels == k) | candidates[:, k] for k in range(len(classes))]
        report.training, report.test, report.validation = (
            {name: int((of & part).sum()) for name, of in zip(names, may_be, strict=True)} if part.any() else {}
            for part in (is_training, is_test, is_validation)
        )
        report.seconds = round(time.perf_counter() - start, 2)
        own = is_validation if is_validation.any() else None
        sets = candidates if candidates.any() else None
        writer.finish("folder", labels, is_test, names, self.variants, report, own, sets)

    def _refuse_what_is_no_set(self, files: ImageFiles, understood: Understood) -> None:
        """Before the first image is decoded, as far as the names tell."""
        if understood.question is not None:
            raise DataError(f"{files.shown} {understood.question}")
        layout = understood.layout
        classes = sorted(_classes_in(layout.files), key=natural)
        if not layout.files:
            raise _no_images(files)
        if len(classes) == 1:
            raise _too_few(files, classes)

    def _load(self, data: bytes, name: str) -> Loaded:
        try:
            # Twice the size is kept, so that the antialiased filter still has the last word.
            image = read_image(data, name, smallest=2 * self.params.size)
        except ImageError as error:
            return error
        # Of the image before it is made small, where different photos may come to the same pixels.
        digest = hashlib.blake2b(image.tobytes(), digest_size=16, key=repr(image.shape).encode()).digest()
        height, width = image.shape[:2]
        return Fitted(import_image(image, self.params.size, self.params.fit, self.params.color), digest, height, width)


def decoded(
    files: ImageFiles, wanted: list[File], load: Callable[[bytes, str], Loaded]
) -> Generator[Loaded, None, None]:
    """`load` of each wanted file, in their order. Files are read here, decoded by threads, and few wait in between:
    memory stays bounded. To be closed by whoever stops early: Pillow's warnings are off, in the whole process, while it
    is open.
    """
    threads = min(usable_cores(), 8)
    waiting: deque[tuple[Future[list[Loaded]], int]] = deque()
    held = 0  # bytes of the files that wait

    def load_all(chunk: list[tuple[bytes | ImageError, str]]) -> list[Loaded]:
        return [data if isinstance(data, ImageError) else load(data, name) for data, name in chunk]

    with without_warnings(), ThreadPoolExecutor(threads, "decode") as pool:
        try:
            for chunk, size in _chunks(files, wanted):
                if size < SMALL * len(chunk) and not waiting:
                    yield from load_all(chunk)
                    continue
                waiting.append((pool.submit(load_all, chunk), size))
                held += size
                while len(waiting) > 2 * threads or held > MOST_HELD:
                    first, its_size = waiting.popleft()
                    yield from first.result()
                    held -= its_size
            while waiting:
                yield from waiting.popleft()[0].result()
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


def _chunks(files: ImageFiles, wanted: list[File]) -> Iterator[tuple[list[tuple[bytes | ImageError, str]], int]]:
    chunk: list[tuple[bytes | ImageError, str]] = []
    size = 0
    for file in wanted:
        data: bytes | ImageError
        try:
            data = files.read(file)
            size += len(data)
        except ImageError as error:
            data = error
        chunk.append((data, file.name))
        if len(chunk) >= CHUNK or size >= CHUNK_BYTES:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size


def _classes_in(files: list[LayoutFile]) -> set[str]:
    """The classes that training images have, or may have."""
    training = [file for file in files if file.part == "training"]
    return {name for file in training for name in (*file.candidates, *([] if file.of is None else [file.of]))}


def _no_images(files: ImageFiles) -> DataError:
    return DataError(
        f"{files.shown} has no class folders (no images): put the images of each class into a folder of its own, such"
        " as cat/1.jpg and dog/1.jpg."
    )


def _too_few(files: ImageFiles, classes: list[str]) -> DataError:
    found = f"1 class ({titles(classes)[0]!r})" if classes else "no class"
    return DataError(
        f"{files.shown} has training images of {found}, but at least 2 classes are needed: put the images of each"
        " class into a folder of its own."
    )

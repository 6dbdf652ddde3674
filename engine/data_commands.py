"""The command line's `data`: people's own images, looked at, imported, checked and exported."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import ConfigError, DataError
from engine.finite_json import finite_json
from engine.terminal import Bar, Json, assignment, interruptible, say_report, sentences

if TYPE_CHECKING:
    from engine.data.image_set import ImageSet
    from engine.data.importing.image_cache import KeptFiles
    from engine.data.importing.image_checks import Issue
    from engine.data.importing.import_report import Report
    from engine.data.importing.preview import Preview
    from engine.data.sets.folder import Folder

data = typer.Typer(name="data", help="Your own images: a folder or an archive.", no_args_is_help=True)
ImagesPath = Annotated[str, typer.Argument(help="Folder or archive of images.")]
Changes = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a setting of the data set: data.label_column=breed. May be repeated."),
]
Features = Annotated[
    bool,
    typer.Option(
        "--features",
        help="Look for wrong labels and outliers as well, by a network trained on photos: minutes for thousands.",
    ),
]


@data.command("show")
def show(path: ImagesPath, changes: Changes = None, as_json: Json = False) -> None:
    """Show how a folder or archive is understood, without reading its images."""
    with sentences():
        preview = _source(path, changes).preview()
    if as_json:
        print(finite_json({key: value for key, value in preview.plain().items() if key != "thumbnails"}))
        return
    _show(preview)


@data.command("import")
def import_images(path: ImagesPath, changes: Changes = None, as_json: Json = False) -> None:
    """Read the images into the cache, from which every run on them begins."""
    with sentences():
        source = _source(path, changes)
        report = _imported(source)
    if as_json:
        print(finite_json(_plain(report)))
        return
    say_report(report)
    for sentence in report.warnings():
        print(sentence, file=sys.stderr)
    _table(
        [
            [name, report.training[name], report.validation.get(name, 0), report.test.get(name, 0)]
            for name in report.training
        ]
    )


@data.command("check")
def check(path: ImagesPath, changes: Changes = None, features: Features = False, as_json: Json = False) -> None:
    """Find images that are there twice, dark, bright, blurred or without content; import them first if that was not
    done.
    """
    with sentences():
        from engine.data.importing.image_checks import check_images

        source = _source(path, changes)
        report = _imported(source)
        images = source.load()
        found = check_images(images, _files(source))
        if features:
            found += _seen_by_a_network(images)
    warnings = report.warnings()
    if as_json:
        print(finite_json({"issues": [issue.plain() for issue in found], "warnings": warnings}))
        return
    for issue in found:
        print(f"{issue.name}: {issue.sentence}")
        for files in issue.files:
            print("  " + ", ".join(files))
    for sentence in warnings:
        print(sentence)
    if not found and not warnings:
        print("Nothing was found.")


@data.command("export")
def export(path: ImagesPath, changes: Changes = None, as_json: Json = False) -> None:
    """Print the labels as CSV: file, class and part of every image; import them first if that was not done."""
    with sentences():
        from engine.data.importing.label_export import labels_csv, labels_of

        source = _source(path, changes)
        _imported(source)
        rows = labels_of(source.load())
    if as_json:
        print(finite_json({"images": [dict(zip(("file", "class", "part"), row, strict=True)) for row in rows]}))
    else:
        print(labels_csv(rows), end="")


def _source(path: str, changes: list[str] | None) -> Folder:
    """Raises ConfigError for a setting that the data set does not have."""
    from engine.data.sets.folder import Folder

    settings: dict[str, Any] = {"path": path}
    for key, value in map(assignment, changes or []):
        part, dot, name = key.partition(".")
        if part != "data" or not dot:
            raise ConfigError(f"--set needs a setting of the data set, such as data.size=64, but got {key!r}.")
        settings[name] = value
    return Folder(Folder.Params.parse(settings))


def _imported(source: Folder) -> Report:
    from engine.images.decoder_messages import without_decoder_messages

    with interruptible() as control, Bar() as bar, without_decoder_messages():
        try:
            return source.prepare(bar.reading, lambda: control.ends)
        finally:
            bar.stop()


def _seen_by_a_network(images: ImageSet) -> list[Issue]:
    import numpy as np

    from engine.data.importing.feature_checks import check_features
    from engine.presets import PHOTO_NETWORK
    from engine.training.evaluation.pretrained_features import feature_file

    with interruptible() as control, Bar() as bar:

        def told(done: int, total: int) -> None:
            bar.reading(done, total)
            if control.ends:
                raise DataError("Stopped: the features that are there are kept.")

        try:
            path = feature_file(images, PHOTO_NETWORK, Path(), told)
        finally:
            bar.stop()
    return check_features(images, np.load(path, mmap_mode="r", allow_pickle=False))


def _plain(report: Report) -> dict[str, Any]:
    """A report in the words of `show`."""
    parts = {"training": report.training, "validation": report.validation, "test": report.test}
    return {
        "layout": report.layout,
        "classes": {name: {part: of.get(name, 0) for part, of in parts.items()} for name in report.training},
        "own_test": report.own_test,
        "unlabeled": report.unlabeled,
        "left_out": report.skipped,
        "names": report.names,
        "images": report.read,
        "size": report.size,
        "channels": report.channels,
        "seconds": report.seconds,
        "duplicates": report.duplicates,
        "notes": report.sentences(),
        "warnings": report.warnings(),
    }


def _files(source: Folder) -> KeptFiles:
    from engine.data.importing.image_cache import kept_files

    kept = kept_files(source.key())
    if kept is None:
        raise DataError("The names of these images are not in the cache any more: import them again.")
    return kept


def _show(preview: Preview) -> None:
    print(f"{preview.name}: {preview.images:,} images, {preview.layout}.")
    _table([[name, of["training"], of["validation"], of["test"]] for name, of in preview.classes.items()])
    if preview.unlabeled:
        print(f"{preview.unlabeled:,} unlabeled")
    for reason, count in preview.left_out.items():
        print(f"{count:,} left out: {reason}")
        for name, why in preview.names:
            if why == reason:
                print(f"  {name}")
    for sentence in (*preview.notes, *preview.warnings):
        print(sentence)
    if preview.question is not None:
        print(preview.question)
    if preview.choices:
        print("It can be read as:")
        for choice in preview.choices:
            print(f"  --set data.{choice.setting}={choice.value}  {choice.words}")


def _table(rows: list[list[Any]]) -> None:
    """Counts by class and part. Parts that no class has are left out."""
    if not rows:
        return
    parts = [c for c in (1, 2, 3) if any(row[c] for row in rows)]
    heading = ["", "training", "validation", "test"]
    width = max(len(str(row[0])) for row in rows)
    print(" " * width + "".join(f"  {heading[c]:>10}" for c in parts))
    for row in rows:
        print(f"{row[0]:{width}}" + "".join(f"  {row[c]:>10,}" for c in parts))

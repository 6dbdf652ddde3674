"""Runs as one file that another FewLab opens: a zip of plain files, each checked before the run appears among its own.

Checkpoints stay behind: they are read by torch and only serve to train on. So a shared run can be looked into,
compared, asked and started again, and not resumed.
"""

from __future__ import annotations

import hashlib
import io
import json
import re
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from engine.errors import FewLabError, RunError
from engine.finite_json import finite_json
from engine.plain_file import open_plain_file
from engine.runs.atomic_write import replace_file
from engine.runs.contents import read_json
from engine.runs.folder import RunFolder, Status
from engine.runs.notes import NO_NOTES
from engine.runs.store import ID, OPENING, Run, Store
from engine.runs.stored_images import load_stored_images, stored_images_folder, stored_images_of

ENDING = ".fewlab"
VERSION = 2
_WITHOUT_NOTES = 1  # the version that files without notes have: those open in every FewLab
_ABOUT = "shared.json"
_LARGEST_ABOUT = 1_000_000  # bytes
_LARGEST = 64 << 30  # bytes of all files together
_MOST_FILES = 200_000
_RUN_FILE = re.compile(
    r"runs/(?P<run>[a-z0-9_-]+)/(config\.json|status\.json|notes\.json|events\.jsonl|metrics\.jsonl|split\.npz"
    r"|model\.safetensors|snapshots/[0-9]{8,12}\.npz)"
)
_IMAGE_FILE = re.compile(r"images/(?P<hash>[0-9a-z]{1,64})/(images\.npy|labels\.npy|ids\.npy|about\.json|files\.json)")

CheckModel = Callable[[RunFolder], object]
"""Raises FewLabError for a model file that is not one of this run."""


class Opened(NamedTuple):
    """runs: ids that are new here. before: ids that were here already and were left as they are."""

    runs: list[str]
    before: list[str]


def share(runs: Sequence[Run], file: Path, with_images: bool = False) -> None:
    """Write runs to `file`, with the images that they learned from if asked; without, the views of images that
    evaluations kept stay behind too. The path of the images goes along as a setting. Raises RunError for a run that has
    not ended, images that are not on this machine, or a file that cannot be written.
    """
    for run in runs:
        if run.status.state not in ("finished", "stopped"):
            raise RunError(f"Run {run.id} is {run.status.state}: only a run that has ended can be shared.")
    images = _images_of(runs) if with_images else {}
    runs = list({run.id: run for run in runs}.values())
    version = VERSION if any(run.folder.notes() != NO_NOTES for run in runs) else _WITHOUT_NOTES
    about = {"version": version, "runs": [run.id for run in runs], "images": sorted(images)}
    temporary = file.with_name(f".{file.name}.tmp")
    try:
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_ABOUT, json.dumps(about))
            for run in runs:
                for path in sorted(run.folder.path.rglob("*")):
                    name = f"runs/{run.id}/{path.relative_to(run.folder.path).as_posix()}"
                    if _RUN_FILE.fullmatch(name) and not path.is_symlink():
                        if path.suffix == ".npz" and path.parent.name == "snapshots" and not with_images:
                            archive.writestr(name, _without_views(run.folder, int(path.stem)))
                        else:
                            _add(archive, path, name)
            for content, folder in images.items():
                for path in sorted(folder.iterdir()):
                    name = f"images/{content}/{path.name}"
                    if _IMAGE_FILE.fullmatch(name):
                        _add(archive, path, name)
        replace_file(temporary, file)
    except OSError as error:
        raise RunError(f"The file {file.name} cannot be written: {error.strerror or type(error).__name__}.") from None
    finally:
        temporary.unlink(missing_ok=True)


def open_shared(file: Path, store: Store, check_model: CheckModel) -> Opened:
    """Bring the runs of a file that `share` wrote into this store: all that are not here yet, or none. Every file of a
    run is read as the pages read it before the run appears. Raises RunError in one sentence.
    """
    store.root.mkdir(parents=True, exist_ok=True)
    try:
        with (
            tempfile.TemporaryDirectory(dir=store.root, prefix=OPENING) as made,
            open_plain_file(file) as opened,
            zipfile.ZipFile(opened) as archive,
        ):
            # Members that overlap would come out larger than the file is.
            if sum(member.file_size for member in archive.infolist()) > file.stat().st_size:
                raise RunError("This file holds what is no part of a shared run: ask for it again.")
            return _bring_in(archive, Path(made), store, check_model)
    except zipfile.BadZipFile:
        raise RunError(f"{file.name} is no file of shared runs, or it was cut off: ask for it again.") from None
    except OSError as error:
        raise RunError(f"{file.name} cannot be opened: {error.strerror or type(error).__name__}.") from None


def _bring_in(archive: zipfile.ZipFile, made: Path, store: Store, check_model: CheckModel) -> Opened:
    about = _about(archive)
    before = [run_id for run_id in about["runs"] if (store.root / run_id).exists()]
    wanted = [run_id for run_id in about["runs"] if run_id not in before]
    for member in _members(archive, about):
        match = _RUN_FILE.fullmatch(member.filename)
        if match is None or match["run"] in wanted:
            _unpack(archive, member, made / member.filename)
    folders = [RunFolder(made / "runs" / run_id) for run_id in wanted]
    for folder in folders:
        _check(folder, check_model)
    renamed = {content: _bring_in_images(made / "images" / content, content, store) for content in about["images"]}
    for folder in folders:
        content = folder.content_hash()
        if content is not None and renamed.get(content, content) != content:
            _rename_images(folder, content, renamed[content])
        folder.write_status(_at_rest(folder.status()))
        replace_file(folder.path, store.root / folder.id)
    return Opened(wanted, before)


def _about(archive: zipfile.ZipFile) -> dict[str, Any]:
    damaged = RunError("This is no file of shared runs: choose one that FewLab wrote with Share.")
    try:
        member = archive.getinfo(_ABOUT)
        if member.compress_type != zipfile.ZIP_STORED or member.file_size > _LARGEST_ABOUT:
            raise damaged
        about = read_json(archive.read(member), strict=True)
    except RunError:
        raise
    except Exception:  # noqa: BLE001  a prepared archive may fail in any way
        raise damaged from None
    if not isinstance(about, dict) or not isinstance(about.get("version"), int):
        raise damaged
    if about["version"] > VERSION:
        raise RunError("This file was written by a newer FewLab: update this one to open it.")
    runs, images = about.get("runs"), about.get("images")
    if not (_are_words(runs, ID) and runs and _are_words(images, re.compile(r"[0-9a-z]{1,64}"))):
        raise damaged
    return about


def _are_words(value: Any, pattern: re.Pattern[str]) -> bool:
    return (
        isinstance(value, list)
        and len(value) == len(set(map(str, value)))
        and all(isinstance(word, str) and pattern.fullmatch(word) for word in value)
    )


def _members(archive: zipfile.ZipFile, about: dict[str, Any]) -> Iterator[zipfile.ZipInfo]:
    """Those that belong to the listed runs and images. Raises RunError if there is any other, or too much."""
    members = [member for member in archive.infolist() if member.filename != _ABOUT]
    if len(members) > _MOST_FILES or sum(member.file_size for member in members) > _LARGEST:
        raise RunError("This file holds more than runs can have: ask for it again.")
    if len({member.filename for member in members}) < len(members):
        raise RunError("This file holds one name twice: ask for it again.")
    for member in members:
        run, image = _RUN_FILE.fullmatch(member.filename), _IMAGE_FILE.fullmatch(member.filename)
        is_listed = (run and run["run"] in about["runs"]) or (image and image["hash"] in about["images"])
        # Stored, not packed: what comes out is never larger than what is there.
        if not is_listed or member.compress_type != zipfile.ZIP_STORED or member.flag_bits & 1:
            raise RunError("This file holds what is no part of a shared run: ask for it again.")
        yield member


def _unpack(archive: zipfile.ZipFile, member: zipfile.ZipInfo, to: Path) -> None:
    to.parent.mkdir(parents=True, exist_ok=True)
    try:
        with archive.open(member) as packed, to.open("wb") as out:
            shutil.copyfileobj(packed, out)
    except OSError:
        raise
    except Exception:  # noqa: BLE001  as above
        raise RunError("This file is damaged: ask for it again.") from None


def _check(folder: RunFolder, check_model: CheckModel) -> None:
    """Raises RunError."""
    if not folder.path.is_dir():
        raise RunError(f"This file names run {folder.id} and does not hold it: ask for it again.")
    try:
        folder.config()
        if folder.status().state not in ("finished", "stopped"):
            raise RunError(f"Run {folder.id} in this file has not ended: ask for it again when it has.")
        folder.notes()
        folder.check_journals()
        folder.events(), folder.metrics(), folder.changes()
        folder.split(), folder.candidates()
        for step in folder.snapshot_steps():
            folder.snapshot(step)
        if folder.model_file.exists():
            check_model(folder)
    except FewLabError as error:
        raise RunError(f"A run in this file cannot be opened. {error}") from None


def _bring_in_images(folder: Path, content: str, store: Store) -> str:
    """The name that these images have here: their own if they were here already, else one of what they are. What a
    stranger says of their content may be wrong, and runs of one's own would then show other images.
    """
    if stored_images_folder(store.root, content).exists():
        return content
    digest = hashlib.sha256()
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        with path.open("rb") as file:
            digest.update(path.name.encode() + hashlib.file_digest(file, "sha256").digest())
    name = f"shared{digest.hexdigest()[:40]}"
    target = stored_images_folder(store.root, name)
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        unchecked = stored_images_folder(folder.parents[1], name)
        unchecked.parent.mkdir(parents=True, exist_ok=True)
        folder.rename(unchecked)
        try:
            load_stored_images(folder.parents[1], name)
        except RunError:
            raise RunError("The images in this file are damaged: ask for it again.") from None
        replace_file(unchecked, target)
    return name


def _rename_images(folder: RunFolder, content: str, name: str) -> None:
    rows = [{**row, "pictures": name} if row.get("pictures") == content else row for row in folder.events()]
    folder.events_file.write_text("".join(finite_json(row) + "\n" for row in rows), "utf-8")


def _at_rest(status: Status) -> Status:
    """Without the process and the place in a queue of the other machine."""
    return Status(
        status.state,
        status.step,
        status.steps,
        status.seconds,
        status.images_per_second,
        status.reason,
        metrics=status.metrics,
    )


def _images_of(runs: Sequence[Run]) -> dict[str, Path]:
    """By the hash of their content, the folders of the images."""
    found: dict[str, Path] = {}
    for run in runs:
        content = run.folder.content_hash()
        if content is None or stored_images_of(run.folder) is None:
            raise RunError(f"The images of run {run.id} are not on this machine: share it without them.")
        found[content] = stored_images_folder(run.folder.path.parent, content)
    return found


def _without_views(folder: RunFolder, step: int) -> bytes:
    """An evaluation without the augmented images that it shows."""
    buffer = io.BytesIO()
    arrays = {name: array for name, array in folder.snapshot(step).items() if not name.startswith("view_")}
    np.savez(buffer, **arrays)  # type: ignore[arg-type]  # numpy's stub takes no keyword arrays by name
    return buffer.getvalue()


def _add(archive: zipfile.ZipFile, path: Path, name: str) -> None:
    """Piece by piece: images can be larger than memory. A link among stored images leads to where they were decoded."""
    with path.open("rb") as file, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as out:
        shutil.copyfileobj(file, out, 1 << 20)

"""What is uploaded of images: stored beside the runs as one archive, in a folder named by its content's hash."""

from __future__ import annotations

import hashlib
import os
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.data.labels.label_folders import label_folders
from engine.runs.atomic_write import replace_file
from ui.shell.server import UPLOADS, lab

ARCHIVES = ["zip", "tar", "gz", "tgz", "bz2", "xz", "tm"]
LARGEST_UPLOAD = 2_000  # megabytes
_KEEP = 24 * 3600  # seconds for which an uploaded archive waits for a run that is made from it
_STORED = "uploads_kept"
_ENDINGS = tuple(f".{ending}" for ending in ARCHIVES)


def uploaded_images(words: str, key: str, is_folder: bool = False) -> str:
    """Many files, or a whole folder, to be uploaded: the path of their archive, "" while there are none."""
    files = st.file_uploader(
        words,
        accept_multiple_files="directory" if is_folder else True,
        max_upload_size=LARGEST_UPLOAD,
        key=key,
    )
    if not files:
        return ""
    with st.spinner("Storing the upload …"):
        return stored_upload(files)


def stored_upload(files: Sequence[UploadedFile]) -> str:
    """The path of an archive of these files, under their own names; of a single archive, as it is."""
    key = " ".join(file.file_id for file in files)
    paths: dict[str, str] = st.session_state.setdefault(_STORED, {})
    if not Path(paths.get(key, "")).is_file():  # a large upload is written and hashed once, not with every click
        uploads = lab().store.root / UPLOADS
        uploads.mkdir(parents=True, exist_ok=True)
        _clear_out(uploads)
        temporary = uploads / f".{os.getpid()}-{time.monotonic_ns()}.tmp"
        try:
            name, digest = _write(files, temporary)
            path = uploads / digest[:16] / name
            path.parent.mkdir(exist_ok=True)
            replace_file(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        paths[key] = str(path)
    return paths[key]


def _write(files: Sequence[UploadedFile], path: Path) -> tuple[str, str]:
    """Write one archive of all files; its name, and a hash of its content. The same files make the same archive: its
    members have no date.
    """
    if len(files) == 1 and files[0].name.lower().endswith(_ENDINGS):
        path.write_bytes(files[0].getbuffer())
        name = _file_name(files[0].name)
    else:
        name = "images.zip"
        seen: set[str] = set()
        with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
            for file in sorted(files, key=lambda file: file.name):
                member = zipfile.ZipInfo(_free(_member_name(file.name), seen))
                with archive.open(member, "w") as opened:
                    opened.write(file.getbuffer())
    with open(path, "rb") as written:
        os.fsync(written.fileno())
        return name, hashlib.file_digest(written, "sha256").hexdigest()


def _member_name(name: str) -> str:
    """The name with its folders, of a folder that was uploaded; without what an archive's names may not hold."""
    clean = "".join(c if c.isprintable() else "_" for c in name.replace("\\", "/").replace(":", "_"))
    return "/".join(part for part in clean.split("/") if part not in ("", ".", "..")) or "image"


def _free(name: str, seen: set[str]) -> str:
    """Files of one name come from several folders: the second is 1 (2).jpg."""
    stem, dot, ending = name.rpartition(".")
    if not dot:
        stem, ending = name, ""
    free, number = name, 1
    while free in seen:
        number += 1
        free = f"{stem} ({number}){dot}{ending}"
    seen.add(free)
    return free


def _clear_out(uploads: Path) -> None:
    """Delete the archives of earlier days that no run was made from and that were not labeled: a resumed run looks its
    archive up again.
    """
    root = lab().store.root
    needed = {Path(str(run.config["data"].get("path", ""))).parts[-2:] for run in lab().store.runs()}
    needed |= {Path(labeled.path).parts[-2:] for labeled in label_folders(root)}
    for archive in (*uploads.glob("*.zip"), *uploads.glob("*/*")):  # once they lay there without a folder
        is_old = archive.name.endswith(_ENDINGS) and archive.stat().st_mtime < time.time() - _KEEP
        if is_old and archive.parts[-2:] not in needed:
            archive.unlink(missing_ok=True)
            if archive.parent != uploads:
                archive.parent.rmdir()


def _file_name(name: str) -> str:
    """The archive's own name, as far as every file system can hold it."""
    stem, _, ending = name.rpartition(".")
    clean = "".join(c if c.isalnum() or c in " ._-" else "_" for c in Path(stem).name).strip(" .")
    return f"{clean[:60] or 'images'}.{ending.lower()}"

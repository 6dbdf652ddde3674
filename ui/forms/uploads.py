"""What is uploaded of images: stored beside the runs as one archive, in a folder named by its content's hash."""

from __future__ import annotations

import hashlib
import io
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

import streamlit as st
from streamlit.runtime.uploaded_file_manager import UploadedFile

from engine.data.labels.label_folders import label_folders
from engine.runs.atomic_write import write_bytes
from ui.shell.server import UPLOADS, lab

ARCHIVES = ["zip", "tar", "gz", "tgz", "bz2", "xz", "tm"]
LARGEST_UPLOAD = 2_000  # megabytes
_KEEP = 24 * 3600  # seconds for which an uploaded archive waits for a run that is made from it
_STORED = "uploads_kept"


def stored_upload(files: Sequence[UploadedFile]) -> str:
    """The path of an archive of these files, under their own names; of a single archive, as it is."""
    key = " ".join(file.file_id for file in files)
    paths: dict[str, str] = st.session_state.setdefault(_STORED, {})
    if not Path(paths.get(key, "")).is_file():  # a large archive is read and hashed once, not with every click
        if len(files) == 1 and files[0].name.lower().endswith(tuple(f".{ending}" for ending in ARCHIVES)):
            name, content = _file_name(files[0].name), files[0].getvalue()
        else:
            name, content = "images.zip", _packed(files)
        uploads = lab().store.root / UPLOADS
        path = uploads / hashlib.sha256(content).hexdigest()[:16] / name
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _clear_out(uploads)
            write_bytes(path, content)
        else:
            path.touch()
        paths[key] = str(path)
    return paths[key]


def _packed(files: Sequence[UploadedFile]) -> bytes:
    """A zip archive of all files. The same files make the same archive: its members have no date."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        seen: set[str] = set()
        for file in sorted(files, key=lambda file: file.name):
            archive.writestr(zipfile.ZipInfo(_free(_member_name(file.name), seen)), file.getvalue())
    return content.getvalue()


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
    endings = tuple(f".{ending}" for ending in ARCHIVES)
    for archive in (*uploads.glob("*.zip"), *uploads.glob("*/*")):  # once they lay there without a folder
        is_old = archive.name.endswith(endings) and archive.stat().st_mtime < time.time() - _KEEP
        if is_old and archive.parts[-2:] not in needed:
            archive.unlink(missing_ok=True)
            if archive.parent != uploads:
                archive.parent.rmdir()


def _file_name(name: str) -> str:
    """The archive's own name, as far as every file system can hold it."""
    stem, _, ending = name.rpartition(".")
    clean = "".join(c if c.isalnum() or c in " ._-" else "_" for c in Path(stem).name).strip(" .")
    return f"{clean[:60] or 'images'}.{ending.lower()}"

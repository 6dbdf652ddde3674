"""The one Lab of this server, and the catalog of what can be chosen."""

from __future__ import annotations

import importlib
import ipaddress
import json
import os
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import streamlit as st

from engine.allowed_folders import allow_only, allowed_folders
from engine.catalog import sources_hash
from engine.data.labels.label_folders import LABELS
from engine.errors import FewLabError
from engine.lab.lab import Lab
from engine.lab.messages import GetCatalog
from engine.lab.projections.projection_queue import ProjectionQueue
from engine.lab.sweeps.sweep_queue import SweepQueue
from engine.runs.atomic_write import write_json

ROOT = Path(__file__).resolve().parents[2]
UPLOADS = ".uploads"  # in the folder of the runs: the archives that were uploaded
_making_catalog = threading.Lock()
_TO_DRAW = 1.0  # seconds


@st.cache_resource(show_spinner=False)
def lab() -> Lab:
    """Started once per server."""
    return open_lab().start()


def open_lab() -> Lab:
    """The Lab of this server, not started yet. FEWLAB_CHECKPOINTS names another folder for the runs.

    Where others reach the server, or the allowed folders are listed, uploads and these folders are all that settings
    may name.
    """
    checkpoints = Path(os.environ.get("FEWLAB_CHECKPOINTS") or ROOT / "checkpoints").resolve()
    is_shared = not listens_to_this_machine_only(str(st.get_option("server.address") or ""))
    folders = allowed_folders()
    if is_shared or folders is not None:
        allow_only([checkpoints / UPLOADS, checkpoints / LABELS, *(folders or [])])
    return Lab(checkpoints, may_delete=not is_shared)


def listens_to_this_machine_only(address: str) -> bool:
    """Whether a server with Streamlit's `server.address` is reached from its own machine alone. An empty address is all
    of them, and behind a socket there is another server.
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


@st.cache_resource(show_spinner=False)
def projector() -> ProjectionQueue:
    """Its process starts when the Space page is first opened."""
    return ProjectionQueue(lab().store.root)


@st.cache_resource(show_spinner=False)
def sweeps() -> SweepQueue:
    """Started once per server, with the Lab: it goes on with what was under way."""
    return SweepQueue(lab()).start()


@st.cache_resource(show_spinner="Starting the engine …")
def catalog() -> dict[str, Any]:
    """Methods, data sets, backbones and presets as plain data; stored beside the runs until the engine's sources
    change.
    """
    return _catalog_of(lab())


def _catalog_of(lab: Lab) -> dict[str, Any]:
    file = lab.store.root / ".catalog.json"
    version = sources_hash()
    with _making_catalog:
        try:
            stored = json.loads(file.read_bytes())
            if stored.get("version") == version:
                return dict(stored["catalog"])
        except (OSError, ValueError, KeyError, AttributeError):
            pass  # no catalog yet, or a damaged one: it is rebuilt
        made = lab.assistant.ask(GetCatalog())
        write_json(file, {"version": version, "catalog": made})
        return made


@st.cache_resource(show_spinner=False)
def get_ready(*modules: str) -> None:
    """While the first page is read: make the catalog, and import `modules`, which the next page needs. Returns at once,
    and begins once the browser has had a moment to draw; what cannot be had is asked for again by whoever needs it.
    """
    threading.Thread(target=_get_ready, args=(lab(), modules), daemon=True, name="get-ready").start()


def _get_ready(lab: Lab, modules: tuple[str, ...]) -> None:
    time.sleep(_TO_DRAW)
    with suppress(FewLabError, OSError):
        _catalog_of(lab)
    for module in modules:
        importlib.import_module(module)


def title_of(kind: str, name: str) -> str:
    """What a method, data set, network or optimizer is called on screens; its name where this engine does not know it.
    kind: a table of the catalog.
    """
    return str(catalog()[kind].get(name, {}).get("title", name))

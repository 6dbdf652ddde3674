"""The one Lab of this server, and the catalog of what can be chosen."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import streamlit as st

from engine.catalog import sources_hash
from engine.lab.lab import Lab
from engine.lab.messages import GetCatalog
from engine.lab.projections.projection_queue import ProjectionQueue
from engine.runs.atomic_write import write_json

ROOT = Path(__file__).resolve().parents[2]


@st.cache_resource(show_spinner=False)
def lab() -> Lab:
    """Started once per server. FEWLAB_CHECKPOINTS names another folder for the runs."""
    return Lab(os.environ.get("FEWLAB_CHECKPOINTS") or ROOT / "checkpoints").start()


@st.cache_resource(show_spinner=False)
def projector() -> ProjectionQueue:
    """Its process starts when the Space page is first opened."""
    return ProjectionQueue(lab().store.root)


@st.cache_resource(show_spinner="Starting the engine …")
def catalog() -> dict[str, Any]:
    """Methods, data sets, backbones and presets as plain data; stored beside the runs until the engine's sources
    change.
    """
    file = lab().store.root / ".catalog.json"
    version = sources_hash()
    try:
        stored = json.loads(file.read_bytes())
        if stored.get("version") == version:
            return dict(stored["catalog"])
    except (OSError, ValueError, KeyError, AttributeError):
        pass  # no catalog yet, or a damaged one: it is rebuilt
    made = lab().assistant.ask(GetCatalog())
    write_json(file, {"version": version, "catalog": made})
    return made

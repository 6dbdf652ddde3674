"""The script of a component that is written in several files: the browser gets it as one."""

from __future__ import annotations

from pathlib import Path

_FOLDER = Path(__file__).resolve().parent


def joined_scripts(*names: str) -> str:
    """The files of these names beside this one, in their order, as one module: each sees what the others define."""
    return "\n".join((_FOLDER / f"{name}.js").read_text(encoding="utf-8") for name in names)

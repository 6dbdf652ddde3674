"""Plotly's script, from the installed package, where the browser can load it: nothing comes from a network.

Streamlit serves the folder static/ beside the app's main script when server.enableStaticServing is on. The 4.8 MB file
is copied once per plotly version. Plotly itself is not imported: its folder and version are all that is needed.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import mimetypes
import os
import tempfile
from functools import lru_cache
from pathlib import Path

STATIC = Path(__file__).resolve().parents[2] / "static"


@lru_cache(maxsize=1)
def script_name() -> str:
    return f"plotly-{importlib.metadata.version('plotly')}.min.js"


def script_url() -> str:
    """Where the browser finds the script, relative to the app: "app/static/plotly-<version>.min.js"."""
    return f"app/static/{script_name()}"


def write_script(folder: Path = STATIC) -> str:
    """Put the script of the installed plotly into `folder`, unless it is there already; scripts of other versions go.
    Returns script_url().

    To be called when the app starts. Another server starting at the same moment does no harm: the file appears whole or
    not at all.
    """
    # On Windows the registry may say text/plain, and browsers refuse such a script.
    mimetypes.add_type("text/javascript", ".js")
    target = folder / script_name()
    if not target.exists():
        folder.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=folder, prefix="plotly-", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(packaged_script().read_bytes())
            Path(temporary).chmod(0o644)  # mkstemp's 0600 would shut out a server run by another user
            os.replace(temporary, target)
        except BaseException:
            Path(temporary).unlink(missing_ok=True)
            raise
        for other in folder.glob("plotly-*.min.js"):
            if other != target:
                other.unlink(missing_ok=True)
    return script_url()


def packaged_script() -> Path:
    """The file that the installed plotly brings."""
    package = importlib.util.find_spec("plotly")
    if package is None or not package.submodule_search_locations:
        raise ModuleNotFoundError("plotly is not installed: run `pip install -r requirements.txt`.", name="plotly")
    return Path(next(iter(package.submodule_search_locations))) / "package_data" / "plotly.min.js"

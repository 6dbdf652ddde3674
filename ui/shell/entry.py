"""Every page is entered through app.py, also when a link to it is the first thing a server is asked for.

A folder named `pages` makes Streamlit run the page alone, without app.py, until `st.navigation` has been called once in
the process.
"""

from __future__ import annotations

import runpy
from pathlib import Path

from streamlit.runtime.scriptrunner import StopException

_opened = False


def open_front_door() -> None:
    """Called by app.py before it runs a page."""
    global _opened
    _opened = True


def enter() -> None:
    """Called by each page first: if app.py has not run in this process yet, it runs now, and draws this very page in
    its frame.
    """
    if not _opened:
        runpy.run_path(str(Path(__file__).resolve().parents[2] / "app.py"), run_name="__main__")
        raise StopException  # st.stop() would also throw away what the user did to the page meanwhile

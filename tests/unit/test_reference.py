"""The reference pages say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"


def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("write_reference", DOCS / "write_reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("page", ["METHODS.md", "COMMAND_LINE.md"])
def test_a_reference_page_is_what_the_declarations_write(page: str) -> None:
    written = writer().PAGES[page]()
    assert (DOCS / page).read_text(encoding="utf-8") == written, "run python docs/write_reference.py"


def test_every_family_of_methods_has_a_heading() -> None:
    from engine.catalog import family
    from engine.registry import methods

    assert {family(methods[name]) for name in methods if family(methods[name])} <= set(writer().FAMILIES)

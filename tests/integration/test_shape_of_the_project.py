"""The arrows between the parts of the project, as promised in pyproject.toml, hold."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

from tests.integration.process_helpers import ROOT


def test_all_import_contracts_are_kept() -> None:
    import subprocess

    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    linter = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([linter, "--no-cache"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(contracts)} kept, 0 broken." in done.stdout

"""Models that are taken along from the pages, and runs that come from elsewhere."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from engine.errors import RunError, UnknownName
from engine.export.export_run import export
from engine.export.formats import FILES
from engine.lab.messages import ExportedModel, ExportModel, OpenShared, SharedRuns
from engine.runs.shared_file import open_shared
from engine.runs.store import Store
from engine.training.model_file import load_model


def export_model(request: ExportModel) -> ExportedModel:
    """Raises RunError."""
    if request.format not in FILES:
        raise UnknownName("format", request.format, FILES)
    path, file = Path(request.run), Path(request.file)
    run = Store(path.parent).run(path.name)
    with tempfile.TemporaryDirectory(prefix="fewlab-") as root:
        exported = export(run, request.format, Path(root) / run.id)
        try:
            shutil.make_archive(str(file.with_suffix("")), "zip", root)
        except OSError as error:
            raise RunError(f"The export could not be written: {error.strerror or type(error).__name__}.") from None
    parity = exported.parity
    return ExportedModel(0, 0.0) if parity is None else ExportedModel(parity.images, parity.largest)


def open_shared_runs(request: OpenShared) -> SharedRuns:
    """Raises RunError."""
    return SharedRuns(*open_shared(Path(request.file), Store(request.checkpoints), load_model))

"""The model of a run taken along: in which form, whether it answers the same, and the file."""

from __future__ import annotations

import tempfile
from pathlib import Path

import streamlit as st

from engine.lab.messages import ExportedModel, ExportModel
from engine.runs.store import Run
from ui.runs.run_names import run_name
from ui.shell.page import escape_markdown, show_errors
from ui.shell.server import lab
from ui.style import formatting

_FORMS = {
    "onnx": "ONNX: runs in Python, JavaScript, C#, on phones, without FewLab or PyTorch",
    "torch": "PyTorch program: for `torch.export.load`",
    "safetensors": "Weights: for another FewLab",
}


@st.dialog("Take this model along", width=640)
def export_dialog(run: Run) -> None:
    """One file that holds everything from prepared images to probabilities; what was made stays until the form is
    another one.
    """
    st.markdown(
        f"**{escape_markdown(run_name(run))}**, with a card that says what it learned from and was measured at, and"
        " programs that use it. Before you get it, it has to answer the run's own test images as the run did."
    )
    form = st.radio("As", list(_FORMS), format_func=lambda name: _FORMS[name], key="export_format")
    with show_errors():
        written = run.folder.model_file.stat().st_mtime_ns
        if st.button("Make the file", type="primary", key="export_make"):
            with st.spinner("Writing the model, and comparing its answers …"):
                st.session_state["export_made"] = (run.id, written, form, *_export(run, form))
        made = st.session_state.get("export_made")
        if made is not None and made[:3] == (run.id, written, form):
            _offer(run, form, made[3], made[4])


def _export(run: Run, form: str) -> tuple[ExportedModel, bytes]:
    with tempfile.TemporaryDirectory(prefix="fewlab-") as folder:
        file = Path(folder) / "model.zip"
        exported = lab().assistant.ask(ExportModel(str(run.folder.path), form, str(file)))
        return exported, file.read_bytes()


def _offer(run: Run, form: str, exported: ExportedModel, content: bytes) -> None:
    if exported.compared:
        st.success(
            f"It answers {formatting.count(exported.compared)} images of the run as the run does: no answer differs,"
            f" and no probability by more than {100 * max(exported.largest, 1e-7):.5f} %.",
            icon=":material/check:",
        )
    else:
        st.warning(
            "The run's images can no longer be read, so its answers could not be compared.", icon=":material/rule:"
        )
    st.download_button(
        f"Download ({formatting.size(len(content))})",
        content,
        f"{run.id}-{form}.zip",
        "application/zip",
        key="export_download",
        on_click="ignore",
        icon=":material/download:",
    )

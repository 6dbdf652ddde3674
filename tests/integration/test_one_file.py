"""A method is one file: written into a copy of FewLab, it is on the command line, in the form and in the contract
suite.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.integration.process_helpers import ROOT

TOY = '''
"""nearest_average: nothing but a linear layer on the images as they are."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import nn

from engine.backbones.backbone import Backbone
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.methods.base.method import GradientMethod, StepResult
from engine.methods.parts.networks import Classifier
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.batch import Batch, Stream, View
from engine.registry import methods


@methods.register
class Toy(GradientMethod):
    class Params(MethodParams):
        name: Literal["toy"] = "toy"
        softness: float = param(0.2, ge=0, le=1, symbol="s", live=True, help="How much every class is believed in.")

    title = "A toy"
    summary = "Cross-entropy with softened labels."
    idea = "Never be quite sure."
    formula = r"L = H(y_s, p)"
    paper = "none"
    params: Params

    def __init__(self, params: Params, backbone: Backbone, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        self.classifier = Classifier(backbone, problem.classes)

    def served(self) -> nn.Module:
        return self.classifier

    def streams(self) -> dict[str, Stream]:
        return {"labeled": Stream("labeled", self.problem.batch_size, {"weak": View("weak")})}

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        (logits,) = self.classifier.logits(batch["labeled"].weak)
        loss = F.cross_entropy(logits, batch["labeled"].known_labels, label_smoothing=self.params.softness)
        return StepResult(loss, {"loss/labeled": loss.detach()})
'''

IN_THE_FORM = """
import os
from streamlit.testing.v1 import AppTest

app = AppTest.from_file("app.py", default_timeout=90).run()
app.switch_page("pages/train.py")
app.run()
app.selectbox(key="train_0_few_method").select("toy").run()
assert not app.exception
slider = app.slider(key="train_0_toy_digits_method_softness")
print(slider.label, slider.value, slider.help)
from ui.shell.server import lab
lab().close()
"""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_method_in_one_file_is_in_the_form_on_the_command_line_and_in_the_suite(tmp_path: Path) -> None:
    for part in ("engine", "ui", "pages", "tests", "static", "benchmarks", ".streamlit"):
        if (ROOT / part).exists():
            shutil.copytree(ROOT / part, tmp_path / part, ignore=shutil.ignore_patterns("__pycache__"))
    for file in ("app.py", "pyproject.toml"):
        shutil.copy(ROOT / file, tmp_path)
    (tmp_path / "engine" / "methods" / "toy.py").write_text(TOY, encoding="utf-8")

    def python(*arguments: str) -> str:
        done = subprocess.run([sys.executable, *arguments], cwd=tmp_path, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    assert "Cross-entropy with softened labels." in python("-m", "engine", "methods")
    settings = ("method.name=toy", "method.softness=0.1", "budget.steps=20", "budget.evaluate_every=10")
    assert "finished" in python(
        "-m", "engine", "train", *(f"--set={setting}" for setting in settings), "--checkpoints", "runs", "--json"
    )
    suite = python("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/contract/test_methods.py", "-k", "toy", "-rN")
    assert int(suite.split(" passed")[0].split()[-1]) >= 10
    assert python("-c", IN_THE_FORM).splitlines()[-1] == "Softness s 0.2 How much every class is believed in."

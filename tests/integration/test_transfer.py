"""Starting from what was learned before: an earlier run, a weights file; what does not fit is one sentence."""

from __future__ import annotations

import hashlib
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch

from engine.backbones.resnet18 import ResNet18
from engine.config.run_config import RunConfig
from engine.errors import ConfigError
from engine.lab.executors.inline import resume, train
from engine.methods.base.context import TaskSpec
from engine.methods.transfer.fine_tune import FineTune
from engine.runs.store import Run, Store
from engine.training import checkpoint
from engine.training.assemble import load_images
from engine.training.commands import Command
from engine.training.initial_weights import start_from
from engine.training.model_file import load_model
from engine.training.trainer import Trainer
from tests.integration.trainer_process import At

HARDWARE = {"device": "cpu", "threads": 1}


def plain(method: str = "supervised", init: str = "random", steps: int = 20, **backbone: Any) -> dict[str, Any]:
    budget = {"steps": steps, "batch_size": 8, "evaluate_every": 10}
    return {
        "method": {"name": method},
        "backbone": {"name": "small_cnn", "init": init, **backbone},
        "budget": budget,
        "hardware": HARDWARE,
    }


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return train(plain(), tmp_path_factory.mktemp("transfer"))


def backbone_of(run: Run) -> dict[str, torch.Tensor]:
    weights = safetensors.torch.load_file(run.folder.model_file)
    return {name.removeprefix("backbone."): value for name, value in weights.items() if name.startswith("backbone.")}


def test_a_linear_probe_leaves_the_features_of_the_earlier_run_as_they_are(first: Run) -> None:
    probe = train(plain("linear_probe", f"run:{first.id}"), first.folder.path.parent)
    assert (probe.status.state, probe.status.step) == ("finished", 1)
    before, after = backbone_of(first), backbone_of(probe)
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("method", ["label_spreading", "label_propagation"])
def test_labels_spread_over_the_features_of_an_earlier_run(first: Run, method: str) -> None:
    root = first.folder.path.parent
    spread = train(plain(method, f"run:{first.id}", steps=500), root)
    assert (spread.status.state, spread.status.reason) == ("finished", "")
    weights = safetensors.torch.load_file(spread.folder.model_file)
    assert all(torch.equal(backbone_of(first)[name], value) for name, value in backbone_of(spread).items())
    # The bank is what that run's network makes of the pool, and not of the bare pixels.
    served, _ = load_model(first.folder)
    images = load_images(RunConfig.parse(spread.config))
    order = np.argsort(images.ids)
    pool = images.images[order[np.searchsorted(images.ids[order], spread.folder.split()["pool"])]]
    with torch.inference_mode():
        features, _ = served(torch.as_tensor(pool).float() / 255)
    assert weights["bank"].shape == features.shape
    assert torch.allclose(weights["bank"], features, atol=1e-4)


def test_a_method_that_did_not_converge_says_so(first: Run) -> None:
    hurried = train(plain("label_spreading", steps=2), first.folder.path.parent)
    assert hurried.status.state == "finished"
    assert (
        hurried.status.reason
        == "It did not converge within 2 iterations: start it again with more steps, or a larger tolerance."
    )


@pytest.mark.parametrize("form", ["safetensors", "backbone alone", "state dict", "state dict inside"])
def test_a_weights_file_is_as_good_as_the_run(first: Run, tmp_path: Path, form: str) -> None:
    whole = safetensors.torch.load_file(first.folder.model_file)
    path = tmp_path / ("weights.safetensors" if form in ("safetensors", "backbone alone") else "weights.pt")
    if form == "safetensors":
        safetensors.torch.save_file(whole, path)
    elif form == "backbone alone":
        safetensors.torch.save_file(backbone_of(first), path)
    else:
        torch.save(whole if form == "state dict" else {"state_dict": whole, "epoch": 3}, path)
    from_file = train(plain("linear_probe", f"file:{path}"), first.folder.path.parent)
    from_run = train(plain("linear_probe", f"run:{first.id}"), first.folder.path.parent)
    assert from_file.status.metrics == from_run.status.metrics


def test_a_resumed_run_needs_the_earlier_one_no_more(first: Run, tmp_path: Path) -> None:
    store = Store(first.folder.path.parent)
    config = RunConfig.parse(plain("fine_tune", f"run:{first.id}"))
    whole = train(config, store.root)
    again = train(plain(), store.root)
    folder = store.create(config.with_changes({"backbone.init": f"run:{again.id}"}).model_dump(mode="json"))
    Trainer(folder, At(10, Command("interrupt"))).run()
    store.delete(again.id)
    ended = resume(folder.id, store.root)
    assert ended.status.state == "finished"
    # `again` had the config and seed of `first`, hence its weights.
    ours, theirs = (checkpoint.load(run.folder) for run in (whole, ended))
    assert ours is not None
    assert theirs is not None
    assert all(torch.equal(ours["method"][name], theirs["method"][name]) for name in ours["method"])
    assert ours["fingerprint"] == theirs["fingerprint"]  # the same weights, under another run's id


CANNOT = {
    "no such run": (
        "run:20260101-000000-fixmatch-digits-0000",
        "backbone.init names a run that is not here: There is no run named",
    ),
    "no such file": (
        "file:/nowhere/weights.safetensors",
        "backbone.init names /nowhere/weights.safetensors, and there is no such file.",
    ),
    "nothing pretrained": (
        "pretrained",
        "There are no pretrained weights for small_cnn: start from random, run:<id> or file:<path>.",
    ),
    "no such word": (
        "warm",
        "backbone.init is 'warm' but must be random, pretrained, run:<id of a run> or file:<path of a weights file>.",
    ),
}


@pytest.mark.parametrize(("init", "sentence"), CANNOT.values(), ids=list(CANNOT))
def test_what_cannot_be_had_is_refused_before_a_run_is_made(tmp_path: Path, init: str, sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        train(plain(init=init), tmp_path)
    assert str(refused.value).startswith(sentence)
    assert Store(tmp_path).runs() == []


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """torch's cache of downloads, empty, on a machine whose network answers nothing."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    folder = tmp_path / "hub" / "checkpoints"
    folder.mkdir(parents=True)
    # urlopen looks for proxies at its first use in a process only; None: it looks again.
    urllib.request.install_opener(None)
    yield folder
    urllib.request.install_opener(None)


def resnet() -> ResNet18:
    return ResNet18(ResNet18.Params(), 3, 64)


def sha256_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_pretrained_weights_give_torchvisions_features_of_images_normalized_as_it_does(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file in the official format with other numbers in it, where torch keeps its downloads."""
    from torchvision.models import resnet18

    theirs = resnet18(weights=None)
    path = hub / "resnet18-f37072fd.pth"
    torch.save(theirs.state_dict(), path)
    ours = resnet()
    digest = start_from(ours, ResNet18.Params(init="pretrained"), hub)
    assert len(digest) == 16
    images = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    theirs.fc = torch.nn.Identity()
    normalized = (images - torch.tensor([0.485, 0.456, 0.406])[:, None, None]) / torch.tensor([0.229, 0.224, 0.225])[
        :, None, None
    ]
    assert torch.allclose(ours.eval()(images), theirs.eval()(normalized), atol=1e-4)
    again = resnet()
    # The same file by its path: torchvision's names are understood.
    start_from(again, ResNet18.Params(init=f"file:{path}"), hub)
    assert torch.equal(again.get_parameter("layers.3.1.conv2.weight"), ours.get_parameter("layers.3.1.conv2.weight"))
    # Not torchvision's numbers, so nobody knows what they were normalized with.
    assert not torch.equal(again.mean, ours.mean)
    monkeypatch.setattr(ResNet18, "file_name", lambda self: f"resnet18-{sha256_of(path)[:8]}.pth")
    start_from(again, ResNet18.Params(init=f"file:{path}"), hub)
    assert torch.equal(again.mean, ours.mean)
    assert torch.equal(again.std, ours.std)


def test_a_file_from_before_batches_were_counted_is_as_good(hub: Path) -> None:
    from torchvision.models import resnet18

    theirs = resnet18(weights=None)
    torch.save(
        {name: value for name, value in theirs.state_dict().items() if not name.endswith("num_batches_tracked")},
        hub / "resnet18-f37072fd.pth",
    )
    ours = resnet()
    start_from(ours, ResNet18.Params(init="pretrained"), hub)
    assert torch.equal(ours.get_parameter("layers.3.1.conv2.weight"), theirs.get_parameter("layer4.1.conv2.weight"))


def test_without_a_network_pretrained_weights_are_one_sentence_with_the_alternatives(hub: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        start_from(resnet(), ResNet18.Params(init="pretrained"), hub)
    assert (
        str(refused.value)
        == "The pretrained weights of ResNet-18 could not be fetched (URLError): connect to the internet once, put"
        f" resnet18-f37072fd.pth into {hub}, or start from random, run:<id> or file:<path>."
    )
    (hub / "resnet18-f37072fd.pth").write_bytes(b"damaged")
    with pytest.raises(ConfigError, match="could not be fetched"):
        start_from(resnet(), ResNet18.Params(init="pretrained"), hub)
    with pytest.raises(ConfigError, match="reads color images through the original stem"):
        start_from(ResNet18(ResNet18.Params(), 1, 28), ResNet18.Params(init="pretrained"), hub)


def test_another_width_and_foreign_files_are_one_sentence(first: Run, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        train(plain(init=f"run:{first.id}", width=8), first.folder.path.parent)
    assert "does not fit the network small_cnn on these images" in str(refused.value)
    assert "choose the same network, with the same settings and colors." in str(refused.value)
    for name, content in {
        "text.safetensors": b"hello",
        "text.pt": b"hello",
        "pickle.pt": b"cos\nsystem\n(S'true'\ntR.",
    }.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ConfigError) as refused:
            train(plain(init=f"file:{tmp_path / name}"), tmp_path)
        assert str(refused.value).startswith(f"{name} cannot be read as weights")
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(ConfigError) as refused:
        train(plain(init=f"file:{tmp_path / 'list.pt'}"), tmp_path)
    assert (
        str(refused.value)
        == "list.pt holds no weights by name: give a safetensors file or a state dict saved by torch."
    )


def test_stages_open_from_the_top_and_closed_ones_do_not_move(first: Run) -> None:
    """Four stages open at 15, 30, 45 and 60 % of 20 steps: after 5 steps only the head and the top stage have moved."""
    config = RunConfig.parse(plain("fine_tune", f"run:{first.id}")).with_changes({"method.unfreezing": 0.6})
    folder = Store(first.folder.path.parent).create(config.model_dump(mode="json"))
    Trainer(folder, At(5, Command("interrupt"))).run()
    saved = checkpoint.load(folder)
    assert saved is not None
    before = backbone_of(first)
    moved = {
        name.split(".")[1]
        for name, value in before.items()
        if name.startswith("blocks.") and not torch.equal(saved["method"][f"classifier.backbone.{name}"], value)
    }
    assert moved == {"3"}


def test_each_stage_learns_at_its_share_of_the_rate_above() -> None:
    from engine.backbones.small_cnn import SmallCNN

    method = FineTune(
        FineTune.Params(layer_decay=0.5, unfreezing=0.4), SmallCNN(SmallCNN.Params(), 1, 8), TaskSpec(2, 1, 8, {}, 4)
    )
    assert [(group.lr_scale, group.from_progress) for group in method.groups()] == [
        (1, 0),
        (1, 0.1),
        (0.5, 0.2),
        (0.25, pytest.approx(0.3)),
        (0.125, 0.4),
    ]
    at_once = FineTune(FineTune.Params(unfreezing=0), SmallCNN(SmallCNN.Params(), 1, 8), TaskSpec(2, 1, 8, {}, 4))
    assert {group.from_progress for group in at_once.groups()} == {0}


def test_a_probe_is_scikit_learns_regression_on_standardized_features(tmp_path: Path) -> None:
    from sklearn.datasets import load_digits
    from sklearn.linear_model import LogisticRegression

    run = train(
        {
            "method": "linear_probe",
            "backbone": "pixels",
            "data": {"name": "digits", "labels": {"kind": "few", "per_class": 5}},
            "hardware": HARDWARE,
        },
        tmp_path,
    )
    ids = run.folder.split()
    pixels, truth = load_digits(return_X_y=True)
    pixels = np.round(pixels * 255 / 16)
    center, spread = pixels[ids["pool"]].mean(0), pixels[ids["pool"]].std(0, ddof=1)
    constant = spread == 0
    scaled = np.where(constant, 0, (pixels - center) / np.where(constant, 1, spread))
    theirs = LogisticRegression(max_iter=2000).fit(scaled[ids["labeled"]], truth[ids["labeled"]])
    assert run.status.metrics["test/accuracy"] == pytest.approx(
        theirs.score(scaled[ids["test"]], truth[ids["test"]]), abs=0.006
    )

"""timm's networks give here what they give there, with the weights that they give it with; what cannot be had is one
sentence, and soon.
"""

from __future__ import annotations

import importlib.util
import os
import socket
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from engine.backbones.timm_model import SUGGESTIONS, TimmModel
from engine.errors import ConfigError
from engine.training.initial_weights import start_from

if importlib.util.find_spec("timm") is None and os.environ.get("FEWLAB_REQUIRE_EXTRAS") != "1":
    pytest.skip("timm is not installed: pip install -r requirements-extras.txt", allow_module_level=True)

import timm

# Made by timm for tests: the shapes of the large ones, and their names.
VIT, RESNET, EFFICIENTNET = "test_vit.r160_in1k", "test_resnet.r160_in1k", "test_efficientnet.r160_in1k"
CONVNEXT, MOBILENET = "test_convnext.r160_in1k", "mobilenetv4_conv_small.e2400_r224_in1k"
MODELS = [VIT, RESNET, EFFICIENTNET, CONVNEXT, MOBILENET]


def ours(model: str, channels: int = 3, size: int = 160, **settings: Any) -> TimmModel:
    return TimmModel(TimmModel.Params(model=model, **settings), channels, size).eval()


def theirs(model: str, folder: Path) -> tuple[Any, Path]:
    """timm's whole network, with weights that are not those of a fresh one, and their file in timm's format."""
    torch.manual_seed(7)
    network: Any = timm.create_model(model)
    network.train()(torch.rand(8, 3, *network.pretrained_cfg["input_size"][1:]))  # statistics of batch norm
    path = folder / "model.safetensors"
    save_file(network.state_dict(), path)
    return network.eval(), path


def from_file(model: str, path: Path, **settings: Any) -> TimmModel:
    network = ours(model, **settings)
    start_from(network, TimmModel.Params(model=model, init=f"file:{path}"), path.parent)
    return network


def pixels(size: int = 160, channels: int = 3) -> Tensor:
    return torch.rand(2, channels, size, size, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("model", MODELS)
def test_timms_classifier_on_these_features_answers_as_timms_network_does(model: str, tmp_path: Path) -> None:
    network, path = theirs(model, tmp_path)
    about = network.pretrained_cfg
    mean, std = (torch.tensor(about[name])[:, None, None] for name in ("mean", "std"))
    size = about["input_size"][-1]
    with torch.inference_mode():
        expected = network((pixels(size) - mean) / std)
        features = from_file(model, path, size=size)(pixels(size))
        assert torch.allclose(network.get_classifier()(features), expected, atol=1e-4)
    assert expected.std() > 1e-3


@pytest.mark.parametrize("ending", ["pth", "bin"])
def test_a_state_dict_saved_by_torch_is_as_good(ending: str, tmp_path: Path) -> None:
    network, path = theirs(RESNET, tmp_path)
    torch.save({"state_dict": network.state_dict()}, tmp_path / f"weights.{ending}")
    with torch.inference_mode():
        same = from_file(RESNET, tmp_path / f"weights.{ending}")(pixels())
        assert torch.equal(same, from_file(RESNET, path)(pixels()))


def test_position_embeddings_for_another_side_are_those_that_timm_makes_of_them(tmp_path: Path) -> None:
    _, path = theirs(VIT, tmp_path)
    overlay = {"file": str(path)}
    expected: Any = timm.create_model(VIT, pretrained=True, pretrained_cfg_overlay=overlay, num_classes=0, img_size=96)
    network = from_file(VIT, path, size=96)
    assert torch.equal(network.get_parameter("model.pos_embed"), expected.pos_embed)
    assert network.get_parameter("model.pos_embed").shape[1] == (96 // 16) ** 2 + 1
    with torch.inference_mode():
        normalized = (pixels(96) - 0.5) / 0.5
        assert torch.allclose(network(pixels(96)), expected.eval()(normalized), atol=1e-5)


def test_grey_images_are_color_images_without_color(tmp_path: Path) -> None:
    _, path = theirs(VIT, tmp_path)  # normalized alike in all channels
    with torch.inference_mode():
        grey = from_file(VIT, path, channels=1)(pixels(channels=1))
        assert torch.allclose(grey, from_file(VIT, path)(pixels(channels=1).expand(-1, 3, -1, -1)), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "size", "asked", "inside"),
    [
        (RESNET, 8, 0, 96),
        (RESNET, 100, 0, 100),
        (RESNET, 300, 64, 64),
        (VIT, 8, 0, 96),
        (VIT, 100, 0, 112),
        (VIT, 100, 64, 64),
        ("vit_small_patch14_dinov2.lvd142m", 8, 0, 98),
    ],
)
def test_images_are_brought_to_the_input_asked_for_or_to_whole_squares(
    model: str, size: int, asked: int, inside: int
) -> None:
    network = ours(model, size=size, input_size=asked)
    seen: list[int] = []
    next(iter(network.model.children())).register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].shape[-1]))
    with torch.inference_mode():
        assert network(pixels(size)).shape == (2, network.feature_size)
    assert seen == [inside]


@pytest.mark.parametrize("model", [*SUGGESTIONS, *MODELS])
def test_stages_hold_every_parameter_once_and_the_first_one_is_at_the_bottom(model: str) -> None:
    with torch.device("meta"):  # without memory
        network = ours(model)
    stages = network.stages()
    held = [id(parameter) for stage in stages for parameter in stage.parameters()]
    assert sorted(held) == sorted(id(parameter) for parameter in network.parameters())
    assert len(stages) >= 4
    first = next(parameter for parameter in next(iter(network.model.children())).parameters())
    assert id(first) in {id(parameter) for parameter in stages[0].parameters()}
    assert all(any(True for _ in stage.parameters()) for stage in stages)


@pytest.mark.parametrize("model", SUGGESTIONS)
def test_what_is_said_of_a_suggested_model_is_so(model: str) -> None:
    assert timm.is_model(model)
    about: Any = timm.get_pretrained_cfg(model)
    with torch.device("meta"):
        network: Any = timm.create_model(model, pretrained=False, num_classes=0)
    millions = sum(parameter.numel() for parameter in network.parameters()) / 1e6
    facts = f"{millions:.1f} M, {about.input_size[-1]} px, {about.license}"
    gated = ", to be accepted on the hub" if "dinov3" in model else ""
    assert SUGGESTIONS[model] == facts + gated
    assert about.hf_hub_id


# What is refused


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (
            {"model": "vit_smal_patch16_224"},
            "There is no timm model named 'vit_smal_patch16_224': did you mean 'vit_small_patch16_224'?",
        ),
        (
            {"model": "resnet50.a1_in1kk"},
            "There is no timm model named 'resnet50.a1_in1kk': did you mean 'resnet50.a1_in1k'?",
        ),
        (
            {"model": VIT, "input_size": 100},
            f"{VIT} cuts images into squares of 16 pixels, which backbone.input_size 100 is no multiple of: choose 112,"
            " or 0.",
        ),
    ],
)
def test_a_name_or_size_that_cannot_be_is_refused_with_one_that_can(settings: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ConfigError) as refused:
        TimmModel(TimmModel.Params(**settings), 3, 160)
    assert str(refused.value) == sentence


@pytest.mark.parametrize("model", ["hf-hub:timm/resnet18.a1_in1k", "local-dir:/etc", "/etc/passwd", "../resnet18"])
def test_no_name_reads_a_folder_or_fetches_a_network_of_a_strangers(model: str) -> None:
    with pytest.raises(ConfigError, match=r"^There is no timm model named"):
        ours(model)


def test_a_network_that_cannot_take_the_images_says_which_size_it_can() -> None:
    with pytest.raises(ConfigError) as refused:
        ours("crossvit_9_240.in1k", size=96)
    assert str(refused.value).startswith("crossvit_9_240.in1k cannot read images of 96 pixels (RuntimeError: ")
    assert str(refused.value).endswith("): set backbone.input_size to 240, or choose another model.")
    assert ours("crossvit_9_240.in1k", size=96, input_size=240).feature_size == 128 + 256  # of both of its branches


def test_without_the_package_a_sentence_says_which_one_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *more: None if name == "timm" else find(name, *more))
    with pytest.raises(ConfigError) as refused:
        ours(RESNET)
    assert str(refused.value) == (
        "The network timm comes with the package timm, which is not installed: run `pip install -r"
        " requirements-extras.txt`, or choose another network."
    )


def test_a_file_of_another_model_is_one_sentence(tmp_path: Path) -> None:
    _, path = theirs(RESNET, tmp_path)
    for model in (VIT, EFFICIENTNET, CONVNEXT):
        with pytest.raises(ConfigError, match=r"^model\.safetensors does not fit the network timm on these images"):
            from_file(model, path)


# The hub


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The hub's own module of constants, with an empty cache and an address at which nobody listens."""
    import huggingface_hub

    constants = huggingface_hub.constants
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    listens_at(constants, monkeypatch, "http://127.0.0.1:9")
    return constants


def listens_at(constants: Any, patch: pytest.MonkeyPatch, address: str) -> None:
    patch.setattr(constants, "ENDPOINT", address)
    patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", address + "/{repo_id}/resolve/{revision}/{filename}")


@pytest.fixture
def served(tmp_path: Path, hub: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """A hub of our own: `files` by their path on it, `gated` or not, and what it was `asked`."""
    state: dict[str, Any] = {"files": {}, "gated": False, "asked": []}

    class Hub(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.answer(with_body=False)

        def do_GET(self) -> None:
            self.answer(with_body=True)

        def answer(self, with_body: bool) -> None:
            state["asked"].append((self.command, self.path))
            content = state["files"].get(self.path)
            if state["gated"] and self.path != "/":
                self.send_response(403)
                self.send_header("X-Error-Code", "GatedRepo")
            elif content is None:
                self.send_response(404)
                self.send_header("X-Error-Code", "EntryNotFound")
                self.send_header("X-Repo-Commit", "c" * 40)
            else:
                self.send_response(200)
                self.send_header("ETag", '"0123"')
                self.send_header("X-Repo-Commit", "c" * 40)
            body = content if content is not None and not state["gated"] else b""
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            if with_body:
                self.wfile.write(body)

        def log_message(self, *arguments: Any) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    thread = threading.Thread(target=web.serve_forever)
    thread.start()
    listens_at(hub, monkeypatch, f"http://127.0.0.1:{web.server_port}")
    yield state
    web.shutdown()
    thread.join()
    web.server_close()


def pretrained(model: str, folder: Path) -> TimmModel:
    network = ours(model)
    start_from(network, TimmModel.Params(model=model, init="pretrained"), folder)
    return network


def test_weights_are_fetched_once_and_are_then_on_this_computer(
    served: dict[str, Any], hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, path = theirs(VIT, tmp_path)
    served["files"] = {"/timm/test_vit.r160_in1k/resolve/main/model.safetensors": path.read_bytes()}
    network = pretrained(VIT, tmp_path)
    with torch.inference_mode():
        assert torch.equal(network(pixels()), from_file(VIT, path)(pixels()))
    assert network.mean.tolist() == [0.5, 0.5, 0.5]
    monkeypatch.setattr(hub, "ENDPOINT", "http://127.0.0.1:9")
    asked = len(served["asked"])
    assert torch.equal(pretrained(VIT, tmp_path).get_parameter("model.pos_embed"), network.model.pos_embed)
    assert len(served["asked"]) == asked


def test_where_there_is_no_safetensors_file_the_state_dict_is_read(served: dict[str, Any], tmp_path: Path) -> None:
    network, path = theirs(RESNET, tmp_path)
    torch.save(network.state_dict(), tmp_path / "pytorch_model.bin")
    content = (tmp_path / "pytorch_model.bin").read_bytes()
    served["files"] = {"/timm/test_resnet.r160_in1k/resolve/main/pytorch_model.bin": content}
    with torch.inference_mode():
        assert torch.equal(pretrained(RESNET, tmp_path)(pixels()), from_file(RESNET, path)(pixels()))


def test_weights_behind_a_license_say_where_to_accept_it(served: dict[str, Any], hub: Any, tmp_path: Path) -> None:
    served["gated"] = True
    with pytest.raises(ConfigError) as refused:
        pretrained(RESNET, tmp_path)
    assert str(refused.value) == (
        f"The weights of {RESNET} are given only to those who accept their license: accept it on"
        f" {hub.ENDPOINT}/timm/test_resnet.r160_in1k, log in with `hf auth login`, or start from random, run:<id> or"
        " file:<path>."
    )


def test_without_a_network_and_without_a_file_one_sentence_says_what_to_do(hub: Any, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        pretrained(RESNET, tmp_path)
    said = str(refused.value)
    assert said.startswith(f"The weights of {RESNET} are not on this computer and could not be fetched (ConnectError: ")
    assert said.endswith(
        "): connect to the internet once, download model.safetensors from"
        " http://127.0.0.1:9/timm/test_resnet.r160_in1k elsewhere and start from file:<path>, or start from random or"
        " run:<id>."
    )


def test_a_hub_told_to_stay_offline_is_not_waited_for(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "HF_HUB_OFFLINE", True)
    with pytest.raises(ConfigError, match=r"could not be fetched \(OfflineModeIsEnabled: "):
        pretrained(RESNET, tmp_path)


def test_a_hub_that_never_answers_is_given_up_after_the_limit(
    hub: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(hub, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr("engine.backbones.timm_model.PATIENCE", 0.5)
        network, start = ours(RESNET), time.monotonic()
        with pytest.raises(ConfigError, match=r"could not be fetched \(ReadTimeout: "):
            network.pretrained()
        assert 0.5 <= time.monotonic() - start < 10

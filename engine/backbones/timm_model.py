"""timm: any network of the package timm by its name, with the weights that its authors share."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any, Literal

import safetensors.torch
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.errors import ConfigError, UnknownName
from engine.registry import backbones

PATIENCE = 20.0  # seconds without an answer after which the hub counts as out of reach
SMALLEST_INPUT = 96
"""Pixels to which smaller images are enlarged where nothing is asked for: most of these networks halve their input five
times, or cut it into squares of 14 or 16 pixels.
"""
_FILES = ("model.safetensors", "pytorch_model.bin")  # on the hub, the first that is there
# Parameters without the classification layer, the side that the weights saw, and timm's word on their license.
SUGGESTIONS = {
    "mobilenetv4_conv_small.e2400_r224_in1k": "2.5 M, 224 px, apache-2.0",
    "efficientnet_b0.ra_in1k": "4.0 M, 224 px, apache-2.0",
    "tiny_vit_5m_224.dist_in22k": "5.1 M, 224 px, apache-2.0",
    "mobilenetv4_conv_medium.e500_r256_in1k": "8.4 M, 256 px, apache-2.0",
    "vit_small_patch16_dinov3.lvd1689m": "21.6 M, 256 px, dinov3-license, to be accepted on the hub",
    "vit_small_patch16_224.augreg_in21k": "21.7 M, 224 px, apache-2.0",
    "vit_small_patch14_dinov2.lvd142m": "22.1 M, 518 px, apache-2.0",
    "resnet50.a1_in1k": "23.5 M, 224 px, apache-2.0",
    "convnext_tiny.in12k_ft_in1k": "27.8 M, 224 px, apache-2.0",
    "convnext_tiny.dinov3_lvd1689m": "27.8 M, 224 px, dinov3-license, to be accepted on the hub",
    "vit_base_patch16_clip_224.openai": "85.8 M, 224 px, apache-2.0",
    "vit_base_patch16_siglip_224.v2_webli": "92.9 M, 224 px, apache-2.0",
}


@backbones.register
class TimmModel(Backbone):
    """A network of PyTorch Image Models (Wightman 2019, timm) without its classification layer: D features, as timm's
    `forward_head` gives them before it.

    Images are resized inside the network to its input: their own side, or 96 pixels if that is more, brought up to
    whole squares where the network cuts them. Position embeddings of weights for another side are resampled by timm.
    Grey images are read as color ones without color.
    """

    class Params(BackboneParams):
        name: Literal["timm"] = "timm"
        model: str = param(
            "mobilenetv4_conv_small.e2400_r224_in1k",
            max_length=200,
            suggestions=SUGGESTIONS,
            help=(
                "Name of the model in timm, with the tag of its weights behind the dot. Any of its models can be"
                " typed in; these are good ones, with millions of parameters, the side of the images that the weights"
                " saw, and their license."
            ),
        )
        input_size: int = param(
            0,
            ge=0,
            le=768,
            unit="px",
            advanced=True,
            help=(
                "Side to which images are resized before the network. 0: their own, but at least 96 pixels, and a"
                " multiple of the squares that a transformer cuts images into."
            ),
        )

    title = "timm"
    summary = (
        "Any model of PyTorch Image Models with its pretrained weights; needs the package timm and, once, a network."
    )
    has_pretrained = True
    package = "timm"
    is_foldable = False  # what stands behind a convolution here may be more than a batch norm
    params: Params

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self._about = _about(params.model)
        least = max(SMALLEST_INPUT, *(self._about.min_input_size or (0,))[-1:])
        self._input = params.input_size or max(size, least)
        settings: dict[str, Any] = {"pretrained": False, "num_classes": 0, "in_chans": 3}
        if self._about.fixed_input_size:
            square = _square(params.model)
            if params.input_size % square:
                raise ConfigError(
                    f"{params.model} cuts images into squares of {square} pixels, which backbone.input_size"
                    f" {params.input_size} is no multiple of: choose {-(-params.input_size // square) * square}, or 0."
                )
            self._input = -(-self._input // square) * square
            settings["img_size"] = self._input
        try:
            self.model = _timm().create_model(params.model, **settings)
            # Some networks refuse a size only when they meet it, and a few have more features than they say.
            with torch.no_grad():
                _, self.feature_size = _features_of(self.model.eval(), torch.zeros(1, 3, *[self._input] * 2)).shape
            self.model.train()
        except Exception as error:  # each of a thousand networks refuses a size in its own way
            raise ConfigError(
                f"{params.model} cannot read images of {self._input} pixels ({_reason(error)}): set"
                f" backbone.input_size to {self._about.input_size[-1]}, or choose another model."
            ) from None

    def features(self, images: Tensor) -> Tensor:
        if self.channels == 1:
            images = images.expand(-1, 3, -1, -1)
        if images.shape[-1] != self._input:
            images = F.interpolate(
                images, size=(self._input, self._input), mode="bilinear", align_corners=False, antialias=True
            )
        return _features_of(self.model, images)

    def stages(self) -> list[nn.Module]:
        """The stem with what lies in no module, such as position embeddings; each block of a sequence of blocks; what
        comes last.
        """
        children = [child for child in self.model.children() if any(True for _ in child.parameters())]
        own = nn.ParameterList(self.model.parameters(recurse=False))
        groups: list[list[nn.Module]] = [[own, children[0]] if len(own) else [children[0]]]
        after_blocks = False
        for child in children[1:]:
            if isinstance(child, nn.Sequential | nn.ModuleList) and not list(child.parameters(recurse=False)):
                groups += [[block] for block in child if any(True for _ in block.parameters())]
                after_blocks = True
            elif after_blocks:
                groups.append([child])
                after_blocks = False
            else:
                groups[-1].append(child)
        return [group[0] if len(group) == 1 else nn.ModuleList(group) for group in groups]

    def pretrained(self) -> dict[str, Tensor]:
        """The weights under the model's name on the Hugging Face hub, kept in the hub's own cache, with the
        normalization they were trained with.
        """
        path = self._fetched()
        weights: dict[str, Tensor] = (
            safetensors.torch.load_file(path)
            if path.suffix == ".safetensors"
            else torch.load(path, map_location="cpu", weights_only=True)
        )
        return {**self.own_names(weights), **self._normalization()}

    def normalization_of(self, sha256: str) -> dict[str, Tensor]:
        """Of any file for this model: its name says which normalization its weights were trained with."""
        return self._normalization()

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Also timm's own names are understood, and those of the files that timm converts for this model."""
        if all(name.startswith("model.") for name in weights.keys() - {"mean", "std"}):
            return weights
        # By timm's convention, the function that brings a published file into the form of the network as it was built.
        convert = getattr(sys.modules[type(self.model).__module__], "checkpoint_filter_fn", None)
        try:
            converted = convert(dict(weights), self.model) if convert is not None else weights
        except Exception:  # a file of another model: the sentence about what does not fit is the caller's
            converted = weights
        return {f"model.{name}": value for name, value in converted.items()}

    def _normalization(self) -> dict[str, Tensor]:
        mean, std = (torch.tensor(values) for values in (self._about.mean, self._about.std))
        if self.channels == 1:
            mean, std = mean.mean(0, keepdim=True), std.mean(0, keepdim=True)
        return {"mean": mean, "std": std}

    def _fetched(self) -> Path:
        import huggingface_hub
        from huggingface_hub.errors import EntryNotFoundError, GatedRepoError, LocalEntryNotFoundError

        model, repository = self.params.model, self._about.hf_hub_id
        if not repository:
            raise ConfigError(
                f"timm knows no weights for {model} on the hub: choose a name with another tag behind the dot, or start"
                " from random, run:<id> or file:<path>."
            )
        names = [self._about.hf_hub_filename] if self._about.hf_hub_filename else _FILES
        endpoint = huggingface_hub.constants.ENDPOINT
        try:
            for is_local in (True, False):
                if not is_local:
                    # One question that is given up in time: a download would try again for minutes.
                    huggingface_hub.get_session().head(endpoint, timeout=PATIENCE)
                for name in names:
                    try:
                        return Path(
                            huggingface_hub.hf_hub_download(
                                repository, name, endpoint=endpoint, etag_timeout=PATIENCE, local_files_only=is_local
                            )
                        )
                    except EntryNotFoundError as error:
                        if not is_local and isinstance(error, LocalEntryNotFoundError):
                            raise  # that is not the hub's word, but that it could not be asked
            raise FileNotFoundError(f"none of {', '.join(names)} is there")
        except GatedRepoError:
            raise ConfigError(
                f"The weights of {model} are given only to those who accept their license: accept it on"
                f" {endpoint}/{repository}, log in with `hf auth login`, or start from random, run:<id> or file:<path>."
            ) from None
        except Exception as error:  # no network, no room, a damaged file: all of them mean the same to a person
            raise ConfigError(
                f"The weights of {model} are not on this computer and could not be fetched ({_reason(error)}): connect"
                f" to the internet once, download {names[0]} from {endpoint}/{repository} elsewhere and start from"
                " file:<path>, or start from random or run:<id>."
            ) from None


def _timm() -> Any:
    """The package. Raises ConfigError where it is not installed."""
    if importlib.util.find_spec("timm") is None:
        raise ConfigError(
            "The network timm comes with the package timm, which is not installed: run `pip install -r"
            " requirements-extras.txt`, or choose another network."
        )
    import timm

    return timm


def _about(name: str) -> Any:
    """timm's configuration of a model's weights: where they are, what input they saw. Raises UnknownName for a name
    that timm does not have.
    """
    timm = _timm()
    try:
        about = timm.get_pretrained_cfg(name) if timm.is_model(name) else None
    except RuntimeError:  # the model is known, the tag of its weights is not
        about = None
    if about is None:
        raise UnknownName("timm model", name, [*timm.list_models(), *timm.list_pretrained()])
    return about


def _features_of(model: Any, images: Tensor) -> Tensor:
    """What timm's classifier would be given: [B, D]."""
    features: Tensor = model.forward_head(model.forward_features(images), pre_logits=True)
    return features


def _square(name: str) -> int:
    """Side of the squares that a network cuts its input into; 1 where it cuts none."""
    with torch.device("meta"):  # a look at its shape takes no memory and no time
        model = _timm().create_model(name, pretrained=False, num_classes=0)
    size = getattr(getattr(model, "patch_embed", None), "patch_size", 1)
    return int(size if isinstance(size, int) else size[0])


def _reason(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:120]

"""What a backbone starts from, if not from chance: an earlier run, a weights file, or weights that others
trained for it.
"""

from __future__ import annotations

import hashlib
import zipfile
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from engine.allowed_folders import check_allowed
from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.errors import ConfigError, FewLabError
from engine.plain_file import open_plain_file
from engine.runs.store import Store

Weights = dict[str, Tensor]
_IN_A_MODEL = "backbone."  # how a model file calls what belongs to its backbone


def start_from(backbone: Backbone, params: BackboneParams, checkpoints: Path) -> str:
    """Load what `params.init` names into the backbone, its normalization included. Returns a hash of the weights, ""
    for random ones.

    Raises ConfigError, in one sentence, if they cannot be had, read or fitted to this network.
    """
    if params.init == "random":
        return ""
    weights, what = _weights(backbone, params, checkpoints)
    own = backbone.state_dict()
    # Files from before torch 0.4.1, which are still handed out, have no counter of batches; nothing is computed from
    # it.
    missing = sorted(
        name for name in own.keys() - weights.keys() - {"mean", "std"} if not name.endswith("num_batches_tracked")
    )
    other = sorted(name for name in own.keys() & weights.keys() if own[name].shape != weights[name].shape)
    if missing or other:
        name = (other or missing)[0]
        given = (
            f"has the shape {list(weights[name].shape)} there and {list(own[name].shape)} here"
            if other
            else "is not there"
        )
        raise ConfigError(
            f"{what} does not fit the network {params.name} on these images ({name} {given}): choose the same"
            " network, with the same settings and colors."
        )
    backbone.load_state_dict({name: weights.get(name, value) for name, value in own.items()})
    digest = hashlib.sha256()
    for name, value in sorted(backbone.state_dict().items()):
        digest.update(name.encode() + value.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def _weights(backbone: Backbone, params: BackboneParams, checkpoints: Path) -> tuple[Weights, str]:
    kind, _, name = params.init.partition(":")
    if kind == "pretrained":
        return backbone.pretrained(), "The pretrained file"
    if kind == "run":
        try:
            folder = Store(checkpoints).open(name)
        except FewLabError as error:
            raise ConfigError(f"backbone.init names a run that is not here: {error}") from None
        if not folder.model_file.exists():
            raise ConfigError(
                f"backbone.init names run {name}, which has no model yet: let it finish, or stop it to keep what it has"
                " learned."
            )
        return _of_backbone(_read(folder.model_file)), f"The network of run {name}"
    check_allowed(name, "backbone.init")
    path = Path(name).expanduser()
    weights = backbone.own_names(_of_backbone(_read(path)))
    digest = hashlib.sha256()
    with open_plain_file(path) as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return {**backbone.normalization_of(digest.hexdigest()), **weights}, path.name


def _read(path: Path) -> Weights:
    """A safetensors file, or a state dict that is read without pickle's powers."""
    try:
        with open_plain_file(path) as file:
            is_zip = zipfile.is_zipfile(file)
            file.seek(0)
            if not is_zip and path.suffix not in (".pt", ".pth", ".bin"):
                return safetensors.torch.load(file.read())
            loaded: Any = torch.load(file, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ConfigError(f"backbone.init names {path}, and there is no such file.") from None
    except OSError as error:
        raise ConfigError(
            f"backbone.init names {path}, which cannot be read ({error.strerror or type(error).__name__}): give a"
            " safetensors file or a state dict saved by torch."
        ) from None
    except Exception as error:  # a damaged or foreign file can fail in any way; all of them mean the same to a person
        raise ConfigError(
            f"{path.name} cannot be read as weights ({type(error).__name__}): give a safetensors file or a state dict"
            " saved by torch."
        ) from None
    if isinstance(loaded, dict):
        loaded = next((loaded[key] for key in ("state_dict", "model") if isinstance(loaded.get(key), dict)), loaded)
    if not isinstance(loaded, dict) or not loaded or not all(isinstance(value, Tensor) for value in loaded.values()):
        raise ConfigError(
            f"{path.name} holds no weights by name: give a safetensors file or a state dict saved by torch."
        )
    return loaded


def _of_backbone(weights: Weights) -> Weights:
    """Of a whole model, the part that is its backbone; anything else is taken as the backbone itself."""
    named = {name.partition(_IN_A_MODEL)[2]: value for name, value in weights.items() if _IN_A_MODEL in name}
    return named or weights

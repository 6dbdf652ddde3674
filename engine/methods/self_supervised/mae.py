"""mae: most of the image is hidden, and its pixels are reconstructed from the rest."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from engine.backbones.mixed_precision import MixedPrecision
from engine.backbones.vit_tiny import Block, ViTTiny, fixed_positions
from engine.config.parts import MethodParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.methods.base.batch import Batch
from engine.methods.base.context import StepContext, TaskSpec
from engine.methods.base.encoder_method import EncoderMethod
from engine.methods.base.method import StepResult
from engine.registry import methods
from engine.to_device import to_device

HEAD_WIDTH = 16
"""Dimensions of an attention head of the decoder."""
MASKED_GREY = 0.5


@methods.register
class MAE(EncoderMethod):
    """Masked autoencoder (He et al. 2022, arXiv:2111.06377, section 3): a random 75 % of the patches is hidden, the
    encoder sees the others alone, and a shallow decoder reconstructs the pixels.

    The loss is the mean squared error of the hidden patches only, on images normalized per channel; with
    `normalize_patches` each patch is a target of mean 0 and standard deviation 1 (unbiased, as in the authors' code),
    which the paper found best for photos and which amplifies noise in the few pixels of small patches. Mask tokens
    enter in the decoder, which has fixed positions of its own; the recommended encoder has fixed positions too. Views
    are crops and flips without color. Nothing pushes images apart here: nearest neighbors and linear probes of its
    features stay low where fine-tuning is high, as in the paper, and a shallow decoder costs linear probes most.
    """

    class Params(MethodParams):
        name: Literal["mae"] = "mae"
        masked: float = param(
            0.75, gt=0, lt=1, help="Share of the patches that are hidden; at least one stays visible."
        )
        normalize_patches: bool = param(
            False, help="Reconstruct each patch less its own mean, over its own standard deviation."
        )
        decoder_width: int = param(
            64, ge=16, le=1024, help="Size of the decoder's tokens; a multiple of 16. The paper has 512."
        )
        decoder_depth: int = param(2, ge=1, le=12, help="Blocks of the decoder; the paper has 8.")

        @model_validator(mode="after")
        def _heads_divide(self) -> MAE.Params:
            if self.decoder_width % HEAD_WIDTH:
                raise ConfigError(
                    f"method.decoder_width is {self.decoder_width} but must be a multiple of {HEAD_WIDTH}: choose"
                    f" {-(-self.decoder_width // HEAD_WIDTH) * HEAD_WIDTH}."
                )
            return self

    title = "MAE"
    summary = "Learns features without any label: reconstructs the three quarters of each image that are hidden."
    idea = "Hide most of the image's patches and reconstruct their pixels from the few that are left."
    formula = (
        r"L = \frac{1}{|M|} \sum_{i \in M} \frac{1}{P^2 C} \left\lVert \hat x_i - x_i \right\rVert^2, \quad M \text{"
        r" the hidden patches}"
    )
    paper = "He et al. 2022, arXiv:2111.06377"
    backbones: ClassVar[set[str] | None] = {"vit_tiny"}
    views: ClassVar[dict[str, dict[str, Any]]] = {
        "crop": {"name": "crop_jitter", "area": 0.2, "jitter": 0.0, "grey": 0.0, "blur": 0.0}
    }
    views_caption = "What it saw and what it made of it: hidden patches are reconstructed from visible ones"
    view_titles: ClassVar[dict[str, str]] = {
        "image": "image",
        "masked": "visible patches",
        "rebuilt": "reconstruction",
        "rebuilt_normalized": "reconstruction, with the true patches' mean and contrast",
    }
    recommended: ClassVar[dict[str, Any]] = {
        "backbone": {"name": "vit_tiny", "width": 96, "depth": 4, "positions": "fixed"},
        "optimizer": {"name": "adamw", "lr": 0.001, "weight_decay": 0.05, "beta2": 0.95},
        "budget": {"steps": 500, "batch_size": 128, "evaluate_every": 50},
    }

    def __init__(self, params: Params, backbone: ViTTiny, problem: TaskSpec) -> None:
        super().__init__(params, backbone, problem)
        side, pixels = backbone.tokens.side, backbone.patch**2 * backbone.channels
        if side < 2 or pixels < 2:
            raise ConfigError(
                f"mae hides some of an image's patches, and backbone.patch {backbone.patch} leaves {side * side} of"
                f" {pixels} value{'s' if pixels > 1 else ''}: choose another."
            )
        self.decoder = Decoder(backbone.feature_size, params.decoder_width, params.decoder_depth, side, pixels)

    def step(self, batch: Batch, now: StepContext) -> StepResult:
        images = batch["unlabeled"].crop
        hidden, visible = self._mask(images, now.rng("mask"))
        predicted: Tensor = self.decoder(self._network(images, visible), visible)  # [N, L, P²C]
        loss = reconstruction_loss(predicted, self._targets(images), hidden, self.params.normalize_patches)
        return StepResult(loss, {"loss/unlabeled": loss.detach()})

    def _mask(self, images: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        patches = self._network.tokens.side**2
        # Rounded: cut off, 10 patches of which 0.9 are hidden would leave none.
        count = min(patches - 1, max(1, round(patches * (1 - self.params.masked))))
        hidden, visible = random_mask(len(images), patches, count, generator)
        return to_device(hidden, images.device), to_device(visible, images.device)

    def _targets(self, images: Tensor) -> Tensor:
        return patchify(self.backbone.normalize(images), self._network.patch)

    @property
    def _network(self) -> ViTTiny:
        assert isinstance(self.backbone, ViTTiny)
        return self.backbone

    @torch.no_grad()
    def show(self, batch: Batch) -> dict[str, Tensor]:
        """The view, what was visible of one mask, and the reconstruction of the hidden patches beside the visible
        ones.
        """
        images = batch["unlabeled"].crop
        hidden, visible = self._mask(images, torch.Generator().manual_seed(0))
        targets, predicted = self._targets(images), self.decoder(self._network(images, visible), visible)
        if self.params.normalize_patches:
            mean, deviation = patch_statistics(targets)
            predicted = predicted * deviation + mean
        side, patch = self._network.tokens.side, self._network.patch
        where = hidden[:, :, None].expand_as(targets)
        rebuilt = unpatchify(torch.where(where, predicted, targets), patch, side)
        pixels = rebuilt * self.backbone.std[:, None, None] + self.backbone.mean[:, None, None]
        grey = torch.full_like(targets, MASKED_GREY)
        masked = unpatchify(torch.where(where, grey, patchify(images, patch)), patch, side)
        name = "rebuilt_normalized" if self.params.normalize_patches else "rebuilt"
        return {"image": images, "masked": masked, name: pixels.clamp(0, 1)}


class Decoder(MixedPrecision):
    """From the encoder's outputs for the visible patches, [N, 1 + V, D], to the pixels of all patches, [N, L, P²C]."""

    positions: Tensor

    def __init__(self, inputs: int, width: int, depth: int, side: int, pixels: int) -> None:
        super().__init__()
        self.width = width
        self.embed = nn.Linear(inputs, width)
        self.mask_token = nn.Parameter(torch.empty(1, 1, width))
        self.blocks = nn.Sequential(*(Block(width, width // HEAD_WIDTH) for _ in range(depth)))
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.pixels = nn.Linear(width, pixels)
        self.register_buffer("positions", fixed_positions(width, side))
        nn.init.normal_(self.mask_token, std=0.02)
        for layer in (self.embed, self.pixels):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, encoded: Tensor, visible: Tensor) -> Tensor:
        """visible: int64 [N, V], the places of the encoded patches."""
        with self.autocast(encoded):
            tokens = self.embed(encoded)
            places = visible[:, :, None].expand(-1, -1, self.width)
            every = self.mask_token.to(tokens.dtype).expand(len(tokens), self.positions.shape[1] - 1, -1)
            patches = every.scatter(1, places, tokens[:, 1:])  # [N, L, width]
            tokens = torch.cat((tokens[:, :1], patches), 1) + self.positions
            return self.widened(self.pixels(self.norm(self.blocks(tokens)))[:, 1:])


def random_mask(count: int, patches: int, visible: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Which patches of each image are hidden, bool [count, patches], and the numbers of the `visible` others in rising
    order, int64 [count, visible]; on the CPU.
    """
    # The first in a random order are kept, as in the authors' code.
    seen = torch.rand(count, patches, generator=generator).argsort(1)[:, :visible].sort(1).values
    hidden = torch.ones(count, patches, dtype=torch.bool).scatter(1, seen, False)
    return hidden, seen


def patchify(images: Tensor, patch: int) -> Tensor:
    """[N, C, H, W] to [N, L, P²C]: patches row by row; within one, pixels row by row, each with its channels."""
    count, channels, height, width = images.shape
    cut = images.reshape(count, channels, height // patch, patch, width // patch, patch)
    return cut.permute(0, 2, 4, 3, 5, 1).reshape(count, -1, patch * patch * channels)


def unpatchify(patches: Tensor, patch: int, side: int) -> Tensor:
    """The images, [N, C, H, W], of which `patchify` made these patches, `side` in each row."""
    cut = patches.reshape(len(patches), side, side, patch, patch, -1)
    return cut.permute(0, 5, 1, 3, 2, 4).reshape(len(patches), -1, side * patch, side * patch)


def patch_statistics(patches: Tensor) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation (unbiased, 1e-6 added to the variance) of each patch, [N, L, 1]."""
    return patches.mean(2, keepdim=True), (patches.var(2, keepdim=True) + 1e-6).sqrt()


def reconstruction_loss(predicted: Tensor, patches: Tensor, hidden: Tensor, normalize: bool) -> Tensor:
    """Mean squared error of each patch, averaged over the hidden ones (section 3).

    predicted, patches: [N, L, P²C]. hidden: bool [N, L]. normalize: compare with each patch less its own mean, over its
    own standard deviation.
    """
    if normalize:
        mean, deviation = patch_statistics(patches)
        patches = (patches - mean) / deviation
    errors = (predicted - patches).square().mean(2)  # [N, L]
    return (errors * hidden).sum() / hidden.sum()

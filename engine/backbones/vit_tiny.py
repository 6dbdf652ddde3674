"""vit_tiny: the smallest usual Vision Transformer: the image's patches are tokens that attend to one another."""

from __future__ import annotations

from typing import Literal

import torch
from pydantic import model_validator
from torch import Tensor, nn

from engine.backbones.backbone import Backbone
from engine.config.parts import BackboneParams
from engine.config.settings import param
from engine.errors import ConfigError
from engine.registry import backbones

USUAL_PATCHES = ((16, 2), (48, 4), (128, 8))
"""Below so many pixels, patches of so many; 16 from there on."""
MOST_TOKENS = 1024


@backbones.register
class ViTTiny(Backbone):
    """Vision Transformer (Dosovitskiy et al. 2021, arXiv:2010.11929) at the size that is called ViT-Ti (Touvron et al.
    2021, arXiv:2012.12877): width 192, 12 blocks, 3 heads, MLPs of four times the width.

    A class token and one token for each patch, with positions added; blocks with layer norm first; a last layer norm.
    Patches are 2x2 pixels below 16 pixels, 4x4 below 48, 8x8 below 128, then the paper's 16x16, or the next smaller
    ones that fit the side. Positions are learned, as in the paper, or fixed sines and cosines of row and column, as in
    MAE and MoCo v3. Linear layers start as MAE's do (Xavier, uniform). Transformers need many images, or a method such
    as MAE, to learn what convolutions bring along. On two CPU cores a step of 128 images of 32 pixels takes seconds.
    """

    class Params(BackboneParams):
        name: Literal["vit_tiny"] = "vit_tiny"
        patch: int = param(
            0,
            ge=0,
            le=32,
            unit="px",
            symbol="P",
            help=(
                "Side of a patch, of which the images' side must be a multiple. 0: by the images' size, 2 pixels at 8,"
                " 4 at 32, 16 at 224."
            ),
        )
        width: int = param(192, ge=48, le=768, symbol="D", help="Size of a token, and features of an image.")
        depth: int = param(12, ge=1, le=24, help="Blocks.")
        heads: int = param(3, ge=1, le=12, help="Attention heads; the width must be a multiple of them.")
        positions: Literal["learned", "fixed"] = param(
            "learned", advanced=True, help="Learned embeddings of positions, or fixed sines and cosines, as in MAE."
        )
        pooling: Literal["class_token", "mean"] = param(
            "class_token", advanced=True, help="Features of an image: the class token's, or the mean of the patches'."
        )

        @model_validator(mode="after")
        def _width_divides(self) -> ViTTiny.Params:
            if self.width % self.heads or self.width % 4:
                raise ConfigError(
                    f"backbone.width is {self.width} but must be a multiple of 4 and of the {self.heads} heads: choose"
                    f" {-(-self.width // (4 * self.heads)) * 4 * self.heads}, or other heads."
                )
            return self

    title = "ViT-Tiny"
    summary = "A Vision Transformer of 12 blocks and 192 features: patches as tokens, for MAE and DINO."
    params: Params

    def __init__(self, params: Params, channels: int, size: int) -> None:
        super().__init__(params, channels, size)
        self.patch = params.patch or usual_patch(size)
        side = size // self.patch
        if side * side > MOST_TOKENS:
            raise ConfigError(
                f"vit_tiny would cut images of {size} pixels into {side * side} patches of {self.patch}, and takes"
                f" {MOST_TOKENS} at most: choose images whose side is a multiple of 16, or set backbone.patch to a"
                " larger divisor of it."
            )
        self.tokens = _Tokens(channels, self.patch, params.width, side, params.positions == "learned")
        self.blocks = nn.Sequential(*(Block(params.width, params.heads) for _ in range(params.depth)))
        self.norm = nn.LayerNorm(params.width, eps=1e-6)
        self.feature_size = params.width

    @classmethod
    def multiple_of(cls, params: Params) -> int:
        return params.patch or 1

    def forward(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """Features [B, D]; with the numbers of each image's visible patches, int64 [B, L], row by row, the outputs of
        all tokens, [B, 1 + L, D], the class token first.
        """
        with self.autocast(images):
            normalized = self.normalize(images)
            return self.widened(self.features(normalized) if visible is None else self.encode(normalized, visible))

    def features(self, images: Tensor) -> Tensor:
        outputs = self.encode(images)
        return outputs[:, 0] if self.params.pooling == "class_token" else outputs[:, 1:].mean(1)

    def encode(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        """Outputs of the class token and the (visible) patches, [B, 1 + L, D]."""
        outputs: Tensor = self.norm(self.blocks(self.tokens(images, visible)))
        return outputs

    def stages(self) -> list[nn.Module]:
        return [self.tokens, *self.blocks[:-1], nn.ModuleList([self.blocks[-1], self.norm])]

    def own_names(self, weights: dict[str, Tensor]) -> dict[str, Tensor]:
        """Also the names of timm's, DINO's and MAE's models are understood; what is no part of the encoder is left."""
        if "pos_embed" not in weights:
            return weights
        renamed = {
            "cls_token": "tokens.class_token",
            "pos_embed": "tokens.positions",
            "patch_embed.proj.weight": "tokens.projection.weight",
            "patch_embed.proj.bias": "tokens.projection.bias",
        }
        return {
            renamed.get(name, name): weight
            for name, weight in weights.items()
            if name in renamed or name.startswith(("blocks.", "norm."))
        }


def usual_patch(size: int) -> int:
    """The largest divisor of the side that is no larger than what is usual for images of this size."""
    usual = next((patch for below, patch in USUAL_PATCHES if size < below), 16)
    return max(patch for patch in range(1, usual + 1) if size % patch == 0)


class _Tokens(nn.Module):
    """Images [B, C, H, W] to a class token and a token for each (visible) patch, [B, 1 + L, D], positions added. The
    fixed positions are a table that follows from the grid, and zeros for the class token.
    """

    positions: Tensor

    def __init__(self, channels: int, patch: int, width: int, side: int, learned: bool) -> None:
        super().__init__()
        self.patch, self.width, self.side = patch, width, side
        self.projection = nn.Conv2d(channels, width, patch, patch)
        # As if it were the linear layer of a patch's pixels that it is.
        nn.init.xavier_uniform_(self.projection.weight.data.view(width, -1))
        nn.init.zeros_(self.projection.get_parameter("bias"))
        self.class_token = nn.Parameter(torch.empty(1, 1, width))
        nn.init.normal_(self.class_token, std=0.02)
        if learned:
            self.positions = nn.Parameter(torch.empty(1, 1 + side * side, width))
            nn.init.trunc_normal_(self.positions, std=0.02)
        else:
            self.register_buffer("positions", fixed_positions(width, side))

    def forward(self, images: Tensor, visible: Tensor | None = None) -> Tensor:
        patches = self.projection(images)
        if patches.shape[-1] != self.side:
            raise RuntimeError(f"positions are known for {self.side} patches a side, not for {patches.shape[-1]}")
        patches = patches.flatten(2).transpose(1, 2) + self.positions[:, 1:]  # [B, L, D], row by row
        if visible is not None:
            patches = patches.gather(1, visible[:, :, None].expand(-1, -1, self.width))
        first = (self.class_token + self.positions[:, :1]).expand(patches.shape[0], -1, -1)
        return torch.cat((first, patches), 1)


class Block(nn.Module):
    """Pre-norm Transformer block: tokens [B, L, D] to [B, L, D]. Attention is written out, because it is then
    deterministic on every device.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, eps=1e-6)
        self.attn = Attention(width, heads)
        self.norm2 = nn.LayerNorm(width, eps=1e-6)
        self.mlp = nn.ModuleDict({"fc1": nn.Linear(width, 4 * width), "fc2": nn.Linear(4 * width, width)})
        for layer in (self.attn.qkv, self.attn.proj, *self.mlp.values()):
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, tokens: Tensor) -> Tensor:
        tokens = tokens + self.attn(self.norm1(tokens))
        changed: Tensor = self.mlp["fc2"](nn.functional.gelu(self.mlp["fc1"](self.norm2(tokens))))
        return tokens + changed


class Attention(nn.Module):
    """Multi-head self-attention: softmax(QKᵀ / √d) V in each head of d = D / heads dimensions."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, tokens: Tensor) -> Tensor:
        count, length, width = tokens.shape
        queries, keys, values = self.qkv(tokens).reshape(count, length, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        shares = (queries * (width // self.heads) ** -0.5 @ keys.transpose(2, 3)).softmax(3)  # [B, heads, L, L]
        attended: Tensor = self.proj((shares @ values).transpose(1, 2).reshape(count, length, width))
        return attended


def fixed_positions(width: int, side: int) -> Tensor:
    """[1, 1 + side², width]: zeros for the class token, then for each patch, row by row, sines and cosines of its
    column in the first half and of its row in the second, at wavelengths from 2π to 10,000 · 2π (MAE's authors' code).
    """
    rates = 10_000 ** -(torch.arange(width // 4, dtype=torch.float64) / (width // 4))
    angles = torch.arange(side, dtype=torch.float64)[:, None] * rates  # [side, width / 4]
    one = torch.cat((angles.sin(), angles.cos()), 1)  # [side, width / 2]
    columns, rows = one[None].expand(side, -1, -1), one[:, None].expand(-1, side, -1)
    table = torch.cat((columns, rows), 2).flatten(0, 1).float()
    return torch.cat((torch.zeros(1, width), table))[None]

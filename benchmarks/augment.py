"""Strong views: torchvision v2 image by image against this project's whole batches, with the same random
parameters. `python -m benchmarks.augment`

What is compared. Both sides get the same uint8 tensors and the same parameters, drawn beforehand. torchvision's side is
its fastest way to give each image its own operations: functional calls on uint8 tensors (no PIL, no random modules),
one image after the other: flip, reflect-pad and crop, two operations, cutout, float. The line above it is what one
would write with torchvision's own random modules: they draw for themselves, so it says what is usual and is not the
base of the ratios. Folded draws from ten operations instead of fourteen and is held against torchvision on the same
draw. Where a sample has no geometric operation, views agree to the bit; where it has one, before its color operations,
they agree but for a rounding in fewer than one pixel of a thousand; elsewhere ours turns first and resamples once, and
pixels are not compared. Times are medians of interleaved repetitions in one process, without drawing the parameters,
which has its own line.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import sys
import time
from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2
from torchvision.transforms.v2 import functional as tv

from engine.augment.ops.cutout import GREY
from engine.augment.ops.operation_plan import CODE, COLORS, GEOMETRY
from engine.augment.recipes.strong import Draw, Strong
from engine.augment.recipes.weak import Weak

BILINEAR = InterpolationMode.BILINEAR
THEIRS: dict[int, Callable[[Tensor, float], Tensor]] = {
    CODE["brightness"]: tv.adjust_brightness,
    CODE["contrast"]: tv.adjust_contrast,
    CODE["color"]: tv.adjust_saturation,
    CODE["sharpness"]: tv.adjust_sharpness,
    CODE["posterize"]: lambda x, bits: tv.posterize(x, int(bits)),
    CODE["solarize"]: lambda x, threshold: tv.solarize(x, threshold) if threshold <= 255 else x,
    CODE["auto_contrast"]: lambda x, _: tv.autocontrast(x),
    CODE["equalize"]: lambda x, _: tv.equalize(x),
    CODE["rotate"]: lambda x, angle: tv.rotate(x, angle, interpolation=BILINEAR),
    CODE["shear_x"]: lambda x, level: tv.affine(
        x, 0.0, [0, 0], 1.0, [math.degrees(math.atan(level)), 0.0], interpolation=BILINEAR, center=[0, 0]
    ),
    CODE["shear_y"]: lambda x, level: tv.affine(
        x, 0.0, [0, 0], 1.0, [0.0, math.degrees(math.atan(level))], interpolation=BILINEAR, center=[0, 0]
    ),
    CODE["translate_x"]: lambda x, pixels: tv.affine(x, 0.0, [pixels, 0], 1.0, [0.0, 0.0], interpolation=BILINEAR),
    CODE["translate_y"]: lambda x, pixels: tv.affine(x, 0.0, [0, pixels], 1.0, [0.0, 0.0], interpolation=BILINEAR),
    CODE["identity"]: lambda x, _: x,
}


def one_by_one(images: Tensor, draw: Draw, pad: int) -> Tensor:
    """torchvision's side. images: uint8 [B, C, H, W]. Returns float32 [B, C, H, W] in [0, 1]."""
    height, width = images.shape[2:]
    grey = torch.tensor(GREY, dtype=torch.uint8)
    crops = zip(draw.crop.down.tolist(), draw.crop.right.tolist(), draw.crop.flip.tolist(), strict=True)
    plans = zip(draw.plan.operations.tolist(), draw.plan.amounts.astype(np.float32).tolist(), strict=True)
    holes = zip(draw.hole.top.tolist(), draw.hole.left.tolist(), strict=True)
    views = []
    for image, (down, right, flip), (operations, amounts), (top, left) in zip(images, crops, plans, holes, strict=True):
        x = tv.horizontal_flip(image) if flip else image
        x = tv.crop(tv.pad(x, [pad], padding_mode="reflect"), pad + down, pad + right, height, width)
        for operation, amount in zip(operations, amounts, strict=True):
            x = THEIRS[operation](x, amount)
        first, start = max(top, 0), max(left, 0)
        x = tv.erase(x, first, start, top + draw.hole.side - first, left + draw.hole.side - start, grey)
        views.append(tv.to_dtype(x, torch.float32, scale=True))
    return torch.stack(views)


def usual(channels: int, size: int, pad: int) -> Callable[[Tensor], Tensor]:
    """The same chain from torchvision's random modules, for one image."""
    return v2.Compose(  # type: ignore[no-any-return]  # torchvision has no types
        [
            v2.RandomHorizontalFlip(),
            v2.RandomCrop(size, padding=pad, padding_mode="reflect"),
            v2.RandAugment(2, magnitude=30, interpolation=BILINEAR),
            v2.ToDtype(torch.float32, scale=True),
            v2.RandomErasing(p=1, scale=(0.25, 0.25), ratio=(1, 1), value=[GREY / 255] * channels),
        ]
    )


def comparable(draw: Draw) -> list[int]:
    """Samples whose geometry both sides do alike: none, or one operation with no color operation before it."""
    operations = draw.plan.operations
    turns = (operations >= len(COLORS)) & (operations < len(COLORS) + len(GEOMETRY))
    behind_color = turns & (np.cumsum(operations < len(COLORS), 1) > 0)
    return np.flatnonzero((turns.sum(1) <= 1) & ~behind_color.any(1)).tolist()


def milliseconds(work: Callable[[], object]) -> float:
    """With one thread its processor time, which does not count what else runs on the machine; with several the time on
    the clock.
    """
    clock = time.thread_time if torch.get_num_threads() == 1 else time.perf_counter
    start = clock()
    work()
    return (clock() - start) * 1e3


def measure(channels: int, size: int, batch: int, repeats: int) -> dict[str, float]:
    """Medians in milliseconds, and how far the two exact sides are apart where they should agree."""
    random = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (batch, channels, size, size), dtype=torch.uint8, generator=random)
    flip = frozenset({"flip"})
    exact, folded = (Strong(Strong.Params(color=color), flip, channels) for color in ("exact", "folded"))
    weak = Weak(Weak.Params(), flip, channels)
    # FixMatch's weak views: the unlabeled batch and a quarter of it, labeled.
    for_weak = images.repeat(2, 1, 1, 1)[: batch + batch // 4]
    pad = round(exact.params.translate * size)
    modules = usual(channels, size, pad)
    times: dict[str, list[float]] = {}
    for repeat in range(repeats + 2):
        draws = {made: made.draw(batch, size, size, random) for made in (exact, folded)}
        works: dict[str, Callable[[], object]] = {
            "modules": lambda: torch.stack([modules(image) for image in images]),
            "torchvision": partial(one_by_one, images, draws[exact], pad),
            "exact": partial(exact.apply, images, draws[exact]),
            "torchvision, folded's draw": partial(one_by_one, images, draws[folded], pad),
            "folded": partial(folded.apply, images, draws[folded]),
            "draw": partial(exact.draw, batch, size, size, random),
            "weak": partial(weak, for_weak, random),
        }
        for name, work in works.items():
            took = milliseconds(work)
            if repeat >= 2:  # the first two warm up
                times.setdefault(name, []).append(took)
    result = {name: statistics.median(part) for name, part in times.items()}
    draw = exact.draw(batch, size, size, random)
    same = comparable(draw)
    apart = (exact.apply(images, draw) - one_by_one(images, draw, pad))[same].abs()
    still = torch.from_numpy(~np.isin(same, draw.plan.rows(GEOMETRY)))
    result["compared"] = len(same)
    result["apart without geometry"] = float(apart[still].max())
    result["share apart with geometry"] = float((apart[~still] > 1e-6).float().mean())
    return result


def main() -> int:
    parser = argparse.ArgumentParser(description="Strong views: torchvision image by image against whole batches.")
    parser.add_argument("--size", type=int, default=32, help="pixels on a side (default 32)")
    parser.add_argument("--channels", type=int, choices=(1, 3), default=3)
    parser.add_argument("--batch", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=30)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="default: one per core")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    asked = parser.parse_args()
    torch.set_num_threads(asked.threads)
    torch.use_deterministic_algorithms(True)
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]  # a module property
    found = measure(asked.channels, asked.size, asked.batch, asked.repeats)
    agree = found["apart without geometry"] < 1e-6 and found["share apart with geometry"] < 1e-3
    if asked.json:
        print(json.dumps(vars(asked) | {"agree": agree, "milliseconds": found}))
        return 0 if agree else 1
    shape = f"{asked.batch} x {asked.channels} x {asked.size} x {asked.size}"
    print(f"{shape}, uint8 to float views, {asked.threads} threads, median of {asked.repeats}\n")
    print(f"{'':42}{'ms':>9}{'faster':>10}")
    for title, name, base in (
        ("torchvision's random modules, own draws", "modules", "torchvision"),
        ("torchvision v2, image by image", "torchvision", "torchvision"),
        ("strong, color exact", "exact", "torchvision"),
        ("torchvision v2, folded's operations", "torchvision, folded's draw", "torchvision, folded's draw"),
        ("strong, color folded", "folded", "torchvision, folded's draw"),
    ):
        print(f"{title:42}{found[name]:9.2f}{found[base] / found[name]:9.1f}x")
    print(f"{'drawing the parameters':42}{found['draw']:9.2f}")
    print(f"{'weak, ' + str(asked.batch + asked.batch // 4) + ' images':42}{found['weak']:9.2f}")
    print(f"\n{found['compared']} samples compared with torchvision: {'they agree' if agree else 'THEY DISAGREE'}.")
    return 0 if agree else 1


if __name__ == "__main__":
    sys.exit(main())

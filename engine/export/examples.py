"""Programs that use an exported ONNX file, as they stand."""

from __future__ import annotations

from pathlib import Path

PYTHON = '''"""python predict.py IMAGE ... (needs: pip install onnxruntime pillow numpy)"""

import json
import sys
from pathlib import Path

import onnxruntime
from fewlab_images.preparation import preparation

here = Path(__file__).parent
session = onnxruntime.InferenceSession(here / "model.onnx")
about = json.loads(session.get_modelmeta().custom_metadata_map["fewlab"])
prepare = preparation(about["preparation"])
cutoff = about["conformal"]["cutoffs"].get("0.9") if about["conformal"] else None  # for 90 % coverage
for path in map(Path, sys.argv[1:]):
    pixels = prepare.fitted(prepare.read(path.read_bytes(), path.name)).pixels
    (probabilities,), *distance = session.run(None, {"images": pixels[None]})
    best = sorted(zip(probabilities, about["class_names"]), reverse=True)[:3]
    unlike = distance and about["usual_distance"] and distance[0][0] > about["usual_distance"]
    sure = not unlike and cutoff is not None and best[0][0] >= 0.5 and sum(probabilities >= cutoff) <= 1
    print(f"{path}: " + ", ".join(f"{name} {share:.1%}" for share, name in best) + ("" if sure else " (not sure)"))
'''

JAVASCRIPT = """// node predict.mjs IMAGE ... (needs: npm install onnxruntime-node sharp)
import fs from "node:fs";
import { fileURLToPath } from "node:url";
import ort from "onnxruntime-node";
import sharp from "sharp";

const about = JSON.parse(fs.readFileSync(new URL("about.json", import.meta.url)));
const { size, channels, fit } = about.preparation;
const session = await ort.InferenceSession.create(fileURLToPath(new URL("model.onnx", import.meta.url)));
for (const path of process.argv.slice(2)) {
  const input = new ort.Tensor("uint8", await prepared(path), [1, channels, size, size]);
  const { probabilities } = await session.run({ images: input });
  const ranked = about.class_names.map((name, k) => [probabilities.data[k], name]).sort((a, b) => b[0] - a[0]);
  const best = ranked.slice(0, 3).map(([share, name]) => `${name} ${(100 * share).toFixed(1)}%`);
  console.log(`${path}: ${best.join(", ")}`);
}

// A file's image as the model takes it: upright, on white, its color profile ignored, one plane after the other.
async function prepared(path) {
  const upright = sharp(path, { ignoreIcc: true }).rotate().flatten({ background: "white" }).toColourspace("srgb");
  const { data, info } = await upright.raw().toBuffer({ resolveWithObject: true });
  if (channels === 1) makeGrey(data);
  const raw = { width: info.width, height: info.height, channels: 3 };
  const [r, g, b] = [0, 1, 2].map((k) => borderMedian(data, info, k));
  const how = { fit: { squash: "fill", crop: "cover", pad: "contain" }[fit], background: { r, g, b } };
  const fitted = await sharp(data, { raw }).resize(size, size, { ...how, kernel: "linear" }).raw().toBuffer();
  return Uint8Array.from({ length: channels * size * size }, (_, i) => {
    const [channel, place] = [Math.floor(i / (size * size)), i % (size * size)];
    return fitted[3 * place + channel];
  });
}

// The weights of ITU-R 601 in whole numbers, as FewLab has them; sharp's own grey is another.
function makeGrey(data) {
  for (let i = 0; i < data.length; i += 3) {
    data.fill((19595 * data[i] + 38470 * data[i + 1] + 7471 * data[i + 2] + 32768) >> 16, i, i + 3);
  }
}

function borderMedian(data, { width, height }, channel) {
  const edge = [];
  for (let x = 0; x < width; x++) edge.push(data[3 * x + channel], data[3 * ((height - 1) * width + x) + channel]);
  for (let y = 0; y < height; y++) edge.push(data[3 * y * width + channel], data[3 * ((y + 1) * width - 1) + channel]);
  edge.sort((a, b) => a - b);
  return Math.floor((edge[edge.length / 2 - 1] + edge[edge.length / 2]) / 2);
}
"""

_PREPARATION = ("preparation", "decode", "fit", "figure")


def write_examples(to: Path) -> list[str]:
    """predict.py with the files that prepare an image as FewLab does, and predict.mjs. Returns their names."""
    home, copies = Path(__file__).parents[1], to / "fewlab_images"
    copies.mkdir(exist_ok=True)
    (copies / "__init__.py").write_text('"""How FewLab reads an image file and fits it to a model."""\n', "utf-8")
    for source in (*(home / "images" / f"{name}.py" for name in _PREPARATION), home / "errors.py"):
        text = source.read_text("utf-8").replace("engine.images.", "fewlab_images.")
        (copies / source.name).write_text(text.replace("engine.errors", "fewlab_images.errors"), "utf-8")
    (to / "predict.py").write_text(PYTHON, "utf-8")
    (to / "predict.mjs").write_text(JAVASCRIPT, "utf-8")
    return ["predict.py", "predict.mjs", "fewlab_images"]

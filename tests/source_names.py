"""Names as the engine's source files spell them: read as text, to hold what the registries and the catalog say against
it.
"""

from __future__ import annotations

import re
from pathlib import Path

ENGINE = Path(__file__).parents[1] / "engine"
# By part of the catalog, the folder whose files register its classes.
WHERE = {
    "methods": "methods",
    "datasets": "data/sets",
    "backbones": "backbones",
    "recipes": "augment/recipes",
    "optimizers": "optimizers",
    "schedules": "schedules",
}


def registered_in(part: str) -> dict[str, Path]:
    """The names that the files of a part register classes under, sorted, each with its file."""
    files = {}
    for path in (ENGINE / WHERE[part]).rglob("*.py"):
        for _, _, rest in (part.partition(".register\n") for part in path.read_text(encoding="utf-8").split("\n@")):
            if name := re.search(r'name: Literal\["(\w+)"\]', rest):
                files[name[1]] = path
    return dict(sorted(files.items()))


def metrics_in(*paths: Path) -> set[str]:
    """The names of the metrics that these files declare by a literal."""
    return {name for path in paths for name in re.findall(r'Metric\(\s*"([^"]+)"', path.read_text(encoding="utf-8"))}

"""What a preset is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Preset:
    """config holds only what differs from the defaults and recommendations.

    situation: what the user has, for whom this is the first thing to try on the Start page: the kind of labels its data
    is used with. duration: roughly, on two cores, or why not there.
    gpu: a paper's own configuration, days on a CPU. What differs from the paper is in the summary.
    """

    title: str
    summary: str
    config: dict[str, Any]
    situation: Literal["few", "none", "partial"] | None = None
    duration: str = "about 15 s"
    gpu: bool = False

"""Images for schemathesis, which would send any bytes: what is generated where a description says binary."""

from __future__ import annotations

import io

import schemathesis
from hypothesis import strategies as st
from PIL import Image


def grey(level: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("L", (8, 8), level).save(buffer, "PNG")
    return buffer.getvalue()


schemathesis.openapi.format("binary", st.integers(0, 255).map(grey))

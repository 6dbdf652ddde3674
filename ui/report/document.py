"""One HTML file: text, tables, images and figures that zoom, with all they need inside. It loads nothing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ui.components.plotly_script import packaged_script
from ui.figures.frame import Figure
from ui.style import formatting
from ui.style.colors import on_light

_STYLE = """
body { font: 16px/1.55 system-ui, sans-serif; color: #1d2129; background: #fff; max-width: 68rem; margin: 2.5rem auto;
  padding: 0 1.25rem; }
h1 { font-size: 1.9rem; margin: 0 0 0.25rem; }
h2 { font-size: 1.3rem; margin: 2.5rem 0 0.75rem; border-top: 1px solid #d9dce3; padding-top: 1.5rem; }
h3 { font-size: 1.05rem; margin: 1.5rem 0 0.5rem; }
p.muted, figcaption, small { color: #5b616e; }
table { border-collapse: collapse; font-size: 0.9rem; display: block; overflow-x: auto; }
th, td { text-align: left; padding: 0.3rem 1rem 0.3rem 0; border-bottom: 1px solid #e4e7ec; vertical-align: top; }
td.number { text-align: right; font-variant-numeric: tabular-nums; }
pre { background: #f5f6f8; padding: 0.75rem 1rem; overflow-x: auto; font-size: 0.85rem; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(30rem, 100%), 1fr)); gap: 1rem; }
.plot { height: 340px; min-width: 0; }
.gallery { display: flex; flex-wrap: wrap; gap: 0.75rem; }
.gallery figure { margin: 0; width: 96px; font-size: 0.75rem; line-height: 1.3; overflow-wrap: anywhere; }
.gallery img { width: 96px; height: 96px; object-fit: contain; background: #f5f6f8; image-rendering: pixelated; }
@media print { h2 { break-after: avoid; } .plot, figure, tr { break-inside: avoid; } }
"""
_DRAW = """
for (const host of document.querySelectorAll(".plot")) {
  const figure = JSON.parse(host.querySelector("script").textContent);
  const layout = { ...figure.layout, font: { family: "system-ui, sans-serif", size: 12 } };
  Plotly.newPlot(host, figure.data, layout, { responsive: true, displaylogo: false });
}
"""


def document(title: str, parts: Iterable[str]) -> str:
    """HTML of parts that were made by the functions below."""
    body = "\n".join(parts)
    script = packaged_script().read_text("utf-8").replace("</script", "<\\/script")
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        '<meta name="viewport" content="width=device-width">'
        # Whatever a name or a setting holds: nothing is fetched, sent or framed.
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data: blob:; style-src'
        " 'unsafe-inline'; script-src 'unsafe-inline'\">"
        f"<style>{_STYLE}</style></head><body>\n{body}\n<script>{script}</script><script>{_DRAW}</script></body></html>\n"
    )


def heading(text: str, level: int = 2) -> str:
    return f"<h{level}>{escape(text)}</h{level}>"


def paragraph(text: str, muted: bool = False) -> str:
    return f"<p{' class=muted' if muted else ''}>{escape(text)}</p>"


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Numbers to the right; None as a dash."""
    if not rows:
        return ""
    head = "".join(f"<th>{escape(name)}</th>" for name in rows[0])
    body = "".join("<tr>" + "".join(_cell(value) for value in row.values()) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def plot(figure: Figure) -> str:
    """A figure of `ui.figures`."""
    return f'<div class="plot"><script type="application/json">{_inside_script(on_light(figure))}</script></div>'


def plots(figures: Iterable[Figure]) -> str:
    """Side by side where there is room."""
    return f'<div class="plots">{"".join(map(plot, figures))}</div>'


def gallery(images: Iterable[tuple[str, Sequence[str]]]) -> str:
    """Images as data URIs, each with lines of text."""
    figures = "".join(
        f'<figure><img alt="" src="{escape(uri)}"><figcaption>{"<br>".join(map(escape, lines))}</figcaption></figure>'
        for uri, lines in images
    )
    return f'<div class="gallery">{figures}</div>'


def code(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"


def details(summary: str, parts: Iterable[str]) -> str:
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def _cell(value: Any) -> str:
    if value is None:
        return f"<td>{formatting.NOTHING}</td>"
    kind = ' class="number"' if isinstance(value, int | float) else ""
    text = f"{value:.1f}" if isinstance(value, float) else str(value)
    return f"<td{kind}>{escape(text).replace(' %', '&nbsp;%')}</td>"


def _inside_script(value: Any) -> str:
    return json.dumps(value, allow_nan=False).replace("<", "\\u003c")

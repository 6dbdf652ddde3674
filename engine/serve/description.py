"""The page that describes the server: made of its OpenAPI description, with no script and no request elsewhere."""

from __future__ import annotations

from html import escape
from typing import Any

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 48rem; margin: 2rem auto; padding: 0 1rem; }
h2 { margin-top: 2.5rem; font-size: 1.15rem; }
code, pre { font: 0.9rem/1.5 ui-monospace, monospace; }
pre { overflow-x: auto; padding: 0.75rem 1rem; border: 1px solid color-mix(in srgb, currentColor 20%, transparent); }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; vertical-align: top; padding: 0.35rem 1rem 0.35rem 0; }
tr + tr td { border-top: 1px solid color-mix(in srgb, currentColor 15%, transparent); }
"""
_EXAMPLES = """curl --data-binary @photo.jpg -H "Content-Type: application/octet-stream" {address}/predict
curl -F images=@one.jpg -F images=@two.png "{address}/predict?coverage=0.95"
"""


def description_page(openapi: dict[str, Any], address: str) -> str:
    """HTML. openapi: as `/openapi.json` has it."""
    schemas = openapi["components"]["schemas"]
    operations = "".join(
        _operation(path, method, operation, schemas)
        for path, methods in openapi["paths"].items()
        for method, operation in methods.items()
    )
    title, said = escape(openapi["info"]["title"]), escape(openapi["info"]["description"])
    return (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
        f"<title>{title}</title><style>{_STYLE}</style><h1>{title}</h1><p>{said} The whole description for programs:"
        f' <a href="openapi.json">openapi.json</a>.</p><pre>{escape(_EXAMPLES.format(address=address))}</pre>'
        f"{operations}</html>"
    )


def _operation(path: str, method: str, operation: dict[str, Any], schemas: dict[str, Any]) -> str:
    rows = [
        f"<tr><td><code>?{escape(one['name'])}</code></td><td>{escape(one.get('description', ''))}"
        f" {escape(' or '.join(map(str, one['schema'].get('enum', []))))}</td></tr>"
        for one in operation.get("parameters", [])
    ]
    bodies = operation.get("requestBody", {}).get("content", {})
    rows += [f"<tr><td>body</td><td><code>{escape(kind)}</code></td></tr>" for kind in bodies]
    for code, response in operation["responses"].items():
        content: dict[str, Any] = response.get("content", {}).get("application/json", {})
        listed = _fields(content.get("schema", {}), schemas) if code == "200" else ""
        rows.append(f"<tr><td>{escape(code)}</td><td>{escape(response['description'])}{listed}</td></tr>")
    return (
        f"<h2><code>{method.upper()} {escape(path)}</code></h2><p>{escape(operation.get('description', ''))}</p>"
        f"<table>{''.join(rows)}</table>"
    )


def _fields(schema: dict[str, Any], schemas: dict[str, Any]) -> str:
    """A list of the properties that a schema names, with those of what they hold."""
    name = str(schema.get("$ref", "")).rpartition("/")[2]
    if not name:
        return _fields(schema["items"], schemas) if "items" in schema else ""
    items = "".join(
        f"<li><code>{escape(field)}</code> {escape(said.get('description', ''))}{_fields(said, schemas)}</li>"
        for field, said in schemas[name]["properties"].items()
    )
    return f"<ul>{items}</ul>"

"""Writes docs/METHODS.md and docs/COMMAND_LINE.md from the code: `python docs/write_reference.py`.

A test holds that both are what this writes.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

FAMILIES = {
    "semi_supervised": "Semi-supervised: a few labels, many unlabeled images",
    "graph": "Graphs: labels spread to similar images",
    "self_supervised": "Self-supervised: features without any label",
    "partial_label": "Partial labels: several possible labels each",
    "transfer": "Transfer: on features learned before",
    "generative": "Generative: models that can draw the images they classify",
}
_GENERATED = "This page is written by `python docs/write_reference.py` from the declarations in the code."
_BOUNDS = (("minimum", "≥"), ("exclusiveMinimum", ">"), ("maximum", "≤"), ("exclusiveMaximum", "<"))


def methods_page() -> str:
    from engine.catalog import catalog, family
    from engine.registry import methods

    known = catalog()["methods"]
    lines = ["# Methods", "", _GENERATED, ""]
    lines += ["`live` settings may be changed while a run trains; the change is recorded with its step.", ""]
    by_family: dict[str, list[str]] = {}
    for name in known:
        by_family.setdefault(family(methods[name]), []).append(name)
    for folder in [*FAMILIES, *sorted(by_family.keys() - FAMILIES.keys())]:
        if folder in by_family:
            lines += [f"## {FAMILIES.get(folder, folder)}", ""]
            for name in by_family[folder]:
                lines += _method(name, known[name], inspect.getdoc(methods[name]) or "")
    return "\n".join(lines).rstrip() + "\n"


def _method(name: str, about: dict[str, Any], doc: str) -> Iterator[str]:
    yield f"### {about['title']} (`{name}`)"
    yield ""
    yield f"{about['summary']} {about['idea']}"
    yield ""
    yield f"$${about['formula']}$$"
    yield ""
    yield f"Paper: {about['paper']}. Labels: {', '.join(about['supervision'])}."
    yield ""
    oracles = [f"`{path.relative_to(ROOT).as_posix()}`" for path in _oracles(name)]
    yield f"Held by: {', '.join(oracles)}." if oracles else "It has no oracle of its own in `tests/oracle/`."
    yield ""
    yield doc
    yield ""
    settings = [(key, field) for key, field in about["schema"]["properties"].items() if key != "name"]
    if settings:
        yield "| setting | default | range | live | meaning |"
        yield "| --- | --- | --- | --- | --- |"
        for key, field in settings:
            symbol = f" ({field['symbol']})" if field.get("symbol") else ""
            live = "yes" if field.get("live") else ""
            meaning = field.get("description", "")
            yield f"| `{key}`{symbol} | {field.get('default')} | {_range(field)} | {live} | {meaning} |"
        yield ""


def _oracles(name: str) -> list[Path]:
    """The files in tests/oracle that name a method or its class."""
    from engine.registry import methods

    named = re.compile(rf'\b{methods[name].__name__}\b|"{name}"')
    return [p for p in sorted((ROOT / "tests/oracle").glob("test_*.py")) if named.search(p.read_text(encoding="utf-8"))]


def _range(field: dict[str, Any]) -> str:
    if "enum" in field:
        return ", ".join(map(str, field["enum"]))
    return " ".join(f"{sign} {field[key]}" for key, sign in _BOUNDS if key in field)


def command_line_page() -> str:
    import typer.main

    from engine.__main__ import app

    commands: dict[str, Any] = typer.main.get_command(app).commands  # type: ignore[attr-defined]  # a group has them
    lines = ["# Command line", "", _GENERATED, ""]
    lines += [
        "Exit status: 0 done, 1 the run failed, 2 the request was wrong or an image was refused; then one sentence"
        " stands on standard error. Ctrl-C, SIGTERM and SIGHUP end a run with a checkpoint, from which `resume` goes on"
        " (state `interrupted`, exit status 0); one that still waits is taken out of the queue (`stopped`). With"
        " `--json` the last line of standard output is one JSON object. Every setting of a run is reached with"
        " `--set part.name=value`. With `--json`, `methods`, `datasets` and `backbones` list the settings of theirs"
        " with defaults and ranges; `presets` shows whole configurations, with views, optimizer, budget and hardware.",
        "",
        "`torchrun --nproc-per-node N -m engine train ...`, or `resume`, divides the steps of one run among N processes"
        " of this machine, by gloo on a CPU and by nccl on GPUs, one for each process. All settings, the batch size and"
        " the learning rate too, are those of the run and not of a process. The first process alone writes, prints and"
        " takes commands. All other commands take one process and say so.",
        "",
    ]
    for name, command in _with_those_of_groups(commands):
        arguments = [p for p in command.params if p.param_type_name == "argument"]
        shown = [f"{p.name.upper()}{'...' if p.nargs == -1 else ''}" for p in arguments]
        usage = " ".join([f"python -m engine {name}", *shown])
        lines += [f"## {name}", "", f"`{usage}`", "", command.help or "", ""]
        options = [p for p in command.params if p.param_type_name == "option" and p.name != "help"]
        if options:
            lines += ["| option | meaning |", "| --- | --- |"]
            lines += [f"| `{', '.join(option.opts)}` | {option.help or ''} |" for option in options]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _with_those_of_groups(commands: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    for name, command in commands.items():
        inner = getattr(command, "commands", None)
        if inner is None:
            yield name, command
        else:
            yield from ((f"{name} {below}", one) for below, one in inner.items())


PAGES = {"METHODS.md": methods_page, "COMMAND_LINE.md": command_line_page}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (ROOT / "docs" / page).write_text(write(), encoding="utf-8")

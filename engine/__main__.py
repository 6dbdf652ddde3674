"""The command line: `python -m engine methods | datasets | backbones | presets | train | sweep | resume | show | test |
predict | export | share | open | serve`.
"""

from __future__ import annotations

import io
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from engine.analysis.conformal import USUAL
from engine.data_commands import data
from engine.errors import ConfigError, ImageError, UnknownName
from engine.finite_json import finite_json
from engine.plain_file import open_plain_file
from engine.processes.environment import end_at_once, process_count, process_number
from engine.runs.store import Run, Store
from engine.sweep_command import sweep
from engine.terminal import (
    DEFAULT,
    Bar,
    Checkpoints,
    Json,
    configured,
    ending_signals,
    interruptible,
    plain_config,
    print_answer,
    read_images,
    sentences,
)

TOGETHER = ("train", "resume")
"""The commands that several processes carry out together."""

app = typer.Typer(
    help="FewLab: learning with few labels.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
app.add_typer(data)


@app.callback()
def alone(context: typer.Context) -> None:
    if process_count() > 1 and context.invoked_subcommand not in TOGETHER:
        with sentences():
            raise ConfigError(
                f"{process_count()} processes were started together, and `{context.invoked_subcommand}` takes one:"
                " start it without torchrun, with which `train` and `resume` divide a run."
            )


def _takes_part() -> bool:
    """Of processes that `torchrun` started together all but the first: take part in the run that the first one trains.
    False, at once, in the first one and in a process that was started alone.
    """
    if process_count() == 1:
        return False
    with sentences():
        if process_number() > 0:
            # The first process hears of it too, and ends the run when it has written a checkpoint.
            for number in ending_signals():
                signal.signal(number, signal.SIG_IGN)
        from engine.lab.executors.inline import take_part

        return take_part() is not None


@app.command()
def methods(as_json: Json = False) -> None:
    """List the methods."""
    from engine import registry
    from engine.catalog import catalog, summaries

    _list(catalog()["methods"] if as_json else summaries(registry.methods), as_json)


@app.command()
def datasets(as_json: Json = False) -> None:
    """List the data sets."""
    from engine import registry
    from engine.catalog import catalog, summaries

    _list(catalog()["datasets"] if as_json else summaries(registry.datasets), as_json)


@app.command()
def backbones(as_json: Json = False) -> None:
    """List the backbones."""
    from engine import registry
    from engine.catalog import catalog, summaries

    _list(catalog()["backbones"] if as_json else summaries(registry.backbones), as_json)


@app.command()
def presets(as_json: Json = False) -> None:
    """List the presets."""
    from engine.catalog import catalog
    from engine.presets import PRESETS

    _list(
        (
            catalog()["presets"]
            if as_json
            else [{"name": name, "title": p.title, "summary": p.summary} for name, p in PRESETS.items()]
        ),
        as_json,
    )


@app.command()
def train(
    preset: Annotated[str | None, typer.Option(help="Start from a preset (see: presets).")] = None,
    config: Annotated[Path | None, typer.Option(help="Start from a JSON file.")] = None,
    changes: Annotated[
        list[str] | None, typer.Option("--set", help="Change a setting: method.threshold=0.9. May be repeated.")
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="The run's seed; it also draws the labels unless data.split_seed is set.")
    ] = None,
    checkpoints: Checkpoints = DEFAULT,
    as_json: Json = False,
) -> None:
    """Train a run to its end; started by torchrun, in several processes."""
    if _takes_part():
        return
    plain = plain_config(preset, config)
    more = {} if seed is None else {"seed": seed}
    with sentences():
        parsed = configured(plain, changes, **more)
        from engine.lab.executors.inline import train as train_inline

        with interruptible() as control, Bar() as bar:
            read_images(parsed, control, bar)
            run = train_inline(parsed, checkpoints, bar.show, control)
    _report(run, as_json)


app.command()(sweep)


@app.command()
def resume(run: str, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Go on with a stopped, interrupted or killed run; started by torchrun, in several processes."""
    if _takes_part():
        return
    with sentences():
        from engine.config.run_config import RunConfig
        from engine.lab.executors.inline import resume as resume_inline

        with interruptible() as control, Bar() as bar:
            read_images(RunConfig.parse(Store(checkpoints).run(run).config), control, bar)
            ended = resume_inline(run, checkpoints, bar.show, control)
    _report(ended, as_json)


@app.command()
def show(run: str, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Show a run: its state, settings and last metrics."""
    with sentences():
        shown_run = Store(checkpoints).run(run)
        summary = {
            **_summary(shown_run),
            "reason": shown_run.status.reason,
            "config": shown_run.config,
            "evaluations": shown_run.folder.snapshot_steps(),
        }
    print_answer(summary, as_json)


@app.command()
def test(run: str, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Measure a run's saved model on the validation and test images again."""
    with sentences():
        from engine.training.retest import retest

        folder = Store(checkpoints).open(run)
        result = {"run": run, "metrics": retest(folder)}
    print_answer(result, as_json)


@app.command()
def predict(
    run: str,
    images: list[Path],
    table: Annotated[
        Path | None, typer.Option("--csv", help="Classify all images of a folder into this table; it can go on later.")
    ] = None,
    sort_into: Annotated[
        Path | None, typer.Option(help="With --csv: also copy each image to the folder of its class in here.")
    ] = None,
    coverage: Annotated[
        float, typer.Option(help="How often the possible classes hold the true one: 0.8, 0.9, 0.95 or 0.99.")
    ] = USUAL,
    checkpoints: Checkpoints = DEFAULT,
    as_json: Json = False,
) -> None:
    """Classify images with a run's model, or all images of a folder."""
    if table is not None or sort_into is not None:
        _predict_folder(run, images, table, sort_into, coverage, checkpoints, as_json)
        return
    with sentences():
        from engine.images.decoder_messages import without_decoder_messages
        from engine.predictor import Predictor

        predictor = Predictor(Store(checkpoints).open(run))
        _check_coverage(predictor, coverage)
    with without_decoder_messages():
        answers: list[dict[str, Any]] = [_classify(predictor, path, coverage) for path in images]
    if as_json:
        print(finite_json({"pictures": answers}))
    else:
        for answer in answers:
            if answer["error"] is None:
                print(
                    answer["path"]
                    + ": "
                    + ", ".join(f"{top['class']} {top['probability']:.1%}" for top in answer["top"])
                    + (" (not sure)" if answer["sure"] is False else "")
                )
    refused = [answer["error"] for answer in answers if answer["error"]]
    for sentence in refused:
        print(sentence, file=sys.stderr)
    raise typer.Exit(2 if refused else 0)


@app.command()
def export(
    run: str,
    to: Annotated[Path, typer.Option(help="Folder to write to; it is made if it is not there.")],
    format: Annotated[str, typer.Option(help="onnx, torch or safetensors.")] = "onnx",
    checkpoints: Checkpoints = DEFAULT,
    as_json: Json = False,
) -> None:
    """Write a run's model to a folder, with a model card, and check that it answers as the run does."""
    with sentences():
        from engine.export.export_run import export as export_run
        from engine.export.formats import FILES

        if format not in FILES:
            raise UnknownName("format", format, FILES)
        exported = export_run(Store(checkpoints).run(run), format, to)
    parity = None if exported.parity is None else exported.parity._asdict()
    print_answer({"run": run, "to": str(to), "files": exported.files, "parity": parity}, as_json)


@app.command()
def share(
    runs: list[str],
    to: Annotated[Path, typer.Option(help="File to write, for example digits.fewlab.")],
    with_images: Annotated[bool, typer.Option(help="With the images that the runs learned from.")] = False,
    checkpoints: Checkpoints = DEFAULT,
    as_json: Json = False,
) -> None:
    """Write runs to one file that another FewLab opens."""
    with sentences():
        from engine.runs.shared_file import share as share_runs

        store = Store(checkpoints)
        share_runs([store.run(run) for run in runs], to, with_images)
    print_answer({"to": str(to), "runs": runs, "bytes": to.stat().st_size}, as_json)


@app.command("open")
def open_file(file: Path, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Bring in the runs of a file that `share` wrote, once each of its files has been checked."""
    with sentences():
        from engine.runs.shared_file import open_shared
        from engine.training.model_file import load_model

        opened = open_shared(file, Store(checkpoints), load_model)
    print_answer(opened._asdict(), as_json)


@app.command()
def serve(
    run: str,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0: any that is free.")] = 8600,
    host: Annotated[
        str,
        typer.Option(help="Address to listen at. With any but 127.0.0.1, anyone who can reach it may send requests."),
    ] = "127.0.0.1",
    body_megabytes: Annotated[int, typer.Option(min=1, max=2_000, help="The largest request.")] = 64,
    images: Annotated[int, typer.Option(min=1, max=1_000, help="The most images of a request.")] = 64,
    megapixels: Annotated[int, typer.Option(min=1, max=200, help="The largest image.")] = 50,
    at_once: Annotated[int, typer.Option(min=1, max=64, help="Requests that are answered side by side.")] = 2,
    waiting: Annotated[int, typer.Option(min=0, max=1_000, help="Requests that may wait for their turn.")] = 8,
    checkpoints: Checkpoints = DEFAULT,
) -> None:
    """Answer with a run's model over HTTP: /predict, /model, /health, and /docs that describes them."""
    with sentences():
        from engine.predictor import Predictor
        from engine.serve.limits import Limits
        from engine.serve.server import listen, make_server

        limits = Limits(body_megabytes * 1_000_000, images, megapixels * 1_000_000, at_once, waiting)
        server = make_server(Predictor(Store(checkpoints).open(run)), run, limits)
        listen(server, host, port, lambda address: print(address, flush=True))


def _predict_folder(
    run: str,
    folders: list[Path],
    table: Path | None,
    sort_into: Path | None,
    coverage: float,
    checkpoints: Path,
    as_json: bool,
) -> None:
    with sentences():
        if len(folders) != 1 or table is None:
            raise ConfigError("Name one folder of images, and with --csv the table that its predictions go to.")
        from engine.folder_prediction import predict_folder
        from engine.images.decoder_messages import without_decoder_messages
        from engine.predictor import Predictor

        predictor = Predictor(Store(checkpoints).open(run))
        _check_coverage(predictor, coverage)
        with without_decoder_messages(), Bar() as bar:
            outcome = predict_folder(predictor, folders[0], table, sort_into, bar.reading, coverage)
    print_answer({"csv": str(table), **outcome._asdict()}, as_json)


def _check_coverage(predictor: Any, coverage: float) -> None:
    """The usual coverage is not asked for by anyone: where it cannot be promised, nothing is called sure."""
    said = predictor.certainty.too_few(coverage)
    if said is not None and coverage != USUAL:
        raise ConfigError(said)


def _classify(predictor: Any, path: Path, coverage: float) -> dict[str, Any]:
    from engine.images.decode import LARGEST_FILE

    unknown: dict[str, Any] = {
        "top": [],
        "sure": None,
        "possible": None,
        "nearest": None,
        "distance": None,
        "unfamiliar": None,
    }
    try:
        with open_plain_file(path) as file:
            data = file.read(LARGEST_FILE + 1)  # one byte more than allowed is enough to be refused
        prediction = predictor.predict([predictor.read(data, path.name)])[0]
    except OSError as error:
        sentence = f"{path.name} cannot be read: {error.strerror or type(error).__name__}."
        return {"path": str(path), "top": [], "error": sentence, **unknown}
    except ImageError as error:
        return {"path": str(path), "top": [], "error": str(error), **unknown}
    return {"path": str(path), "top": [], "error": None, **predictor.said(prediction, coverage)}


def _summary(run: Run) -> dict[str, Any]:
    s = run.status
    return {
        "run": run.id,
        "state": s.state,
        "step": s.step,
        "seconds": round(s.seconds, 3),
        "images_per_second": round(s.images_per_second, 1),
        "metrics": s.metrics,
    }


def _report(run: Run, as_json: bool) -> None:
    print_answer(_summary(run), as_json)
    if run.status.reason:
        print(run.status.reason, file=sys.stderr)
    if run.status.state not in ("finished", "stopped", "interrupted"):
        raise typer.Exit(1)


def _list(rows: Any, as_json: bool) -> None:
    if as_json:
        print(finite_json(rows))
        return
    width = max(len(row["name"]) for row in rows)
    for row in rows:
        print(f"{row['name']:{width}}  {row['title']}: {row['summary']}")


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # a pipe on Windows would otherwise refuse τ
    try:
        app()
    except SystemExit as ended:
        if process_count() > 1:
            end_at_once(ended.code)
        raise

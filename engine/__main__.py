"""The command line: `python -m engine methods | datasets | backbones | presets | train | resume | show | test |
predict`.
"""

from __future__ import annotations

import io
import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import ConfigError, DataError, FewLabError, ImageError, RunError, UnknownName
from engine.finite_json import finite_json
from engine.plain_file import open_plain_file, read_plain_file
from engine.runs.folder import Status
from engine.runs.store import Run, Store

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig
    from engine.training.commands import Control

app = typer.Typer(
    help="FewLab: learning with few labels.", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False
)
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]
Checkpoints = Annotated[Path, typer.Option(help="Folder of the runs.")]
DEFAULT = Path("checkpoints")
_LARGEST_CONFIG = 4_000_000  # bytes


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
    """Train a run to its end."""
    plain = _plain_config(preset, config)
    wanted = dict(_assignment(text) for text in changes or [])
    if seed is not None:
        wanted["seed"] = seed
    with _sentences():
        from engine.config.overlay import apply_changes
        from engine.config.run_config import RunConfig

        parsed = RunConfig.parse(apply_changes(plain, wanted))
        from engine.lab.executors.inline import train as train_inline

        with _interruptible() as control, _Bar() as bar:
            _read_images(parsed, control, bar)
            run = train_inline(parsed, checkpoints, bar.show, control)
    _report(run, as_json)


@app.command()
def resume(run: str, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Go on with a stopped, interrupted or killed run."""
    with _sentences():
        from engine.config.run_config import RunConfig
        from engine.lab.executors.inline import resume as resume_inline

        with _interruptible() as control, _Bar() as bar:
            _read_images(RunConfig.parse(Store(checkpoints).run(run).config), control, bar)
            ended = resume_inline(run, checkpoints, bar.show, control)
    _report(ended, as_json)


@app.command()
def show(run: str, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Show a run: its state, settings and last metrics."""
    with _sentences():
        shown_run = Store(checkpoints).run(run)
        summary = {
            **_summary(shown_run),
            "reason": shown_run.status.reason,
            "config": shown_run.config,
            "evaluations": shown_run.folder.snapshot_steps(),
        }
    _print(summary, as_json)


@app.command()
def test(run: str, checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Measure a run's saved model on the validation and test images again."""
    with _sentences():
        from engine.training.retest import retest

        folder = Store(checkpoints).open(run)
        result = {"run": run, "metrics": retest(folder)}
    _print(result, as_json)


@app.command()
def predict(run: str, images: list[Path], checkpoints: Checkpoints = DEFAULT, as_json: Json = False) -> None:
    """Classify images with a run's model."""
    with _sentences():
        from engine.images.decoder_messages import without_decoder_messages
        from engine.predictor import Predictor

        predictor = Predictor(Store(checkpoints).open(run))
    with without_decoder_messages():
        answers: list[dict[str, Any]] = [_classify(predictor, path) for path in images]
    if as_json:
        print(finite_json({"pictures": answers}))
    else:
        for answer in answers:
            if answer["error"] is None:
                print(
                    answer["path"]
                    + ": "
                    + ", ".join(f"{top['class']} {top['probability']:.1%}" for top in answer["top"])
                )
    refused = [answer["error"] for answer in answers if answer["error"]]
    for sentence in refused:
        print(sentence, file=sys.stderr)
    raise typer.Exit(2 if refused else 0)


def _classify(predictor: Any, path: Path) -> dict[str, Any]:
    from engine.images.decode import LARGEST_FILE

    try:
        with open_plain_file(path) as file:
            data = file.read(LARGEST_FILE + 1)  # one byte more than allowed is enough to be refused
        prediction = predictor.predict([predictor.read(data, path.name)])[0]
    except OSError as error:
        return {
            "path": str(path),
            "top": [],
            "error": f"{path.name} cannot be read: {error.strerror or type(error).__name__}.",
        }
    except ImageError as error:
        return {"path": str(path), "top": [], "error": str(error)}
    return {"path": str(path), "top": predictor.top(prediction), "error": None}


def _plain_config(preset: str | None, config: Path | None) -> dict[str, Any]:
    with _sentences():
        if preset and config:
            raise ConfigError("Give a preset or a config file, not both: put the preset's changes into --set.")
        if preset:
            from engine.presets import PRESETS

            if preset not in PRESETS:
                raise UnknownName("preset", preset, PRESETS)
            return dict(PRESETS[preset].config)
        if config is None:
            return {}
        try:
            value = json.loads(read_plain_file(config, _LARGEST_CONFIG))
        except OSError as error:
            raise ConfigError(f"{config} cannot be read: {error.strerror or type(error).__name__}.") from None
        except (ValueError, RecursionError) as error:
            raise ConfigError(f"{config} is not JSON: {error}.") from None
        if not isinstance(value, dict):
            raise ConfigError(f"{config} must hold one JSON object, as `python -m engine presets --json` shows them.")
        return value


def _assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        with _sentences():
            raise ConfigError(f"--set needs key=value, such as method.threshold=0.9, but got {text!r}.")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


@contextmanager
def _sentences() -> Iterator[None]:
    """One sentence on stderr instead of a traceback; exit status 2 for a wrong request, 1 for a run that failed."""
    try:
        yield
    except (ConfigError, DataError, UnknownName, RunError) as error:
        print(error, file=sys.stderr)
        raise typer.Exit(2) from None
    except FewLabError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(1) from None
    except OSError as error:
        where = error.filename or "The folder of the runs"
        print(
            f"{where} cannot be read or written ({error.strerror or type(error).__name__}): choose a folder that this"
            " user may write to and that has room, in --checkpoints.",
            file=sys.stderr,
        )
        raise typer.Exit(2) from None


@contextmanager
def _interruptible() -> Iterator[Any]:
    """Ctrl-C asks the run to write a checkpoint and end, and so do the signals of a service that is stopped and of a
    terminal that is closed; a second one ends at once.
    """
    from engine.training.commands import Command, Control

    control = Control()
    numbers = [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]
    # What the caller has this process ignore, as nohup does, it goes on ignoring.
    before = {number: signal.getsignal(number) for number in numbers if signal.getsignal(number) != signal.SIG_IGN}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def interrupt(number: int, frame: Any) -> None:
        restore()
        control.send(Command("interrupt"))

    for number in before:
        signal.signal(number, interrupt)
    try:
        yield control
    finally:
        restore()


class _Bar:
    """A progress bar on stderr where that is a terminal, from the first image read or the run's first status on: a
    refusal leaves its sentence alone.
    """

    def __enter__(self) -> _Bar:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[unit]} {task.completed:.0f} of {task.total:.0f}"),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
        )
        self._bar = Progress(*columns, console=Console(stderr=True), transient=True)
        self._task = self._bar.add_task("starting", total=1, speed="", unit="step")
        self._shown = self._waits = False
        return self

    def show(self, status: Status) -> None:
        if status.state == "queued" and not self._waits:
            self._waits = True
            print(
                "Another FewLab trains in this checkpoints folder: this run waits in its queue. Ctrl-C takes it out.",
                file=sys.stderr,
            )
        speed = f"{status.images_per_second:,.0f} img/s" if status.images_per_second else ""
        self._update(description=status.state, completed=status.step, total=status.steps, speed=speed, unit="step")

    def reading(self, done: int, total: int) -> None:
        self._update(description="reading", completed=done, total=max(total, 1), speed="", unit="")

    def _update(self, **shown: Any) -> None:
        if not self._bar.console.is_terminal:
            return
        with suppress(OSError):  # a terminal that was closed must not end the run
            if not self._shown:
                self._shown = True
                self._bar.start()
            self._bar.update(self._task, **shown)

    def stop(self) -> None:
        with suppress(OSError):
            if self._shown:
                self._bar.stop()
        self._shown = False

    def __exit__(self, *error: object) -> None:
        self.stop()


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


def _read_images(config: RunConfig, control: Control, bar: _Bar) -> None:
    """Download and import what is not in the cache, with progress; Ctrl-C ends it. What was read and left out goes to
    stderr, in no program's way.
    """
    from engine.images.decoder_messages import without_decoder_messages
    from engine.training.assemble import prepare

    with without_decoder_messages():
        try:
            report = prepare(config, bar.reading, lambda: control.ends)
        finally:
            bar.stop()  # while it runs, it holds the stream that it was started on
    if report is None:
        return
    left_out = sum(report.skipped.values())
    rest = f"; {left_out:,} file{' was' if left_out == 1 else 's were'} left out:" if left_out else "."
    print(f"Read {report.read:,} images {report.classes()}{rest}", file=sys.stderr)
    for reason, count in report.skipped.items():
        print(f"  {count:,}: {reason}", file=sys.stderr)
    for sentence in report.sentences():
        print(sentence, file=sys.stderr)


def _report(run: Run, as_json: bool) -> None:
    _print(_summary(run), as_json)
    if run.status.reason:
        print(run.status.reason, file=sys.stderr)
    if run.status.state not in ("finished", "stopped", "interrupted"):
        raise typer.Exit(1)


def _print(value: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print(finite_json(value))
        return
    for key, entry in value.items():
        if isinstance(entry, dict):
            print(f"{key}:")
            for name, item in entry.items():
                print(f"  {name}: {item:.4f}" if isinstance(item, float) else f"  {name}: {finite_json(item)}")
        else:
            print(f"{key}: {entry}")


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
    app()

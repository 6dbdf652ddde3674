"""What all commands share: one sentence in place of a traceback, signals that end a run well, a progress bar, where
settings come from, and how an answer is printed.
"""

from __future__ import annotations

import json
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import ConfigError, DataError, FewLabError, RunError, UnknownName
from engine.finite_json import finite_json
from engine.plain_file import read_plain_file
from engine.processes.environment import process_number
from engine.runs.folder import Status

if TYPE_CHECKING:
    from engine.config.run_config import RunConfig
    from engine.data.importing.import_report import Report
    from engine.training.commands import Control

Checkpoints = Annotated[Path, typer.Option(help="Folder of the runs.")]
DEFAULT = Path("checkpoints")
_LARGEST_CONFIG = 4_000_000  # bytes
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object for machines.")]


@contextmanager
def sentences() -> Iterator[None]:
    """One sentence on stderr instead of a traceback; exit status 2 for a wrong request, 1 for a run that failed. Of
    processes that were started together, only the first one says it.
    """
    try:
        yield
    except (ConfigError, DataError, UnknownName, RunError) as error:
        _say(error)
        raise typer.Exit(2) from None
    except FewLabError as error:
        _say(error)
        raise typer.Exit(1) from None
    except OSError as error:
        where = error.filename or "The folder of the runs"
        _say(
            f"{where} cannot be read or written ({error.strerror or type(error).__name__}): choose a folder that this"
            " user may write to and that has room, in --checkpoints."
        )
        raise typer.Exit(2) from None


def _say(sentence: object) -> None:
    if process_number() == 0:
        print(sentence, file=sys.stderr)


def assignment(text: str) -> tuple[str, Any]:
    key, sign, value = text.partition("=")
    if not sign or not key:
        with sentences():
            raise ConfigError(f"--set needs key=value, such as method.threshold=0.9, but got {text!r}.")
    try:
        return key, json.loads(value)
    except (ValueError, RecursionError):
        return key, value


def configured(plain: dict[str, Any], assignments: list[str] | None, **more: Any) -> RunConfig:
    """A plain config with what --set asks for, and `more`, set in it. Settings of the plain config that a replaced
    choice took along are named on stderr: a preset's labels would otherwise be lost silently for another data set.
    """
    from engine.config.overlay import apply_changes, not_kept
    from engine.config.run_config import RunConfig

    changes = {**dict(assignment(text) for text in assignments or []), **more}
    config = RunConfig.parse(apply_changes(plain, changes))
    lost = [key for key in not_kept(plain, config.model_dump(mode="json")) if not _is_asked(key, changes)]
    if lost:
        _say(f"Not kept: {', '.join(lost)}. Set them with --set where what was chosen instead has them, too.")
    return config


def _is_asked(key: str, changes: dict[str, Any]) -> bool:
    return any(f"{key}.".startswith(f"{changed}.") for changed in changes)


@contextmanager
def interruptible() -> Iterator[Any]:
    """Ctrl-C asks the run to write a checkpoint and end, and so do the signals of a service that is stopped and of a
    terminal that is closed; a second one ends at once.
    """
    from engine.training.commands import Command, Control

    control = Control()
    numbers = ending_signals()
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


def ending_signals() -> list[signal.Signals]:
    """Those that end a run."""
    return [signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else [])]


class Bar:
    """A progress bar on stderr where that is a terminal, from the first image read or the run's first status on: a
    refusal leaves its sentence alone.
    """

    def __enter__(self) -> Bar:
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


def plain_config(preset: str | None, config: Path | None) -> dict[str, Any]:
    with sentences():
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


def read_images(config: RunConfig, control: Control, bar: Bar) -> None:
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
    say_report(report)


def say_report(report: Report) -> None:
    """What was read and left out, on stderr: in no program's way."""
    left_out = sum(report.skipped.values())
    rest = f"; {left_out:,} file{' was' if left_out == 1 else 's were'} left out:" if left_out else "."
    print(f"Read {report.read:,} images {report.classes()}{rest}", file=sys.stderr)
    for reason, count in report.skipped.items():
        print(f"  {count:,}: {reason}", file=sys.stderr)
    for sentence in report.sentences():
        print(sentence, file=sys.stderr)


def print_answer(value: dict[str, Any], as_json: bool) -> None:
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

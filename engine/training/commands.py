"""Commands to a running run, and when they take effect: always at the boundary between two steps."""

from __future__ import annotations

import queue
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from engine.config.run_config import RunConfig, live_settings
from engine.errors import ConfigError
from engine.runs.folder import APP_ENDED, PAUSED_APP_ENDED, Change, State
from engine.training.recorder import STATUS_SECONDS, Recorder


@dataclass(frozen=True)
class Command:
    """kind: what to do. key, value: for "set", a live setting such as "method.threshold". value of "interrupt": why."""

    kind: Literal["pause", "resume", "stop", "interrupt", "set"]
    key: str = ""
    value: Any = None


class Control:
    """Commands from any thread, read by the trainer between steps."""

    def __init__(self) -> None:
        self._commands: queue.SimpleQueue[Command] = queue.SimpleQueue()
        self.ends = False  # whether the run was ever told to stop; asked by what comes before its first step

    def send(self, command: Command) -> None:
        self.ends = self.ends or command.kind in ("stop", "interrupt")
        self._commands.put(command)

    def poll(self) -> Command | None:
        """The next command, or None at once."""
        try:
            return self._commands.get_nowait()
        except queue.Empty:
            return None

    def wait(self, timeout: float) -> Command | None:
        """The next command, or None after `timeout` seconds."""
        try:
            return self._commands.get(timeout=timeout)
        except queue.Empty:
            return None


class CommandHandler:
    """Acts on a run's commands between two steps, and keeps its live changes, recorded and replayed by their step."""

    def __init__(self, control: Control, recorder: Recorder, save: Callable[[], None]) -> None:
        """save: writes a checkpoint."""
        self.reason = ""  # why the run was told to end, if it was
        self._control, self._recorder, self._save = control, recorder, save
        self._folder = recorder.folder
        self._changes = self._folder.changes()

    def obey(self, config: RunConfig) -> State | None:
        """Act on the commands that wait. Returns the state to end in, or None to go on."""
        command = self._control.poll()
        while command is not None:
            if command.kind == "set":
                self._change(command, config)
            elif command.kind == "pause":
                command = self._pause(config)
                continue
            elif command.kind in ("stop", "interrupt"):
                self.reason = str(command.value or "")
                return "stopped" if command.kind == "stop" else "interrupted"
            command = self._control.poll()
        return None

    def ends(self) -> State | None:
        """The state in which a run that has taken its last step was told to end, if it was. What else it is told comes
        too late.
        """
        command = self._control.poll()
        while command is not None:
            if command.kind in ("stop", "interrupt"):
                self.reason = str(command.value or "")
                return "stopped" if command.kind == "stop" else "interrupted"
            command = self._control.poll()
        return None

    def replay(self, config: RunConfig) -> RunConfig:
        """`config` with the changes that are due at the recorder's step; itself if there is none."""
        # By step, not by line: after a kill the user may have changed something at an earlier step than a change that
        # waits to be replayed.
        due = sorted((one for one in self._changes if one.step <= self._recorder.step), key=lambda one: one.step)
        for change in due:
            self._changes.remove(change)
            config = config.with_changes({change.key: change.value})
        return config

    def _pause(self, config: RunConfig) -> Command | None:
        recorder = self._recorder
        recorder.tick()
        self._save()
        self._folder.add_event("pause", recorder.step)
        recorder.tell("paused")
        while True:
            command = self._control.wait(STATUS_SECONDS)
            if command is None:
                recorder.tell("paused")
            elif command.kind == "set":
                self._change(command, config)
            elif command.kind == "resume":
                self._folder.add_event("resume", recorder.step)
                break
            elif command.kind in ("stop", "interrupt"):
                if command.value == APP_ENDED:
                    command = Command(command.kind, value=PAUSED_APP_ENDED)
                break
        recorder.restart_clock()
        recorder.tell("running")
        return command if command.kind in ("stop", "interrupt") else self._control.poll()

    def _change(self, command: Command, config: RunConfig) -> None:
        """A live change: checked, recorded with its step, and only then in force, so that a resumed run replays it."""
        step = self._recorder.step
        refusal = f"{command.key} cannot be changed while training." if command.key not in live_settings(config) else ""
        if not refusal:
            try:
                config.with_changes({command.key: command.value})
            except ConfigError as error:
                refusal = str(error)
        if refusal:
            self._folder.add_event("refused", step, key=command.key, reason=refusal)
            return
        self._folder.add_event("change", step, key=command.key, value=command.value)
        self._changes.append(Change(step, command.key, command.value))

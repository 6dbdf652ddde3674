"""A real Lab with its real processes: the queue, the commands, and what is left when one of the processes dies."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from engine.errors import LabError, RunError, UnknownName
from engine.lab.executors.inline import train
from engine.lab.lab import Lab
from engine.lab.messages import CheckConfig, GetCatalog, MeasureSpeed
from engine.lab.request import Request
from engine.lab.worker_client import Message, WorkerClient
from engine.runs.folder import RunFolder
from engine.runs.store import Run, Store
from engine.training.commands import Command, Control
from engine.training.trainer import Trainer
from tests.integration.lab_helpers import close, created, happened, plain, until_state
from tests.integration.trainer_process import At
from tests.waiting import until

pytestmark = pytest.mark.slow

LONG = 200_000  # steps: minutes, so that a test ends it


@pytest.fixture(scope="module")
def left_over(tmp_path_factory: pytest.TempPathFactory) -> dict[str, RunFolder]:
    """A checkpoints folder as a killed server leaves it: one run says it is running, another that it is paused, both at
    step 20.
    """
    store = Store(tmp_path_factory.mktemp("lab") / "checkpoints")
    folders = {}
    for state in ("running", "paused"):
        folders[state] = created(store)
        Trainer(folders[state], At(20, Command("interrupt"))).run()
        folders[state].update_status(state=state)
    return folders


@pytest.fixture(scope="module")
def lab(left_over: dict[str, RunFolder]) -> Iterator[Lab]:
    lab = Lab(left_over["running"].path.parent).start()
    yield lab
    close(lab)


@pytest.fixture(autouse=True)
def _nothing_left_training(lab: Lab) -> Iterator[None]:
    yield
    for run in lab.store.runs():
        if run.status.state == "queued" or run.id == lab.current:
            try:
                lab.command(run.id, "stop")
            except LabError:  # it has just ended
                continue
    until(lambda: lab.current is None, "the end of what a test left training")


def training(lab: Lab, **more: Any) -> RunFolder:
    """A long run that has taken its first steps."""
    folder = lab.submit(plain(LONG, **more))
    until(lambda: folder.status().state == "running" and folder.status().step > 0, "the first step")
    return folder


# the app was restarted


def test_a_run_that_was_training_when_the_app_died_goes_on_to_its_end(
    lab: Lab, left_over: dict[str, RunFolder]
) -> None:
    folder = left_over["running"]
    until_state(folder, "finished")
    assert happened(folder) == ["start", "interrupted", "interrupted", "resume", "continue", "finished"]
    resumed = folder.events()[3]
    assert (resumed["step"], resumed["reason"]) == (20, "FewLab was restarted and goes on with this run.")
    assert folder.status().step == 40


def test_a_run_that_was_paused_when_the_app_died_waits(lab: Lab, left_over: dict[str, RunFolder]) -> None:
    folder = left_over["paused"]
    # With the lock it still waits until a process that may be writing has been quiet for a while.
    until(lambda: folder.status().state != "paused", "a look at what was left over")
    assert (folder.status().state, folder.status().step) == ("interrupted", 20)
    assert folder.status().reason == "FewLab ended while this run was paused."
    lab.resume(folder.id)
    until_state(folder, "finished")


# the queue


def test_a_submitted_run_trains_to_its_end(lab: Lab) -> None:
    folder = lab.submit(plain(name="mine"))
    until_state(folder, "finished")
    status = folder.status()
    assert (status.step, status.steps, status.reason) == (40, 40, "")
    assert status.seconds > 0
    assert status.images_per_second > 0
    assert set(status.metrics) == {
        f"{part}/{name}" for part in ("validation", "test") for name in ("accuracy", "macro_f1", "auc_roc", "ece")
    }
    assert happened(folder) == ["start", "finished"]
    assert folder.snapshot_steps() == [20, 40]
    assert folder.model_file.exists()
    until(lambda: lab.current is None, "an idle lab")


def test_a_run_that_another_process_trains_is_followed_to_its_end(lab: Lab) -> None:
    until(lambda: lab.trains, "the lock")
    run = train(plain(6000), lab.store.root)  # longer than one look at it lasts
    assert (run.status.state, run.status.step) == ("finished", 6000)
    assert run.status.pid != os.getpid()


def test_two_runs_submitted_at_once_train_one_after_the_other(lab: Lab) -> None:
    folders: list[RunFolder] = []
    threads = [threading.Thread(target=lambda: folders.append(lab.submit(plain(400)))) for _ in range(2)]
    for thread in threads:
        thread.start()
    seen: set[tuple[str, ...]] = set()

    def both_ended() -> bool:
        states = tuple(sorted(folder.status().state for folder in folders))
        seen.add(states)
        assert states.count("running") <= 1
        return states == ("finished", "finished")

    until(both_ended, "the end of both runs")
    for thread in threads:
        thread.join()
    assert ("queued", "running") in seen
    assert ("finished", "running") in seen
    first, second = sorted(folders, key=lambda folder: folder.events()[0]["time"])
    assert first.events()[-1]["time"] <= second.events()[0]["time"]


def test_the_queue_can_be_rearranged_and_left(lab: Lab) -> None:
    training(lab)
    a, b, c = (lab.submit(plain()) for _ in range(3))
    lab.move(c.id, -2)
    assert [run.id for run in lab.store.queue()] == [c.id, a.id, b.id]
    lab.move(c.id, 1)
    assert [run.id for run in lab.store.queue()] == [a.id, c.id, b.id]
    lab.command(c.id, "stop")
    assert (c.status().state, c.status().reason) == ("stopped", "It was taken out of the queue.")
    lab.delete(a.id)
    assert [run.id for run in lab.store.queue()] == [b.id]
    with pytest.raises(RunError) as refused:
        lab.move(c.id, 1)
    assert str(refused.value) == f"Run {c.id} does not wait in the queue any more."


# commands


def test_a_run_is_paused_changed_resumed_and_stopped(lab: Lab) -> None:
    folder = training(lab, method={"name": "fixmatch", "unlabeled_ratio": 1})
    assert lab.current == folder.id
    lab.command(folder.id, "pause")
    until_state(folder, "paused")
    step = folder.status().step
    lab.change(folder.id, "method.threshold", 0.5)
    lab.change(folder.id, "method.threshold", 1.5)
    lab.change(folder.id, "budget.steps", 10)
    until(lambda: len(folder.events()) == 5, "the three answers")
    assert (folder.status().state, folder.status().step) == ("paused", step)
    lab.resume(folder.id)
    until(lambda: folder.status().state == "running" and folder.status().step > step, "a step after the pause")
    lab.command(folder.id, "stop")
    until_state(folder, "stopped")
    assert happened(folder) == ["start", "pause", "change", "refused", "refused", "resume", "stopped"]
    _, pause, change, too_high, not_live, resumed, _ = folder.events()
    assert pause["step"] == change["step"] == resumed["step"] == step
    assert (change["key"], change["value"]) == ("method.threshold", 0.5)
    assert too_high["reason"] == "method.threshold is 1.5 but must be at most 1.0."
    assert not_live["reason"] == "budget.steps cannot be changed while training."
    assert folder.model_file.exists()


def test_a_stopped_run_goes_on_where_it_stopped(lab: Lab) -> None:
    folder = training(lab)
    lab.command(folder.id, "stop")
    until_state(folder, "stopped")
    step = folder.status().step
    lab.resume(folder.id)
    until(lambda: folder.status().state == "running" and folder.status().step > step, "a step after the stop")
    lab.command(folder.id, "stop")
    until_state(folder, "stopped")
    assert happened(folder) == ["start", "stopped", "resume", "continue", "stopped"]
    assert [event["step"] for event in folder.events()][:4] == [0, step, step, step]


def test_a_run_that_a_closing_lab_cannot_hand_over_stays_in_the_queue(tmp_path: Path) -> None:
    lab = Lab(tmp_path)
    folder = created(lab.store)
    # As if `close` came between the worker thread's look at the queue and the line to its process.
    lab._closing = True
    lab.trainer.close()
    lab._train(lab.store.run(folder.id))
    assert folder.status().state == "queued"
    assert folder.events() == []


def test_what_does_not_train_here_cannot_be_commanded(lab: Lab) -> None:
    folder = created(Store(lab.store.root))
    folder.update_status(state="finished")
    with pytest.raises(LabError) as refused:
        lab.command(folder.id, "pause")
    assert (
        str(refused.value)
        == f"Run {folder.id} is not training here, so it cannot be told to pause: its state is finished."
    )
    with pytest.raises(LabError) as refused:
        lab.change(folder.id, "method.threshold", 0.5)
    assert (
        str(refused.value)
        == f"Run {folder.id} is not training here, so method.threshold cannot be changed: start it again with the new"
        " value."
    )
    with pytest.raises(UnknownName):
        lab.command("../x", "stop")


def test_the_run_that_trains_cannot_be_deleted(lab: Lab) -> None:
    folder = training(lab)
    with pytest.raises(RunError) as refused:
        lab.delete(folder.id)
    assert str(refused.value) == f"Run {folder.id} is training: stop it before deleting it."


# mistakes


@pytest.mark.parametrize(
    ("config", "sentence"),
    [
        ({"method": {"name": "fixmach"}}, "There is no method named 'fixmach': did you mean 'fixmatch'?"),
        ({"method": {"name": "fixmatch", "threshold": 1.4}}, "method.threshold is 1.4 but must be at most 1.0."),
        (
            {"data": {"labels": {"kind": "few", "per_class": 200}}},
            "200 labels per class are asked for, but class '0' has 128 training images: ask for at most 125, or switch"
            " data.labels.at_most on.",
        ),
    ],
)
def test_a_wrong_config_is_refused_in_one_sentence_and_leaves_no_run(
    lab: Lab, config: dict[str, Any], sentence: str
) -> None:
    before = len(lab.store.runs())
    with pytest.raises(LabError) as refused:
        lab.submit(config)
    assert str(refused.value) == sentence
    assert len(lab.store.runs()) == before


@dataclass(frozen=True)
class Unknown(Request[None]):
    name = "meaning"


def test_the_assistant_answers_while_training_goes_on(lab: Lab) -> None:
    folder = training(lab)
    step = folder.status().step
    assert "fixmatch" in lab.assistant.ask(GetCatalog())["methods"]
    with pytest.raises(LabError) as refused:
        lab.assistant.ask(Unknown())
    assert (
        str(refused.value)
        == "The engine could not answer (KeyError); its log in the checkpoints folder has the details."
    )
    until(lambda: folder.status().step > step, "a step meanwhile")


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="reads a process's environment from /proc")
def test_the_training_process_is_started_with_a_small_spin_count_unless_another_is_set(lab: Lab) -> None:
    environment = Path(f"/proc/{lab.trainer.pid}/environ").read_bytes().split(b"\0")
    assert f"GOMP_SPINCOUNT={os.environ.get('GOMP_SPINCOUNT', '10000')}".encode() in environment


# deaths


def test_a_short_question_does_not_wait_for_a_slow_one(lab: Lab) -> None:
    slow = lab.assistant.ask_later(MeasureSpeed(plain(), seconds=8.0))
    lab.assistant.ask(GetCatalog())
    assert not slow.done()
    assert slow.result(60)["step"] > 0


def test_a_killed_training_process_costs_one_run_its_last_seconds_and_no_other_anything(lab: Lab) -> None:
    folder = training(lab)
    waiting = lab.submit(plain())
    pid = lab.trainer.pid
    assert pid is not None
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    until_state(folder, "interrupted")
    assert (
        folder.status().reason
        == "The training process ended unexpectedly (out of memory or killed): resume the run to go on from its last"
        " checkpoint."
    )
    until_state(waiting, "finished")
    assert lab.trainer.pid not in (None, pid)
    lab.resume(folder.id)
    until_state(folder, "running")


def test_a_killed_assistant_is_started_again_by_the_next_question(lab: Lab) -> None:
    pid = lab.assistant.pid
    assert pid is not None
    asked = lab.assistant.ask_later(MeasureSpeed(plain(), seconds=60.0))
    os.kill(pid, getattr(signal, "SIGKILL", signal.SIGTERM))
    with pytest.raises(LabError) as refused:
        asked.result(30)
    assert str(refused.value) == "The engine's process ended before it answered: try again."
    until(lambda: lab.assistant.pid is None, "the death of the assistant")
    assert lab.check(plain())["method"] == {"name": "supervised"}


def test_a_new_assistant_answers_while_the_old_ones_end_is_still_being_read(tmp_path: Path) -> None:
    """The end of a child is read late, on purpose: neither the new child nor its questions may suffer from it."""
    died: list[Message] = []
    old_ends = threading.Event()

    def slowly(message: Message) -> None:
        if message.get("event") == "died" and not died:
            died.append(message)
            assert old_ends.wait(60)
        elif message.get("event") == "died":
            died.append(message)

    link = WorkerClient(tmp_path / "log", slowly)
    link.start()
    first = link.pid
    assert first is not None
    os.kill(first, getattr(signal, "SIGKILL", signal.SIGTERM))
    until(lambda: len(died) == 1, "the end of the first child")
    asked = link.ask_later(CheckConfig(plain(), str(tmp_path)))
    second = link.pid
    old_ends.set()
    assert asked.result(60)["method"] == {"name": "supervised"}
    assert link.pid == second
    assert [message["pid"] for message in died] == [first]
    link.close()
    assert link.wait(60)


def test_a_run_is_taken_out_of_a_foreign_queue_by_ctrl_c(lab: Lab) -> None:
    blocking = training(lab)
    before = {run.id for run in lab.store.runs()}
    control = Control()
    ended: list[Run] = []
    waiting = threading.Thread(target=lambda: ended.append(train(plain(), lab.store.root, control=control)))
    waiting.start()
    until(lambda: len(lab.store.runs()) > len(before), "the second run in the queue")
    control.send(Command("interrupt"))
    waiting.join(30)
    assert [(run.status.state, run.status.reason, run.status.step) for run in ended] == [
        ("stopped", "It was taken out of the queue.", 0)
    ]
    assert blocking.status().state == "running"

"""The command line's `sweep`: settings chosen by validation accuracy, and tested on new draws of labels."""

from __future__ import annotations

import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from engine.errors import ConfigError
from engine.runs.store import Store
from engine.terminal import (
    DEFAULT,
    Bar,
    Checkpoints,
    Json,
    configured,
    interruptible,
    plain_config,
    print_answer,
    read_images,
    sentences,
)
from engine.tuning.sweep_folder import SweepFolder, SweepStatus, SweepStore, Trial
from engine.tuning.sweep_plan import SweepPlan
from engine.tuning.verdict import verdict

if TYPE_CHECKING:
    from engine.config.parts import Hardware
    from engine.training.commands import Control
    from engine.tuning.driver import TrainsRuns

# What a sweep keeps once it has begun.
_OTHERWISE = {
    "config": "other settings",
    "source": "another preset or run",
    "dimensions": "other ranges",
    "label_draws": "another number of label draws",
    "seed": "another seed",
}


def sweep(
    preset: Annotated[str | None, typer.Option(help="Begin with the settings of a preset (see: presets).")] = None,
    config: Annotated[Path | None, typer.Option(help="Begin with the settings in a JSON file.")] = None,
    run: Annotated[str | None, typer.Option(help="Begin with the settings of a run.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option("--set", help="Change a setting for all trials: budget.steps=500. May be repeated."),
    ] = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            help="What varies: KEY=LOW:HIGH, KEY=LOW:HIGH:log, KEY=A,B,C, or KEY alone for the range that is proposed."
            " May be repeated."
        ),
    ] = None,
    trials: Annotated[int | None, typer.Option(help="Trials in all, 40 unless said otherwise.")] = None,
    minutes: Annotated[
        float | None, typer.Option(help="Minutes of training in all; the trial under way is finished. 0: no limit.")
    ] = None,
    label_draws: Annotated[
        int | None, typer.Option(help="Draws of labels that each trial is trained on, 2 unless said otherwise.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Decides which settings are tried, and on which draws.")] = None,
    name: Annotated[str | None, typer.Option(help="The sweep's name; one that is there already goes on.")] = None,
    fresh_seeds: Annotated[
        int,
        typer.Option(
            help="Search no further: train the best settings, and those the sweep began with, on so many new draws of"
            " labels, and compare their test accuracies."
        ),
    ] = 0,
    on: Annotated[
        str | None,
        typer.Option(
            help="Train on the machines of a Ray cluster, several runs at once: ray://HOST:PORT. All of them have the"
            " folder of the runs under the same path (docs/SERVER.md)."
        ),
    ] = None,
    checkpoints: Checkpoints = DEFAULT,
    as_json: Json = False,
) -> None:
    """Search for better settings by validation accuracy, pruning poor trials; a sweep that was cut off goes on under
    its name.
    """
    with sentences():
        from engine.config.run_config import RunConfig

        store = SweepStore(checkpoints)
        base = (preset, config, run, changes)
        named = None if name is None or not (store.root / name / "plan.json").exists() else store.open(name)
        if named is None and fresh_seeds:
            if name is None:
                raise ConfigError("Say which sweep's best settings to test: give its --name.")
            named = store.open(name)
        opened = _planned(named, vary, (trials, minutes, label_draws, seed), base, name, checkpoints)
        with interruptible() as control, Bar() as bar:
            parsed = RunConfig.parse(opened.config)
            training = _trainer(on, parsed.hardware, checkpoints, control, bar)
            read_images(parsed, control, bar)
            with training as trainer:
                folder = named or _created(store, opened, checkpoints)
                if fresh_seeds:
                    folder.ask_for_fresh_seeds(fresh_seeds)
                else:
                    folder.write_plan(opened)
                    folder.want("run", "search")
                status = _driven(folder, checkpoints, trainer)
            if control.ends:
                folder.want("pause")
    answer = _answer(folder, status)
    if as_json:
        print_answer(answer, as_json)
    else:
        _print(answer, status)
    if status.reason:
        print(status.reason, file=sys.stderr)


def _planned(
    named: SweepFolder | None,
    vary: list[str] | None,
    amounts: tuple[int | None, float | None, int | None, int | None],
    base: tuple[str | None, Path | None, str | None, list[str] | None],
    name: str | None,
    checkpoints: Path,
) -> SweepPlan:
    """The sweep as asked for; one that is there already goes on as it was planned, with another budget if one is given.
    Raises ConfigError where it was planned otherwise.
    """
    trials, minutes, label_draws, seed = amounts
    before = None if named is None else named.plan()
    if before is not None and not vary and not any(base):
        asked = before
    else:
        asked = _asked(vary, label_draws, seed, base, name, checkpoints)
    if before is not None:
        changed = next((field for field in _OTHERWISE if getattr(asked, field) != getattr(before, field)), None)
        for field, value in (("label_draws", label_draws), ("seed", seed)):
            if value is not None and value != getattr(before, field):
                changed = field
        if changed is not None:
            raise ConfigError(
                f"The sweep {before.name} was begun with {_OTHERWISE[changed]}: leave that out to go on with it, or"
                " give the new sweep another --name."
            )
        asked = before
    return asked.with_budget(trials, minutes)


def _asked(
    vary: list[str] | None,
    label_draws: int | None,
    seed: int | None,
    base: tuple[str | None, Path | None, str | None, list[str] | None],
    name: str | None,
    checkpoints: Path,
) -> SweepPlan:
    from engine.catalog import catalog
    from engine.tuning.dimension import parse_dimension

    preset, file, run, changes = base
    if run is not None and (preset or file):
        raise ConfigError("Give a run, a preset or a config file, not several of them.")
    plain = plain_config(preset, file) if run is None else Store(checkpoints).run(run).config
    config = configured(plain, changes, name="").model_dump(mode="json")
    choices = catalog()
    source = (
        preset or run or (file.stem if file is not None else f"{config['data']['name']}-{config['method']['name']}")
    )
    return SweepPlan(
        name or SweepStore(checkpoints).free_name(source),
        config,
        source,
        tuple(parse_dimension(text, config, choices) for text in vary or []),
        label_draws=2 if label_draws is None else label_draws,
        seed=0 if seed is None else seed,
        created=time.time(),
    ).check()


def _created(store: SweepStore, plan: SweepPlan, checkpoints: Path) -> SweepFolder:
    from engine.tuning.sweep_check import check_sweep

    check_sweep(plan, checkpoints)
    return store.create(plan)


def _trainer(
    on: str | None, hardware: Hardware, checkpoints: Path, control: Control, bar: Bar
) -> AbstractContextManager[TrainsRuns]:
    if on is None:
        from engine.lab.executors.inline_sweep import InlineTrainer

        return nullcontext(InlineTrainer(checkpoints, control, bar.show))
    from engine.lab.executors.ray_trainer import RayTrainer

    return RayTrainer(checkpoints, hardware, on, control)


def _driven(folder: SweepFolder, checkpoints: Path, trainer: TrainsRuns) -> SweepStatus:
    from engine.tuning.driver import SweepDriver

    said: set[int] = set()

    def told(status: SweepStatus) -> None:
        for trial in status.trials:
            if trial.state != "running" and trial.number not in said:
                said.add(trial.number)
                print(_line(trial), file=sys.stderr)

    print(f"Sweep {folder.name}: Ctrl-C pauses it, and the same --name goes on.", file=sys.stderr)
    return SweepDriver(folder, checkpoints, trainer, told).drive()


def _print(answer: dict[str, Any], status: SweepStatus) -> None:
    counts = ", ".join(f"{count} {state}" for state, count in answer["trials"].items() if count)
    print(
        f"sweep {answer['sweep']} {answer['state']}: {counts or 'no trial yet'}; {answer['minutes']:g} min of training"
    )
    for trial in status.best():
        print(f"  {_line(trial)}: {' '.join(draw.run for draw in trial.draws)}")
    for key, share in answer["importance"].items():
        print(f"  {share:.0%} of the differences: {key}")
    if (fresh := answer.get("fresh")) is not None:
        for words, side in ((f"settings of trial {fresh['trial']}", fresh["best"]), ("its own", fresh["own"])):
            spread = "" if side["spread"] is None else f" ± {100 * side['spread']:.1f}"
            print(f"test accuracy on {fresh['draws']} new draws, {words}: {100 * side['mean']:.1f}{spread} %")
        print(fresh["sentence"])


def _line(trial: Trial) -> str:
    accuracy = "" if trial.accuracy is None else f", validation accuracy {trial.accuracy:.1%}"
    why = f": {trial.reason}" if trial.state == "failed" else ""
    settings = ", ".join(f"{key}={_shown(value)}" for key, value in trial.values.items())
    return f"trial {trial.number} {trial.state}{accuracy} ({settings}){why}"


def _shown(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _answer(folder: SweepFolder, status: SweepStatus) -> dict[str, Any]:
    states = [trial.state for trial in status.trials]
    answer: dict[str, Any] = {
        "sweep": folder.name,
        "state": folder.shown_state(),
        "trials": {state: states.count(state) for state in ("finished", "pruned", "failed", "running")},
        "minutes": round(status.seconds / 60, 2),
        "best": [
            {
                "trial": trial.number,
                "validation/accuracy": trial.accuracy,
                "settings": trial.values,
                "runs": [draw.run for draw in trial.draws],
            }
            for trial in status.best()
        ],
        "importance": status.importance,
    }
    judged = None if status.fresh is None else verdict(status.fresh)
    if judged is not None and status.fresh is not None:
        answer["fresh"] = {
            "trial": status.fresh.trial,
            "draws": judged.draws,
            "best": {"mean": judged.best, "spread": judged.best_spread},
            "own": {"mean": judged.own, "spread": judged.own_spread},
            "sentence": judged.sentence,
        }
    return answer

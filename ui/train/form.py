"""The Train page's form: data, method, network and budget from the schemas; what was typed stays when pages change."""

from __future__ import annotations

from typing import Any, NamedTuple

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from engine.presets import PRESETS
from ui.forms import schema_form as forms
from ui.forms.import_form import own_images
from ui.runs.prefill import CONFIG, GENERATION, own_labels
from ui.runs.run_names import automatic_name
from ui.shell.page import escape_markdown, expander
from ui.shell.server import catalog
from ui.style import illustrations
from ui.style.svg import label_of
from ui.train.initial_weights import choose_initial_weights, newest_features
from ui.train.label_budget import label_budget, more_of_labels

Config = dict[str, Any]
SITUATIONS = {
    "few": "Few labels, many images",
    "none": "No labels",
    "partial": "Several possible labels each",
    "model": "A model to build on",
}


class Form(NamedTuple):
    """config: as it is set now. import_side: where images that must be read first are read. images_side: where the
    labeled images go beside an open run.
    """

    config: Config
    import_side: DeltaGenerator
    images_side: DeltaGenerator


def train_form() -> Form:
    """Draw the form, what decides most at its top."""
    choices = catalog()
    config: Config = dict(st.session_state.get(CONFIG) or own_labels(choices["presets"]["digits-fixmatch"]["config"]))
    key = form = f"train_{st.session_state.setdefault(GENERATION, 0)}"
    situation: str = st.selectbox(
        "What do you have?",
        list(SITUATIONS),
        list(SITUATIONS).index(situation_of(config, choices)),
        format_func=lambda name: SITUATIONS[name],
        key=f"{key}_have",
    )
    with st.container(border=True, key="form_data", gap="xsmall"):
        st.markdown("**1 · Data**")
        by_title = dict(sorted(choices["datasets"].items(), key=lambda item: item[1]["title"].lower()))
        data = _choose("Data set", by_title, config["data"]["name"], f"{key}_data", is_named=True)
        data_container, import_side = st.container(gap="xsmall"), st.container(gap="xsmall")
        st.caption(escape_markdown(by_title[data]["summary"]))
    with st.container(border=True, key="form_method", gap="xsmall"):
        st.markdown("**2 · Method**")
        fitting = {name: part for name, part in choices["methods"].items() if situation in _situations(part)}
        current = config["method"]["name"] if config["method"]["name"] in fitting else _first_method(situation)
        method = _choose("Method", fitting, current, f"{key}_{situation}_method", is_named=True)
        method_container = st.container(gap="xsmall")
        st.caption(escape_markdown(fitting[method]["summary"]))
        drawing = illustrations.of_method(method, situation)
        st.image(drawing, width=160, alt=label_of(drawing))
        st.caption(f"Paper: {escape_markdown(fitting[method]['paper'])}")
        more_container = st.container()
    images_side = st.container()
    if (method, data) != (before := (config["method"]["name"], config["data"]["name"])):
        config = _switched(
            config,
            choices["defaults"].get("/".join(before), {}),
            choices["defaults"][f"{method}/{data}"],
            choices["methods"][method],
        )
        if choices["methods"][method]["transfers"] and config["backbone"].get("init", "random") == "random":
            config["backbone"] = newest_features(data) or config["backbone"]
    key = f"{key}_{method}_{data}"
    with data_container:
        config["data"] = _data(config["data"], choices, choices["methods"][method]["supervision"], f"{key}_data", form)
    with method_container:
        config["method"] = forms.settings(
            choices["methods"][method]["schema"], config["method"], f"{key}_method", advanced=False
        )
    with more_container:
        if (more := expander("More settings", f"{form}_method_more")) is not None:
            with more:
                config["method"] = forms.settings(
                    choices["methods"][method]["schema"], config["method"], f"{key}_method", advanced=True
                )
                for view, usual in choices["methods"][method]["views"].items():
                    st.markdown(f"*{view.replace('_', ' ').capitalize()} view*")
                    asked = config["augment"].get(view, usual)
                    made = _view(asked, usual["name"], choices["recipes"], f"{key}_{view}")
                    config["augment"] = {**config["augment"], view: made}
    with st.container(border=True, key="form_budget", gap="xsmall"):
        st.markdown("**3 · Network and budget**")
        fit = choices["methods"][method]["backbones"]
        networks = {name: part for name, part in choices["backbones"].items() if fit is None or name in fit}
        backbone = _choose("Network", networks, config["backbone"]["name"], f"{key}_backbone")
        st.caption(escape_markdown(networks[backbone]["summary"]))
        if backbone != config["backbone"]["name"]:
            config["backbone"] = {"name": backbone}
        config["backbone"] = choose_initial_weights(config["backbone"], f"{key}_backbone_{backbone}")
        if choices["methods"][method]["transfers"] and config["backbone"].get("init") == "random":
            st.caption("Random weights carry no features to transfer: train a run first, or choose a weights file.")
        # An earlier run's features bring its network's settings along.
        if not str(config["backbone"].get("init", "")).startswith("run:"):
            config["backbone"] = forms.settings(
                choices["backbones"][backbone]["schema"],
                config["backbone"],
                f"{key}_backbone_{backbone}",
                skip=("init",),
            )
        fitted = choices["methods"][method]["fitted"]
        config["budget"] = forms.settings(
            choices["budget"]["schema"],
            config["budget"],
            f"{key}_budget",
            advanced=False,
            skip=("batch_size",) if fitted else (),
        )
        if (more := expander("More settings", f"{form}_budget_more")) is not None:
            with more:
                config["budget"] = forms.settings(
                    choices["budget"]["schema"], config["budget"], f"{key}_budget", advanced=True
                )
                config["training"] = forms.settings(
                    choices["training"]["schema"], config.get("training", {}), f"{key}_training"
                )
                if not fitted:
                    config["optimizer"] = _optimizer(config["optimizer"], choices, f"{key}_optimizer")
                config["hardware"] = forms.settings(
                    choices["hardware"]["schema"], config["hardware"], f"{key}_hardware"
                )
                config["seed"] = int(
                    st.number_input(
                        "Seed",
                        0,
                        2**31 - 1,
                        config["seed"],
                        key=f"{key}_seed",
                        help="Seeds initialization, data order and augmentation, and which images are labeled.",
                    )
                )
                config["name"] = st.text_input(
                    "Name of the run",
                    config["name"],
                    max_chars=200,
                    key=f"{key}_name",
                    placeholder=automatic_name(config),
                )
    st.session_state[CONFIG] = config
    return Form(config, import_side, images_side)


def _situations(method: Config) -> set[str]:
    """Which of SITUATIONS this method is made for."""
    return (
        {"model"}
        if method["transfers"]
        else {"few" if kind in ("few", "all") else kind for kind in method["supervision"]}
    )


def _first_method(situation: str) -> str:
    """The one that Start tries first with what somebody has; "" where it offers none."""
    first = (preset for preset in PRESETS.values() if preset.situation == situation)
    return next((str(preset.config["method"]["name"]) for preset in first), "")


def situation_of(config: Config, choices: Config) -> str:
    """Which of SITUATIONS a config belongs to."""
    return min(_situations(choices["methods"][config["method"]["name"]]))


def _choose(label: str, options: dict[str, Any], current: str, key: str, *, is_named: bool = False) -> str:
    """is_named: the heading above says already what is chosen; the label is read aloud only."""
    names = list(options)
    chosen: str = st.selectbox(
        label,
        names,
        names.index(current) if current in names else 0,
        format_func=lambda name: options[name]["title"],
        key=key,
        label_visibility="collapsed" if is_named else "visible",
    )
    return chosen


def _switched(config: Config, before: Config, defaults: Config, method: Config) -> Config:
    """Another method or data set: its own defaults, but for what was set by hand otherwise than the old one's."""
    same: Config = {part: config[part] for part in ("seed", "hardware", "training", "name") if part in config}
    # Of another kind of labels: steps and batches are its own.
    alike = config["data"]["labels"]["kind"] in method["supervision"]
    parts = ("backbone", "budget") if method["fitted"] else ("backbone", "budget", "optimizer")
    changed: Config = {part: config[part] for part in parts if alike and config[part] != before.get(part)}
    switched = {**defaults, **same, **changed, "data": {**defaults["data"], "split_seed": None}}
    if config["data"]["name"] == defaults["data"]["name"]:
        labels = config["data"]["labels"] if alike else defaults["data"]["labels"]
        switched["data"] = {**config["data"], "labels": labels}
        old = before.get("augment", {})
        mine = {
            name: recipe
            for name, recipe in config["augment"].items()
            if name in defaults["augment"] and recipe != old.get(name)
        }
        switched["augment"] = {**defaults["augment"], **mine}
    return switched


def _data(values: Config, choices: Config, supervision: list[str], key: str, form: str) -> Config:
    schema = choices["datasets"][values["name"]]["schema"]
    # Which images they are comes before how many of them are labeled.
    if values["name"] == "folder":
        rest = tuple(name for name in schema["properties"] if name != "path")
        values = own_images(forms.settings(schema, values, key, skip=rest), key)
        values = forms.settings(schema, values, key, advanced=False, skip=("labels", "path"))
    values = label_budget(values, choices, supervision, key, form)
    if (more := expander("More settings", f"{form}_data_more")) is not None:
        with more:
            values = more_of_labels(values, choices, key)
            values = forms.settings(
                schema, values, key, advanced=True if values["name"] == "folder" else None, skip=("labels",)
            )
    return values


def _view(values: Config, usual: str, recipes: Config, key: str) -> Config:
    current = values.get("name", usual)
    recipe: str = st.selectbox(
        "Recipe",
        list(recipes),
        list(recipes).index(current),
        format_func=forms.words,
        key=f"{key}_recipe",
        help=f"How this view is made. The method's own is {usual}.",
    )
    return forms.settings(
        recipes[recipe]["schema"], values if recipe == current else {"name": recipe}, f"{key}_{recipe}"
    )


def _optimizer(values: Config, choices: Config, key: str) -> Config:
    optimizers = choices["optimizers"]
    name: str = st.selectbox(
        "Optimizer", list(optimizers), list(optimizers).index(values["name"]), format_func=str.upper, key=f"{key}_name"
    )
    if name != values["name"]:
        shared = ("weight_decay", "weight_decay_end", "schedule", "warmup_steps", "ema_decay")
        values = {"name": name, **{part: values[part] for part in shared if part in values}}
    schema = optimizers[name]["schema"]
    schedule = _schedule(values["schedule"], schema["properties"]["schedule"], choices["schedules"], f"{key}_schedule")
    return {**forms.settings(schema, values, f"{key}_{name}", skip=("schedule",)), "schedule": schedule}


def _schedule(value: str | Config, field: Config, schedules: Config, key: str) -> str | Config:
    """A schedule by its name, or with its settings where it has any."""
    values = {"name": value} if isinstance(value, str) else value
    names = list(schedules)
    name: str = st.selectbox(
        "Schedule",
        names,
        names.index(values["name"]),
        format_func=forms.words,
        key=f"{key}_name",
        help=field.get("description"),
    )
    settings = forms.settings(
        schedules[name]["schema"], values if name == values["name"] else {"name": name}, f"{key}_{name}"
    )
    return name if settings.keys() <= {"name"} else settings

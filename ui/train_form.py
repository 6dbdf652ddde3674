"""The Train page's form: data, method, network and budget from the schemas; what was typed stays when pages change."""

from __future__ import annotations

from typing import Any

import numpy as np
import streamlit as st

from engine.errors import FewLabError
from engine.runs.pictures import load_pictures
from ui import forms, theme
from ui.gallery import GalleryItem, gallery, picture_uri
from ui.page import plain
from ui.server import catalog, lab

Config = dict[str, Any]
_CONFIG, _GENERATION = "train_config", "train_generation"
_SHOWN = 40  # labeled pictures that are shown small


def prefill(config: Config) -> None:
    """Put a config into the form, as "Retrain" does; the widgets start from it anew."""
    st.session_state[_CONFIG] = _own_labels(config)
    st.session_state[_GENERATION] = st.session_state.get(_GENERATION, 0) + 1


def train_form() -> Config:
    """Draw the form; returns the config as it is set now."""
    shelf = catalog()
    config: Config = dict(st.session_state.get(_CONFIG) or _own_labels(shelf["presets"]["digits-fixmatch"]["config"]))
    key = f"train_{st.session_state.setdefault(_GENERATION, 0)}"
    with st.container(border=True):
        st.markdown("**1 · Data**")
        data = _choose("Data set", shelf["datasets"], config["data"]["name"], f"{key}_data")
        data_place = st.container()
    with st.container(border=True):
        st.markdown("**2 · Method**")
        fitting = {name: part for name, part in shelf["methods"].items() if f"{name}/{data}" in shelf["defaults"]}
        method = _choose("Method", fitting, config["method"]["name"], f"{key}_method")
        method_place = st.container()
    if (method, data) != (config["method"]["name"], config["data"]["name"]):
        config = _switched(config, shelf["defaults"][f"{method}/{data}"], shelf["methods"][method]["supervision"])
    key = f"{key}_{method}_{data}"
    with data_place:
        config["data"] = _data(config["data"], shelf, shelf["methods"][method]["supervision"], f"{key}_data")
    with method_place:
        config["method"] = forms.settings(shelf["methods"][method]["schema"], config["method"], f"{key}_method", advanced=False)
        with st.expander("More settings"):
            config["method"] = forms.settings(shelf["methods"][method]["schema"], config["method"], f"{key}_method", advanced=True)
            for recipe in shelf["methods"][method]["recipes"]:
                st.markdown(f"*The {recipe} view*")
                config["augment"] = {**config["augment"], recipe: forms.settings(shelf["recipes"][recipe]["schema"], config["augment"].get(recipe, {}), f"{key}_{recipe}")}
    with st.container(border=True):
        st.markdown("**3 · Network and budget**")
        backbone = _choose("Network", shelf["backbones"], config["backbone"]["name"], f"{key}_backbone")
        if backbone != config["backbone"]["name"]:
            config["backbone"] = {"name": backbone}
        config["backbone"] = forms.settings(shelf["backbones"][backbone]["schema"], config["backbone"], f"{key}_backbone_{backbone}")
        config["budget"] = forms.settings(shelf["budget"]["schema"], config["budget"], f"{key}_budget", advanced=False)
        with st.expander("More settings"):
            config["budget"] = forms.settings(shelf["budget"]["schema"], config["budget"], f"{key}_budget", advanced=True)
            config["optimizer"] = _optimizer(config["optimizer"], shelf["optimizers"], f"{key}_optimizer")
            config["hardware"] = forms.settings(shelf["hardware"]["schema"], config["hardware"], f"{key}_hardware")
            config["seed"] = int(
                st.number_input("Seed", 0, 2**31 - 1, config["seed"], key=f"{key}_seed", help="Decides the first weights, the order and the views, and which pictures are labeled.")
            )
            config["name"] = st.text_input("Name of the run", config["name"], max_chars=200, key=f"{key}_name")
    st.session_state[_CONFIG] = config
    return config


def _own_labels(config: Config) -> Config:
    """The draw of the labels follows the seed again, unless it was set apart from it: then another seed in the form draws other labels."""
    data = config["data"]
    return {**config, "data": {**data, "split_seed": None}} if data.get("split_seed") == config["seed"] else config


def _choose(label: str, options: dict[str, Any], current: str, key: str) -> str:
    names = list(options)
    chosen: str = st.selectbox(label, names, names.index(current) if current in names else 0, format_func=lambda name: options[name]["title"], key=key)
    st.caption(plain(options[chosen]["summary"]))
    return chosen


def _switched(config: Config, defaults: Config, supervision: list[str]) -> Config:
    """Another method or data set: its own defaults, keeping what does not depend on it. Labels and budget stay if the method can learn from such labels."""
    kept: Config = {part: config[part] for part in ("seed", "hardware")}
    switched = {**defaults, **kept, "name": "", "data": {**defaults["data"], "split_seed": None}}
    if config["data"]["name"] == defaults["data"]["name"] and config["data"]["labels"]["kind"] in supervision:
        switched["data"] = config["data"]
        switched["budget"] = config["budget"]
    return switched


def _data(values: Config, shelf: Config, supervision: list[str], key: str) -> Config:
    words = {"few": "A few of each class", "all": "All of them (upper bound)", "none": "None: labels only measure"}
    kinds = {kind: words[kind] for kind in words if kind in supervision}
    kind = st.segmented_control("Labels", list(kinds), default=values["labels"]["kind"], format_func=lambda kind: kinds[kind], key=f"{key}_kind") or values["labels"]["kind"]
    labels = {**values["labels"], "kind": kind} if kind == values["labels"]["kind"] else {"kind": kind}
    values = {**values, "labels": forms.settings(shelf["labels"][kind]["schema"], labels, f"{key}_{kind}")}
    with st.expander("More settings"):
        values = forms.settings(shelf["datasets"][values["name"]]["schema"], values, key, skip=("labels",))
    return values


def _optimizer(values: Config, optimizers: Config, key: str) -> Config:
    name: str = st.selectbox("Optimizer", list(optimizers), list(optimizers).index(values["name"]), format_func=str.upper, key=f"{key}_name")
    if name != values["name"]:
        shared = {part: values[part] for part in ("weight_decay", "schedule", "warmup_steps", "ema_decay")}
        values = {"name": name, **shared}
    return forms.settings(optimizers[name]["schema"], values, f"{key}_{name}")


@st.cache_data(max_entries=64, show_spinner=False)
def _preview(config: Config, root: str) -> dict[str, Any]:
    preview: dict[str, Any] = lab().assistant.ask("preview", config=config, checkpoints=root)
    return preview


def labeled_pictures(config: Config) -> None:
    """What the run would learn from: how many of each kind, and the labeled pictures, small."""
    root = str(lab().store.root)
    facts = _preview({part: config[part] for part in ("data", "method", "backbone", "augment", "seed")}, root)
    counts = facts["counts"]
    held = f", {theme.count(counts['validation'])} with labels held back for validation" if counts["validation"] else ""
    st.caption(f"{theme.count(counts['labeled'])} labeled, {theme.count(counts['unlabeled'])} unlabeled{held}, {theme.count(counts['test'])} for the test.")
    try:
        pictures = load_pictures(lab().store.root, facts["pictures"])
    except FewLabError:
        _preview.clear()
        return
    ids = np.asarray(facts["labeled"], dtype=np.int64)
    rows = pictures.rows(ids)
    order = np.argsort(pictures.labels[rows], kind="stable")[np.linspace(0, len(rows) - 1, min(_SHOWN, len(rows))).astype(int)]
    items = [
        GalleryItem(
            int(ids[i]), picture_uri(np.asarray(pictures.images[rows[i]])), (pictures.class_names[int(pictures.labels[rows[i]])],), theme.class_color(int(pictures.labels[rows[i]]))
        )
        for i in order
    ]
    gallery(items, key="train_labeled", thumb=28)

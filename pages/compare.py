"""Compare: chosen runs on one chart, the settings in which they differ, their final figures."""

from __future__ import annotations

import streamlit as st

from ui.compare.benchmark_form import race
from ui.compare.curves import draw_curves, label_budgets, many_settings
from ui.compare.run_choice import default_choice
from ui.compare.run_groups import as_csv
from ui.compare.tables import differences, final_rows, spread, table
from ui.runs.run_names import run_name, run_titles
from ui.shell.page import empty_state, expander, header, how_it_works, plain
from ui.shell.server import lab

header("Compare", "Put runs side by side: what differs in their settings, and what came of it.")
# Those that have only just been queued have no curve yet, but a race is watched from its start.
runs = {run.id: run for run in lab().store.runs() if run.folder.metrics_file.exists() or run.status.active}


if not runs:
    empty_state(
        "Nothing to compare yet. Start two runs, for example FixMatch and the labels alone, and put them side by side"
        " here.",
        ":material/compare_arrows:",
    )
else:
    choice = default_choice(runs)
    method, data = st.columns(2)
    wanted = [
        place.selectbox(
            title,
            ["all", *sorted({run.config[part]["name"] for run in runs.values()})],
            format_func=lambda name: str(name).replace("_", " "),
            key=f"compare_{part}",
        )
        for place, part, title in ((method, "method", "Method"), (data, "data", "Data set"))
    ]
    offered = [
        i
        for i, run in runs.items()
        if i in choice
        or all(want in ("all", run.config[part]["name"]) for want, part in zip(wanted, ("method", "data"), strict=True))
    ]
    titles = run_titles([runs[run_id] for run_id in offered])
    # A choice is known by its text, and that changes when a run ends: then the widget is another one, which begins with
    # what was chosen.
    place = f"compare_runs_{st.session_state.get('compare_generation', 0)}_{hash(tuple(titles.values()))}"
    picked = st.multiselect("Runs, newest first", offered, choice, format_func=lambda run_id: titles[run_id], key=place)
    st.session_state["compare_chosen"] = picked
    if st.query_params.get_all("runs") != picked:
        st.query_params["runs"] = picked
    chosen = [runs[run_id] for run_id in picked]
    if not chosen:
        st.info("Choose at least one run above.")
    else:
        watched = [run.id for run in chosen]
        active = any(run.status.active for run in chosen)

        @st.fragment(run_every=2.0 if active else None)
        def live() -> None:
            now = [run for run in lab().store.runs() if run.id in watched]
            if [run.status.state for run in sorted(now, key=lambda run: watched.index(run.id))] != [
                run.status.state for run in chosen
            ]:
                st.rerun()  # the whole page: the tables below show what has ended
            now.sort(key=lambda run: watched.index(run.id))
            if active:
                trains = next((run for run in now if run.status.state == "running"), None)
                waiting = sum(run.status.state == "queued" for run in now)
                st.progress(
                    trains.status.step / max(1, trains.status.steps) if trains else 0.0,
                    text=(
                        f"{plain(run_name(trains))} trains" + (f", {waiting} more wait" if waiting else "")
                        if trains
                        else f"{waiting} wait"
                    ),
                )
            draw_curves(now)

        live()
        st.subheader("Final figures", anchor=False)
        st.caption("Averaged weights on the test images, after the last step; nothing was chosen by them.")
        table(final_rows(chosen))
        spread(chosen)
        label_budgets(chosen)
        differences(chosen)
        many_settings(chosen)
        st.download_button(
            "Download as CSV",
            as_csv(chosen),
            "fewlab-runs.csv",
            "text/csv",
            key="compare_csv",
            icon=":material/download:",
        )
    if (
        more := expander("Race: start several methods on the same labels", "compare_race", icon=":material/flag:")
    ) is not None:
        with more:
            started = race(list(runs.values()))
        if started:
            st.session_state["compare_chosen"] = started
            st.query_params["runs"] = started
            st.session_state["compare_generation"] = st.session_state.get("compare_generation", 0) + 1
            st.rerun()

how_it_works(
    "Two runs are a fair pair when they differ in one setting and share seed, labels and steps: the order of images"
    " and their views then agree too.",
    "With few labels, the draw of labels moves accuracy by many points: compare means over several seeds, not single"
    " runs.",
)

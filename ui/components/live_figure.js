// A plotly figure that stays: one element, redrawn in place whenever Python sends other data. Loaded by
// ui/components/live_figure.py, after the files whose names begin with figure_.
//
// Streamlit calls the default export once per change of data or theme, never calls an older cleanup before a newer
// call, and may call a cleanup while the element still stands (when data changes faster than the call returns): hence
// the state on the element and the isConnected.

export default function ({ data, parentElement, setTriggerValue }) {
  if (data.figure === null) {
    // preload_figures: a figure that needs the script says so if it cannot have it
    loadPlotly(data.script).catch(() => {});
    return;
  }
  const host = parentElement.querySelector(".fewlab-figure");
  const state = (host.fewlab ??= start(host, parentElement));
  state.figure = JSON.parse(data.figure);
  state.colors = data.colors;
  state.revision = data.revision;
  state.script = data.script;
  state.place = `${data.key} ${data.revision}`;
  state.clicked = data.clickable ? (point) => setTriggerValue("clicked", point) : null;
  state.selected = data.selectable ? (ids) => setTriggerValue("selected", ids) : null;
  state.zoomed = data.zoomable ? (view) => setTriggerValue("zoomed", view) : null;
  state.height = data.height;
  state.fills = data.fills;
  state.sprites = data.sprites;
  hideImage(state);
  host.style.height = `${heightOf(host, state) + state.rows}px`;
  host.style.cursor = data.clickable ? "pointer" : "";
  // An application: a reader then leaves the arrow keys to it. In a cube they have nothing to move along.
  const hasKeys = data.clickable && !state.figure.layout.scene;
  host.setAttribute("role", hasKeys ? "application" : "group");
  if (hasKeys) {
    host.tabIndex = 0;
    host.setAttribute("aria-description", "Arrow keys lead from one part to the next, Enter opens it.");
  }
  tell(host, state);
  loadPlotly(data.script).then(
    (Plotly) => {
      state.Plotly = Plotly;
      draw(host, state);
    },
    () => fail(host),
  );
  return () => {
    if (!host.isConnected) stop(host, state);
  };
}

// What the person did to the axes, for as long as the tab lives: leaving the page removes the element, coming back
// finds the ranges here.
const ranges = (window.fewlabRanges ??= new Map());

function start(host, parentElement) {
  const state = { held: false, waiting: false, stops: [], rows: 0 };
  const listen = (target, type, action) => {
    target.addEventListener(type, action);
    state.stops.push(() => target.removeEventListener(type, action));
  };
  // A redraw under a drag would snap the plot back under the person's hand: it waits until the button is released.
  listen(host, "pointerdown", () => {
    state.held = true;
    hideImage(state);
  });
  listen(host, "keydown", (event) => onKey(host, state, event));
  listen(host, "blur", () => unmark(host, state));
  const release = () =>
    setTimeout(() => {
      state.held = false;
      if (state.waiting) draw(host, state);
    }, 50);
  listen(window, "pointerup", release);
  listen(window, "pointercancel", release);

  let width = 0;
  const sizes = new ResizeObserver(() => {
    if (host.clientWidth !== width && state.Plotly) requestAnimationFrame(() => draw(host, state));
    width = host.clientWidth;
  });
  sizes.observe(host);
  state.stops.push(
    () => sizes.disconnect(),
    onThemeChange(parentElement, () => draw(host, state)),
  );
  return state;
}

function stop(host, state) {
  state.stops.forEach((action) => action());
  clearTimeout(state.telling);
  clearTimeout(state.saying);
  state.Plotly?.purge(host);
  delete host.fewlab;
}

function loadPlotly(url) {
  window.fewlabPlotly ??= new Promise((resolve, reject) => {
    const script = document.createElement("script");
    script.src = new URL(url, document.baseURI);
    script.onload = () => (window.Plotly?.react ? resolve(window.Plotly) : reject(new Error("not plotly")));
    script.onerror = () => reject(new Error("not loaded"));
    document.head.append(script);
  }).catch((error) => {
    window.fewlabPlotly = undefined; // the next figure or refresh tries again
    throw error;
  });
  return window.fewlabPlotly;
}

function fail(host) {
  if (host.data) return;
  host.style.height = "auto";
  host.textContent =
    "This figure cannot be drawn because its script did not load: reload the page, " +
    "and if that does not help, restart the app.";
}

function draw(host, state) {
  if (!state.Plotly || !host.isConnected || host.clientWidth === 0) return;
  state.waiting = state.held;
  if (state.held) return;
  if (!host.data) host.textContent = "";
  const { data, layout } = themed(recolored(state.figure, onThisGround(host, state.colors)), host);
  layout.uirevision = state.revision;
  // what was surrounded stands out by itself; a lasso that begins in an old outline would move that instead
  if (state.selected) layout.selections = [];
  const kept = ranges.get(state.place) ?? {};
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(name)) continue;
    axis.uirevision = false; // ranges are kept here and not by plotly, which would forget them with the element
    if (kept[name]) Object.assign(axis, { range: [...kept[name]], autorange: false });
  }
  const first = !host.data;
  state.Plotly.react(host, data, layout, config(host, state));
  makeRoomForLegend(host, state);
  placeBar(host, state);
  markAgain(host, state);
  if (first) {
    watch(host, state);
    offerTable(host, state);
  }
}

const BAR = 2; // pixels between the bar and the edge of the figure

// Every row of the legend beyond the first makes the figure higher, or it would make the plot lower.
const LEGEND_ROW = 30;
function makeRoomForLegend(host, state) {
  const { legend } = host._fullLayout;
  const rows = legend?.orientation === "h" ? Math.max(0, Math.round((legend._height ?? 0) - LEGEND_ROW * scaleOf(host))) : 0;
  if (rows === state.rows) return;
  state.rows = rows;
  host.style.height = `${heightOf(host, state) + rows}px`;
  draw(host, state);
}

// The bar stands in the line of the title, below it where the title reaches so far, and at the foot of the figure where
// that would cover what a line means: wherever it covers no words.
function placeBar(host, state) {
  const [title, bar] = [host.querySelector(".gtitle"), host.querySelector(".modebar")];
  const labels = (host.layout.annotations ?? []).map(({ x, text }) => `${x} ${text}`);
  const said = [host.clientWidth, title?.textContent, ...labels].join("\n");
  if (!title || !bar || state.barBeside === said) return; // what stays is not measured again
  state.barBeside = said;
  const frame = host.getBoundingClientRect();
  const words = [...host.querySelectorAll(".gtitle, .annotation-text, .xtitle, .xtick text, .legendtext")];
  const boxes = words.map((one) => one.getBoundingClientRect());
  const { left, height } = bar.getBoundingClientRect();
  const covers = (top) =>
    boxes.some((box) => box.right + 4 > left && box.bottom > frame.top + top && box.top < frame.top + top + height);
  const below = boxes[words.indexOf(title)].bottom - frame.top;
  const place = [BAR, below, frame.height - height - BAR].find((top) => !covers(top)) ?? below;
  host.style.setProperty("--fewlab-bar-top", `${place}px`);
}

function watch(host, state) {
  host.on("plotly_relayout", (changes) => {
    const kept = { ...ranges.get(state.place) };
    let moved = false;
    for (const key of Object.keys(changes)) {
      const [, axis, what] = key.match(/^([xy]axis\d*)\.(range|autorange)/) ?? [];
      if (what !== "range" || !host.layout[axis].range) continue;
      kept[axis] = [...host.layout[axis].range];
      moved = true;
    }
    ranges.set(state.place, kept);
    markAgain(host, state);
    if (moved) tellZoom(state, kept);
  });
  host.on("plotly_doubleclick", () => reset(host, state));
  host.on("plotly_deselect", () => reset(host, state)); // the same where a lasso waits
  host.on("plotly_selected", (event) => {
    if (event?.points && state.selected)
      state.selected(event.points.map((point) => point.customdata?.[0] ?? point.customdata));
  });
  host.on("plotly_hover", ({ points, event }) => {
    const place = points[0].customdata?.[1];
    if (Number.isInteger(place) && !state.held) showImage(host, state, place, event);
  });
  host.on("plotly_unhover", () => hideImage(state));
  host.on("plotly_click", (event) => {
    const { x, y, customdata } = event.points[0];
    state.clicked?.({ x, y, customdata: customdata ?? null });
  });
}

function reset(host, state) {
  ranges.delete(state.place);
  draw(host, state);
  tellZoom(state, {});
}

// Once the person has come to rest: a wheel zooms in many steps.
function tellZoom(state, { xaxis, yaxis }) {
  clearTimeout(state.resting);
  if (state.zoomed) state.resting = setTimeout(() => state.zoomed?.({ x: xaxis ?? null, y: yaxis ?? null }), 250);
}

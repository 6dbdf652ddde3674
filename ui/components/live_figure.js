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

// The bar stands in the line of the title, and below the title where that reaches so far.
function placeBar(host, state) {
  const [title, bar] = [host.querySelector(".gtitle"), host.querySelector(".modebar")];
  const line = `${host.clientWidth} ${title?.textContent}`;
  if (!title || !bar || state.barBeside === line) return; // what stays is not measured again
  state.barBeside = line;
  const [words, buttons] = [title.getBoundingClientRect(), bar.getBoundingClientRect()];
  const isCovered = words.right + 4 > buttons.left;
  host.style.setProperty("--fewlab-bar-top", isCovered ? `${words.bottom - host.getBoundingClientRect().top}px` : "");
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
  host.on("plotly_hover", (event) => showImage(host, state, event));
  host.on("plotly_unhover", () => hideImage(state));
  host.on("plotly_click", (event) => {
    const { x, y, customdata } = event.points[0];
    state.clicked?.({ x, y, customdata: customdata ?? null });
  });
}

// The image of the point under the mouse, above it or, where there is no room, below.
const SIDE = 96; // pixels
const FRAME = 2;
const AWAY = 48; // from the point, whose words stand beside it
function showImage(host, state, { points, event }) {
  const place = points[0].customdata?.[1];
  if (!state.sprites || !Number.isInteger(place) || state.held) return;
  const { url, side, columns } = state.sprites;
  hideImage(state);
  const image = (state.image = document.createElement("div"));
  image.className = "image-of-point";
  Object.assign(image.style, {
    backgroundImage: `url("${new URL(url.replace(/^\//, ""), document.baseURI)}")`,
    width: `${SIDE}px`,
    height: `${SIDE}px`,
    borderWidth: `${FRAME}px`,
    backgroundSize: `${columns * SIDE}px auto`,
    backgroundPosition: `${-SIDE * (place % columns)}px ${-SIDE * Math.floor(place / columns)}px`,
    imageRendering: side < 32 ? "pixelated" : "auto",
  });
  const box = host.getBoundingClientRect();
  const framed = SIDE + 2 * FRAME;
  // Where plotly does not say where the mouse is, in the upper right corner.
  const [x, y] = event ? [event.clientX - box.left, event.clientY - box.top] : [host.clientWidth, framed + AWAY];
  image.style.left = `${Math.max(0, Math.min(x - framed / 2, host.clientWidth - framed))}px`;
  image.style.top = `${y > framed + AWAY ? y - framed - AWAY : y + AWAY}px`;
  host.append(image);
}

function hideImage(state) {
  state.image?.remove();
  state.image = null;
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

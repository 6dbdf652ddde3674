// A plotly figure that stays: one element, redrawn in place whenever Python sends other data. Loaded by
// ui/live_figure.py.
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
  host.setAttribute("role", "group");
  host.setAttribute("aria-label", asText(state.figure.layout.title.text));
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
  // The theme's variables live in a class of an element around this one.
  const themes = new MutationObserver(() => draw(host, state));
  for (let node = parentElement; node && node !== document.body; node = node.parentElement) {
    themes.observe(node, { attributes: true, attributeFilter: ["class", "style"] });
    if (node.classList.contains("stBidiComponent")) break;
  }
  state.stops.push(
    () => sizes.disconnect(),
    () => themes.disconnect(),
  );
  return state;
}

function stop(host, state) {
  state.stops.forEach((action) => action());
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
  if (first) watch(host, state);
}

// How much larger a figure is, with all that it says: before an audience.
const scaleOf = (host) => Number(getComputedStyle(host).getPropertyValue("--fewlab-figure-scale")) || 1;

// The height that was asked for; of a figure that fills the page, on a window that has more room, all of that but for
// what stands in the lines below it.
const BELOW = 120;
function heightOf(host, state) {
  const asked = state.height * scaleOf(host);
  if (!state.fills) return asked;
  const scrolled = host.closest(".stMain")?.scrollTop ?? 0;
  const room = window.innerHeight - host.getBoundingClientRect().top - scrolled - BELOW;
  return Math.max(asked, Math.min(room, host.clientWidth));
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

function config(host, state) {
  const fileName = () =>
    asText(state.figure.layout.title.text)
      .toLowerCase()
      .replace(/[^a-z0-9]+/g, "-")
      .replace(/^-|-$/g, "")
      .slice(0, 60) || "figure";
  const opaque = () => {
    const colors = themeColors(host);
    return { ...host.layout, paper_bgcolor: colors.background, plot_bgcolor: colors.background };
  };
  const save = (format) => {
    const size = { width: host.clientWidth, height: host.clientHeight, scale: format === "png" ? 2 : 1 };
    state.Plotly.downloadImage({ data: host.data, layout: opaque() }, { format, filename: fileName(), ...size });
  };
  const savePage = () =>
    fetch(new URL(state.script, document.baseURI))
      .then((answer) => answer.text())
      .then((script) => {
        // One file that opens without a network. In a script element "</" could end it early.
        const figure = JSON.stringify({
          data: host.data,
          layout: { ...opaque(), width: undefined, height: undefined, autosize: true },
        }).replaceAll("</", "<\\/");
        const title = state.figure.layout.title.text;
        const drawn =
          `<div id="figure" style="height:96vh"></div><script>${script}</` +
          `script><script>Plotly.newPlot("figure", ${figure})</` +
          "script>";
        download(
          `${fileName()}.html`,
          "text/html",
          `<!doctype html><meta charset="utf-8"><title>${title}</title>${drawn}`,
        );
      });
  const icons = state.Plotly.Icons;
  return (state.config ??= {
    displaylogo: false,
    doubleClick: false,
    scrollZoom: Boolean(state.zoomed),
    displayModeBar: touch() ? false : "hover",
    modeBarButtons: [
      [
        ...(state.selected ? ["lasso2d", "select2d"] : []),
        "zoom2d",
        "pan2d",
        {
          name: "reset",
          title: "Show everything again (or double-click)",
          icon: icons.home,
          click: () => reset(host, state),
        },
      ],
      [
        { name: "png", title: "Download as PNG", icon: icons.camera, click: () => save("png") },
        { name: "svg", title: "Download as SVG", icon: icons.disk, click: () => save("svg") },
        { name: "html", title: "Download as a page that can be zoomed", icon: icons["3d_rotate"], click: savePage },
        {
          name: "csv",
          title: "Download the data as CSV",
          icon: icons.spikeline,
          click: () => download(`${fileName()}.csv`, "text/csv", asCsv(state.figure)),
        },
      ],
    ],
  });
}

function download(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

// The figure's own table if Python gave one; else one row for each point, with what it says when it is pointed at.
function asCsv({ table, data: traces }) {
  const cell = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  // An apostrophe stands before text that a spreadsheet would take for a formula, as in ui/style/csv_text.py.
  const plain = (text) => (/^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const line = (...values) => values.map((value) => cell(plain(asText(String(value ?? ""))))).join(",");
  if (table) return [table.columns, ...table.rows].map((row) => line(...row)).join("\n") + "\n";
  const deep = traces.some((trace) => trace.z);
  const said = traces.some((trace) => trace.type.startsWith("scatter") && trace.text);
  const rows = traces.flatMap((trace) =>
    Array.from(trace.x ?? [], (x, i) =>
      line(
        trace.name ?? "",
        x,
        trace.y[i],
        ...(deep ? [trace.z?.[i]] : []),
        ...(said ? [trace.text?.[i]?.replaceAll("<br>", "; ")] : []),
      ),
    ),
  );
  return [line("series", "x", "y", ...(deep ? ["z"] : []), ...(said ? ["about"] : [])), ...rows].join("\n") + "\n";
}

function themeColors(host) {
  const style = getComputedStyle(host);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: read("--st-text-color", "#31333f"),
    background: read("--st-background-color", "#ffffff"),
    raised: read("--st-secondary-background-color", "#f0f2f6"),
    border: read("--st-border-color", "rgba(128, 132, 149, 0.4)"),
    grid: read("--st-border-color-light", "rgba(128, 132, 149, 0.2)"),
    accent: read("--st-primary-color", "#0087c3"),
    font: read("--st-font", "sans-serif"),
  };
}

// By the name of a color: what it is on the ground of this theme.
function onThisGround(host, colors) {
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = themeColors(host).background;
  probe.fillRect(0, 0, 1, 1);
  const [red, green, blue] = probe.getImageData(0, 0, 1, 1).data;
  const dark = 0.2126 * red + 0.7152 * green + 0.0722 * blue < 128;
  return Object.fromEntries(Object.entries(colors).map(([name, variants]) => [name, variants[dark ? 1 : 0]]));
}

// A copy with the theme's colors, which are looked for only where a figure holds colors: a class may be called "#FFA500".
function recolored(value, colors, isColor = false) {
  if (typeof value === "string") return isColor ? (colors[value] ?? value) : value;
  if (Array.isArray(value)) return value.map((one) => recolored(one, colors, isColor));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, recolored(one, colors, isColor || /color/i.test(key))]),
  );
}

function themed(figure, host) {
  const { layout } = figure;
  const colors = themeColors(host);
  const narrow = host.clientWidth < 480;
  const scale = scaleOf(host);
  Object.assign(layout, {
    autosize: false,
    width: host.clientWidth,
    height: host.clientHeight,
    dragmode: host.layout?.dragmode ?? (touch() ? false : (layout.dragmode ?? "zoom")),
  });
  layout.template = { data: {}, layout: {} };
  layout.paper_bgcolor = layout.plot_bgcolor = "rgba(0,0,0,0)";
  layout.font = { family: colors.font, size: (narrow ? 11 : 12) * scale, color: colors.text };
  layout.modebar = { bgcolor: colors.background, color: colors.text, activecolor: colors.accent, ...layout.modebar };
  layout.hoverlabel = {
    bgcolor: colors.raised,
    bordercolor: colors.border,
    font: { family: colors.font, color: colors.text },
    align: "left",
  };
  layout.legend = {
    orientation: "h",
    xref: "container",
    x: 0.01,
    yref: "container",
    y: 0,
    yanchor: "bottom",
    bgcolor: "rgba(0,0,0,0)",
    ...layout.legend,
  };
  // A list beside the plot would take half of a telephone; a point says what it is when it is touched.
  if (matchMedia("(max-width: 640px)").matches && layout.legend.orientation === "v") layout.showlegend = false;

  const fontSize = (narrow ? 14 : 15) * scale;
  const lines = wrapped(layout.title.text, host.clientWidth - 20, `600 ${fontSize}px ${colors.font}`);
  layout.title = {
    // anchored "top" its first line would leave the image as soon as there is a second; anchored "bottom" y is the
    // first line's foot
    text: lines.join("<br>"),
    x: 0,
    xref: "container",
    xanchor: "left",
    y: 1 - (22 * scale) / host.clientHeight,
    yref: "container",
    yanchor: "bottom",
    pad: { l: 10 },
    automargin: false,
    font: { size: fontSize, weight: 600, color: colors.text },
  };
  // above: what the plot itself writes over its top
  layout.margin = { ...layout.margin, t: (20 + 20 * lines.length) * scale + (layout.meta?.above ?? 0) };
  for (const [name, axis] of Object.entries(layout)) {
    if (!/^[xy]axis\d*$/.test(name)) continue;
    Object.assign(axis, {
      gridcolor: colors.grid,
      linecolor: colors.border,
      tickcolor: colors.border,
      zeroline: false,
      showline: true,
    });
    axis.title = { standoff: 8, ...axis.title, font: { size: 12 * scale } };
  }
  return figure;
}

// Plotly does not wrap titles, and a cut-off title does not say what to see.
function wrapped(text, width, font) {
  const pen = document.createElement("canvas").getContext("2d");
  pen.font = font;
  const lines = [];
  for (const word of text.split(" ")) {
    const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
    if (lines.length && pen.measureText(asText(longer)).width <= width) lines[lines.length - 1] = longer;
    else lines.push(word);
  }
  return lines;
}

// On a touch screen a finger on a figure scrolls the page; the bar would cover the title of a figure so small.
const touch = () => window.matchMedia("(hover: none)").matches;
const asText = (escaped) => escaped.replaceAll("&lt;", "<").replaceAll("&gt;", ">").replaceAll("&amp;", "&");

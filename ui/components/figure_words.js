// What a figure shows, for those who do not see it: in a sentence, and as a table on demand. Joined to live_figure.js by
// ui/components/joined_scripts.py.

const TOLD_EVERY = 5000; // milliseconds: a figure is drawn again every half second while the same machine trains
const TOLD = 8; // curves, bars or matrices
const ROWS = 1000; // that a table shows

// The figure's name: at once when it is new, and again when its data has changed, but not each time.
function tell(host, state) {
  if (state.told === state.figure || state.telling) return;
  const wait = (state.toldAt ?? -Infinity) + TOLD_EVERY - performance.now();
  const say = () => {
    state.telling = null;
    state.told = state.figure;
    state.toldAt = performance.now();
    host.setAttribute("aria-label", inWords(state.figure));
  };
  if (wait <= 0) say();
  else state.telling = setTimeout(say, wait);
}

function inWords({ data, layout, table }) {
  const title = asText(layout.title.text.replaceAll("<br>", " "));
  const traces = data.filter((trace) => trace.visible !== "legendonly" && trace.hoverinfo !== "skip");
  // Stacked bars and parallel axes do not say by themselves what is largest.
  const isStack = traces.length > 1 && traces.every((trace) => trace.type === "bar");
  const said =
    table?.rows.length && (isStack || traces.some((trace) => trace.type === "parcoords"))
      ? [largestRow(table)]
      : traces.map((trace) => ofTrace(trace, layout)).filter(Boolean);
  const more = said.length > TOLD ? [`and ${said.length - TOLD} more`] : [];
  const words = [...said.slice(0, TOLD), ...more].join("; ");
  return words ? `${title}. ${words}.` : title;
}

function ofTrace(trace, layout) {
  const named = (words) => (trace.name ? `${asText(trace.name)}: ${words}` : words);
  const count = (trace.x ?? trace.y ?? []).length;
  if (trace.type === "heatmap") return ofMatrix(trace, layout, named);
  if (!count) return null;
  if (trace.type === "bar") {
    const [along, value] = trace.orientation === "h" ? ["y", "x"] : ["x", "y"];
    const largest = indexOfLargest(trace[value]);
    if (largest < 0) return null;
    return named(`largest ${readable(trace, layout, value, largest)} at ${readable(trace, layout, along, largest)}`);
  }
  const isMap = trace.type !== "scatter" || trace.mode === "markers";
  if (isMap) return named(`${count.toLocaleString("en")} ${count === 1 ? "point" : "points"}`);
  const last = trace.y.findLastIndex((value) => value !== null);
  if (last < 0) return null;
  const where = titleOf(layout, trace.xaxis ?? "x");
  return named(`last ${readable(trace, layout, "y", last)} at ${where} ${readable(trace, layout, "x", last)}`);
}

function ofMatrix(trace, layout, named) {
  const rowBest = trace.z.map(indexOfLargest);
  const row = indexOfLargest(trace.z.map((line, i) => line[rowBest[i]] ?? null));
  if (row < 0) return null;
  const column = rowBest[row];
  const value = trace.zmax === 1 ? percent(trace.z[row][column]) : number(trace.z[row][column]);
  const x = `${titleOf(layout, "x")} ${asText(String(trace.x?.[column] ?? column))}`;
  const y = `${titleOf(layout, "y")} ${asText(String(trace.y?.[row] ?? row))}`;
  return named(`largest ${value} at ${x}, ${y}`);
}

// Of a figure that has a table of its own: the row with most images, or with the largest value in the last column.
function largestRow({ columns, rows }) {
  const images = columns.indexOf("images");
  const measure = images >= 0 ? images : columns.length - 1;
  const row = rows[indexOfLargest(rows.map((one) => (typeof one[measure] === "number" ? one[measure] : null)))];
  if (!row) return `${rows.length} rows`;
  const others = columns.map((name, i) => `${asText(name)} ${cellText(row[i])}`).filter((_, i) => i !== measure);
  const most = images >= 0 ? "most images" : `largest ${asText(columns[measure])}`;
  return `${most}: ${cellText(row[measure])} (${others.join(", ")})`;
}

function indexOfLargest(values) {
  return values.reduce((best, value, i) => (value !== null && !(value <= values[best]) ? i : best), -1);
}

const axisName = (id) => id.replace(/^([xy])/, "$1axis");
const titleOf = (layout, id) => asText(layout[axisName(id)]?.title?.text ?? "");
const percent = (share) => `${(100 * share).toFixed(1)} %`;
const number = (value) =>
  value.toLocaleString("en", Number.isInteger(value) ? undefined : { maximumSignificantDigits: 4 });

// A value as the axis writes it: by the name of its tick, as a share, or as a number.
function readable(trace, layout, dimension, i) {
  const value = trace[dimension][i];
  const axis = layout[axisName(trace[`${dimension}axis`] ?? dimension)] ?? {};
  const tick = axis.tickvals?.indexOf(value) ?? -1;
  if (tick >= 0 && axis.ticktext) return asText(axis.ticktext[tick]);
  if (typeof value !== "number") return asText(String(value));
  const formats = [axis.tickformat, ...(axis.tickformatstops ?? []).map((stop) => stop.value)];
  return formats.some((format) => format?.includes("%")) ? percent(value) : number(value);
}

const cellText = (value) => (typeof value === "number" ? number(value) : asText(String(value ?? "")));

// Where there is no bar, on a touch screen, whoever has the page read aloud finds the button of it here.
function offerTable(host, state) {
  if (!touch()) return;
  const button = Object.assign(document.createElement("button"), { type: "button", className: "as-table" });
  button.append("Show as table");
  button.onclick = () => showTable(host, state);
  host.append(button);
}

// The rows of the download in a window of their own, which is gone once it is closed.
function showTable(host, state) {
  const { columns, rows } = tableOf(state.figure);
  const title = asText(state.figure.layout.title.text);
  const element = (name, attributes = {}, ...content) => {
    const made = Object.assign(document.createElement(name), attributes);
    made.append(...content);
    return made;
  };
  const line = (row) => element("tr", {}, ...row.map((value) => element("td", {}, cellText(value))));
  const table = element(
    "table",
    {},
    element("caption", {}, title),
    element("thead", {}, element("tr", {}, ...columns.map((name) => element("th", { scope: "col" }, asText(name))))),
    element("tbody", {}, ...rows.slice(0, ROWS).map(line)),
  );
  const close = element("button", { type: "button" }, "Close");
  const more = `The first ${number(ROWS)} of ${rows.length.toLocaleString("en")} rows; the download as CSV has all.`;
  const scrolled = element("div", { className: "rows", tabIndex: 0 }, table);
  scrolled.setAttribute("role", "region");
  scrolled.setAttribute("aria-label", "Rows");
  const shown = element("dialog", { className: "figure-table" }, close, scrolled, ...(rows.length > ROWS ? [more] : []));
  shown.setAttribute("aria-label", `${title}, as a table`);
  close.onclick = () => shown.close();
  shown.onclose = () => shown.remove();
  // A click beside it; and Escape closes this one alone, not the panel around the figure.
  shown.onclick = (event) => event.target === shown && shown.close();
  shown.onkeydown = (event) => event.stopPropagation();
  host.append(shown);
  shown.showModal();
}

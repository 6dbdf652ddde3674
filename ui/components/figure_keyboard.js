// Bars, cells and points by keyboard, in figures where a click opens something: arrow keys move a marker from one to the
// next, Enter does what a click does. Joined to live_figure.js by ui/components/joined_scripts.py.

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
const RING = 8; // pixels from the middle of a point to its marker

function onKey(host, state, event) {
  if (event.target !== host || !host.data || !state.clicked || event.ctrlKey || event.metaKey || event.altKey) return;
  const arrow = ARROWS[event.key];
  if (arrow) {
    const targets = targetsOf(host);
    if (targets.length) mark(host, state, next(targets, current(targets, state), arrow));
  } else if (event.key === "Enter" && state.marker) {
    const target = current(targetsOf(host), state);
    if (target) state.clicked(target.clicked);
  } else if (event.key === "Escape" && state.marker) {
    unmark(host, state);
    event.stopPropagation(); // the panel around the figure stays
  } else return;
  event.preventDefault();
}

const current = (targets, { marked }) =>
  marked && targets.find(({ curve, point }) => curve === marked.curve && point === marked.point);

// All that can be clicked and is in sight. box: [left, top, right, bottom] in the figure's pixels. clicked: what a click
// on it tells Python. In a cube there is none: its table says what its points are.
function targetsOf(host) {
  const layout = host._fullLayout;
  return host._fullData.flatMap((trace, curve) => {
    if (trace.visible !== true || !trace.xaxis || !trace.yaxis) return [];
    const [x, y] = [layout[axisName(trace.xaxis)], layout[axisName(trace.yaxis)]];
    const box = (x0, x1, y0, y1) => [
      x._offset + Math.min(x0, x1),
      y._offset + Math.min(y0, y1),
      x._offset + Math.max(x0, x1),
      y._offset + Math.max(y0, y1),
    ];
    const boxes = { heatmap: ofCells, bar: ofBars }[trace.type] ?? ofPoints;
    return boxes(trace, host.calcdata[curve], x, y, box)
      .map((target) => ({ ...target, curve }))
      .filter(({ box: [left, top, right, bottom] }) => {
        const [across, down] = [(left + right) / 2 - x._offset, (top + bottom) / 2 - y._offset];
        return across >= 0 && across <= x._length && down >= 0 && down <= y._length;
      });
  });
}

function ofCells(trace, [{ x: left, y: top }], x, y, box) {
  return trace.z.flatMap((row, i) =>
    Array.from(row, (value, j) => ({
      point: `${i} ${j}`,
      kind: "cell",
      box: box(x.c2p(left[j]), x.c2p(left[j + 1]), y.c2p(top[i]), y.c2p(top[i + 1])),
      clicked: { x: trace.x?.[j] ?? j, y: trace.y?.[i] ?? i, customdata: trace.customdata?.[i]?.[j] ?? null },
    })).filter((_, j) => row[j] !== null && row[j] !== undefined),
  );
}

function ofBars(trace, bars, x, y, box) {
  const [along, up] = trace.orientation === "h" ? [y, x] : [x, y];
  return bars
    .map((bar, i) => {
      const [sides, ends] = [
        [along.c2p(bar.p0), along.c2p(bar.p1)],
        [up.c2p(bar.s0), up.c2p(bar.s1)],
      ];
      return {
        point: `${i}`,
        kind: "bar",
        box: trace.orientation === "h" ? box(...ends, ...sides) : box(...sides, ...ends),
        clicked: { x: trace.x[i], y: trace.y[i], customdata: trace.customdata?.[i] ?? null },
      };
    })
    .filter((_, i) => bars[i].s);
}

function ofPoints(trace, _, x, y, box) {
  return Array.from(trace.x ?? [], (value, i) => {
    const [across, down] = [x.c2p(x.d2c(value)), y.c2p(y.d2c(trace.y[i]))];
    return {
      point: `${i}`,
      kind: "point",
      said: trace.text?.[i],
      box: box(across - RING, across + RING, down - RING, down + RING),
      clicked: { x: value, y: trace.y[i], customdata: trace.customdata?.[i] ?? null },
    };
  });
}

// Which one an arrow leads to: in a matrix the next cell of the row or column, in the next one where this has none; from a
// bar to its neighbors, and up and down in its stack; from a point to the nearest of those that lie more ahead than aside.
// The first is the uppermost on the left, of points the one in the middle.
function next(targets, from, [across, down]) {
  const middle = ({ box: [left, top, right, bottom] }) => [(left + right) / 2, (top + bottom) / 2];
  if (!from) {
    const all = targets.map(middle);
    const center = [0, 1].map((side) => all.reduce((sum, place) => sum + place[side], 0) / all.length);
    const isMap = targets[0].kind === "point";
    return least(targets, (target) => {
      const [x, y] = middle(target);
      return isMap ? Math.hypot(x - center[0], y - center[1]) : 1000 * Math.round(x) + y;
    });
  }
  const [x, y] = middle(from);
  const cost = (target) => {
    const [dx, dy] = [middle(target)[0] - x, middle(target)[1] - y];
    const ahead = dx * across + dy * down;
    const aside = Math.abs(dx * down) + Math.abs(dy * across);
    if (ahead < 0.5) return Infinity;
    if (from.kind === "point") return aside > ahead ? Infinity : ahead + 2 * aside;
    if (from.kind === "bar" && down) return aside < 1 ? ahead : Infinity;
    return (from.kind === "cell" && aside >= 1 ? 1e7 : 0) + 1000 * Math.round(ahead) + aside;
  };
  return least(targets, cost) ?? from;
}

function least(targets, cost) {
  const costs = targets.map(cost);
  const best = costs.reduce((before, value, i) => (value < (costs[before] ?? Infinity) ? i : before), -1);
  return targets[best];
}

function mark(host, state, target) {
  state.marked = { curve: target.curve, point: target.point };
  frame(host, state, target);
  const [left, top, right, bottom] = target.box;
  const trace = host._fullData[target.curve];
  const at = { xpx: (left + right) / 2 - host._fullLayout[axisName(trace.xaxis)]._offset };
  at.ypx = (top + bottom) / 2 - host._fullLayout[axisName(trace.yaxis)]._offset;
  // By its number, because a low bar may lie beside the place; of all others plotly knows the place alone.
  const hovered = target.kind === "bar" ? [{ curveNumber: target.curve, pointNumber: Number(target.point) }] : at;
  state.Plotly.Fx.hover(host, hovered, "xy");
  const screen = host.getBoundingClientRect();
  const event = { clientX: screen.left + (left + right) / 2, clientY: screen.top + (top + bottom) / 2 };
  showImage(host, state, { points: [target.clicked], event });
  clearTimeout(state.saying);
  state.saying = setTimeout(() => {
    // plotly draws its tip a moment later
    const tip = [...host.querySelectorAll(".hoverlayer .hovertext tspan, .hoverlayer .hovertext text:not(:has(tspan))")];
    state.spoken.textContent = target.said
      ? asText(target.said.replaceAll("<br>", ", "))
      : tip.map((line) => line.textContent).filter(Boolean).join(", ");
  }, 100);
}

function frame(host, state, { box: [left, top, right, bottom] }) {
  if (!state.marker) {
    state.marker = Object.assign(document.createElement("div"), { className: "key-marker" });
    state.spoken = Object.assign(document.createElement("span"), { className: "spoken" });
    state.spoken.setAttribute("aria-live", "polite");
    host.append(state.marker, state.spoken);
  }
  Object.assign(state.marker.style, {
    left: `${left - 2}px`,
    top: `${top - 2}px`,
    width: `${right - left + 4}px`,
    height: `${bottom - top + 4}px`,
  });
}

function unmark(host, state) {
  if (!state.marker) return;
  state.marker.remove();
  state.spoken.remove();
  state.marker = null;
  clearTimeout(state.saying);
  hideImage(state);
  state.Plotly?.Fx.unhover(host);
}

// After the figure was drawn anew: the marker where its bar or point is now, and none where that is gone.
function markAgain(host, state) {
  if (!state.marker) return;
  const target = current(targetsOf(host), state);
  if (target) frame(host, state, target);
  else unmark(host, state);
}

// Points that travel: all frames of a layout through time in one component, drawn on a canvas, so that playing asks the
// server nothing. Loaded by ui/components/player.py, after figure_theme.js and point_image.js. Frames are int16 in
// base64, one after the other, x and y in turns, scaled to the widest frame. It takes the place of a map that
// ui/figures/space.py draws, and has its title, height, colors and markers.

export default function ({ data, parentElement, setTriggerValue }) {
  const host = parentElement.querySelector(".fewlab-player");
  const state = (host.fewlab ??= start(host, parentElement));
  if (state.written !== data.frames) {
    state.written = data.frames;
    state.frames = numbers(data.frames);
    state.extent = extent(state.frames);
    state.at = data.steps.length - 1;
  }
  Object.assign(state, {
    steps: data.steps,
    groups: data.groups,
    names: data.names,
    paints: data.paints,
    byTheme: data.colors,
    marked: new Set(data.marked),
    chosen: data.chosen && new Set(data.chosen),
    look: data.look,
    height: data.height,
    sprites: data.sprites,
    fills: true,
  });
  host.setAttribute("role", "group");
  host.setAttribute("aria-label", data.title);
  host.querySelector(".title").textContent = data.title;
  host.querySelector("input").max = String(data.steps.length - 1);
  host.querySelector(".explore").onclick = () => {
    pause(host, state);
    setTriggerValue("explored", state.steps[Math.round(state.at)]);
  };
  redraw(host, state);
  return () => {
    if (!host.isConnected) stop(state);
  };
}

function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

// Half the width and half the height that the points ever take.
function extent(frames) {
  const most = [1, 1];
  frames.forEach((value, i) => (most[i % 2] = Math.max(most[i % 2], Math.abs(value))));
  return most;
}

function start(host, parentElement) {
  const state = { at: 0, playing: false, handle: 0, mouse: null };
  const plot = host.querySelector(".plot");
  plot.onpointermove = (event) => {
    state.mouse = event.pointerType === "touch" ? null : event;
    showUnderMouse(host, state);
  };
  plot.onpointerleave = () => {
    state.mouse = null;
    hideImage(state);
  };
  const [button, slider] = [host.querySelector(".play"), host.querySelector("input")];
  button.onclick = () => (state.playing ? pause(host, state) : play(host, state));
  slider.oninput = () => {
    pause(host, state);
    state.at = Number(slider.value);
    show(host, state);
  };
  const sizes = new ResizeObserver(() => redraw(host, state));
  sizes.observe(host);
  sizes.observe(host.querySelector("canvas").parentElement);
  const forget = onThemeChange(parentElement, () => redraw(host, state));
  state.stop = () => {
    sizes.disconnect();
    forget();
  };
  return state;
}

function stop(state) {
  cancelAnimationFrame(state.handle);
  state.stop();
}

function play(host, state) {
  state.playing = true;
  host.querySelector(".play").textContent = "Pause";
  if (state.at >= state.steps.length - 1) state.at = 0;
  let before = performance.now();
  const move = (now) => {
    if (!state.playing || !host.isConnected) return;
    // an evaluation every 0.6 s, points gliding between
    state.at = Math.min(state.at + (now - before) / 600, state.steps.length - 1);
    before = now;
    show(host, state);
    if (state.at >= state.steps.length - 1) pause(host, state);
    else state.handle = requestAnimationFrame(move);
  };
  state.handle = requestAnimationFrame(move);
}

function pause(host, state) {
  state.playing = false;
  host.querySelector(".play").textContent = "Play";
}

// All that a change of size, of theme or of data may have changed.
function redraw(host, state) {
  if (!host.clientWidth || !state.frames) return;
  host.style.minHeight = `${heightOf(host, state)}px`;
  const colors = onThisGround(host, state.byTheme);
  state.seen = state.paints.map((paint) => colors[paint] ?? paint);
  const ratio = window.devicePixelRatio || 1;
  const { size, marked, edge } = state.look;
  state.stamps = state.seen.map((color) => [
    stamp(ratio, size, color),
    stamp(ratio, marked, color, { color: edge, width: 1.5 }),
  ]);
  legend(host, state);
  show(host, state);
}

// One marker as an image, which is drawn faster than its outline: a circle, or with an edge a diamond as plotly has it.
function stamp(ratio, size, color, edge = null) {
  const half = edge ? 0.65 * size : size / 2;
  const room = Math.ceil(half + (edge?.width ?? 0) + 1);
  const image = document.createElement("canvas");
  image.width = image.height = 2 * room * ratio;
  const pen = image.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, room * ratio, room * ratio);
  pen.fillStyle = color;
  if (edge) [[half, 0], [0, half], [-half, 0], [0, -half]].forEach((corner) => pen.lineTo(...corner));
  else pen.arc(0, 0, half, 0, 2 * Math.PI);
  pen.closePath();
  pen.fill();
  if (edge) {
    Object.assign(pen, { strokeStyle: edge.color, lineWidth: edge.width });
    pen.stroke();
  }
  return { image, room };
}

function show(host, state) {
  const canvas = host.querySelector("canvas");
  const { clientWidth: width, clientHeight: height } = canvas.parentElement;
  const ratio = window.devicePixelRatio || 1;
  if (!width || !height || !state.frames) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const at = positions(host, state);
  const count = state.groups.length;
  const put = (i, isMarked) => {
    const [x, y] = at(i);
    const { image, room } = state.stamps[state.groups[i]][isMarked ? 1 : 0];
    const { faded, opacity } = state.look;
    pen.globalAlpha = state.chosen && !state.chosen.has(i) ? faded : isMarked ? 1 : opacity;
    pen.drawImage(image, x - room, y - room, 2 * room, 2 * room);
  };
  for (let i = 0; i < count; i += 1) if (!state.marked.has(i)) put(i, false);
  state.marked.forEach((i) => put(i, true)); // the labeled few over all others
  const said = `step ${state.steps[Math.round(state.at)].toLocaleString("en")}`;
  host.querySelector("input").value = String(Math.round(state.at));
  host.querySelector("input").setAttribute("aria-valuetext", said);
  host.querySelector("output").textContent = said;
  showUnderMouse(host, state);
}

// Where each point is now, in pixels of the plot.
function positions(host, state) {
  const { clientWidth: width, clientHeight: height } = host.querySelector(".plot");
  const count = state.groups.length;
  const [from, part] = [Math.floor(state.at), state.at - Math.floor(state.at)];
  const [a, b] = [from * count * 2, Math.min(from + 1, state.steps.length - 1) * count * 2];
  const scale = Math.min((width - 24) / 2 / state.extent[0], (height - 24) / 2 / state.extent[1]);
  const between = (i) => state.frames[a + i] * (1 - part) + state.frames[b + i] * part;
  return (i) => [width / 2 + between(2 * i) * scale, height / 2 - between(2 * i + 1) * scale];
}

// The image of the nearest point; the labeled lie over all others.
const REACH = 6; // pixels
function showUnderMouse(host, state) {
  hideImage(state);
  if (!state.sprites || !state.mouse) return;
  const plot = host.querySelector(".plot");
  const box = plot.getBoundingClientRect();
  const [x, y] = [state.mouse.clientX - box.left, state.mouse.clientY - box.top];
  const at = positions(host, state);
  let [nearest, least] = [null, REACH * REACH];
  for (let i = 0; i < state.groups.length; i += 1) {
    const [px, py] = at(i);
    const distance = (px - x) ** 2 + (py - y) ** 2 - (state.marked.has(i) ? 1 : 0);
    if (distance <= least) [nearest, least] = [i, distance];
  }
  if (nearest !== null) showImage(plot, state, nearest, state.mouse, state.names[state.groups[nearest]]);
}

function legend(host, state) {
  const list = host.querySelector(".legend");
  list.replaceChildren(
    ...state.names.slice(0, 24).map((name, k) => {
      const entry = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = state.seen[k];
      entry.append(dot, name);
      return entry;
    }),
    ...(state.names.length > 24 ? [`and ${state.names.length - 24} more`] : []),
  );
}

// Points that travel: all frames of a layout through time in one component, drawn on a canvas, so that playing asks the
// server nothing. Loaded by ui/components/player.py. Frames are int16 in base64, one after the other, x and y in turns, scaled to
// the widest frame.

export default function ({ data, parentElement }) {
  const host = parentElement.querySelector(".fewlab-player");
  const state = (host.fewlab ??= start(host));
  if (state.written !== data.frames) {
    state.written = data.frames;
    state.frames = numbers(data.frames);
    state.at = data.steps.length - 1;
  }
  Object.assign(state, {
    steps: data.steps,
    colors: data.colors,
    names: data.names,
    paints: data.paints,
    marked: new Set(data.marked),
    height: data.height,
  });
  host.querySelector("input").max = String(data.steps.length - 1);
  legend(host, state);
  show(host, state);
  return () => {
    if (!host.isConnected) stop(state);
  };
}

function numbers(text) {
  const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  return new Int16Array(bytes.buffer);
}

function start(host) {
  const state = { at: 0, playing: false, handle: 0 };
  const [button, slider] = [host.querySelector("button"), host.querySelector("input")];
  button.onclick = () => (state.playing ? pause(host, state) : play(host, state));
  slider.oninput = () => {
    pause(host, state);
    state.at = Number(slider.value);
    show(host, state);
  };
  state.sizes = new ResizeObserver(() => show(host, state));
  state.sizes.observe(host);
  return state;
}

function stop(state) {
  cancelAnimationFrame(state.handle);
  state.sizes.disconnect();
}

function play(host, state) {
  state.playing = true;
  host.querySelector("button").textContent = "Pause";
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
  host.querySelector("button").textContent = "Play";
}

function show(host, state) {
  const canvas = host.querySelector("canvas");
  const [width, height, ratio] = [host.clientWidth, state.height, window.devicePixelRatio || 1];
  if (!width || !state.frames) return;
  if (canvas.width !== Math.round(width * ratio) || canvas.height !== Math.round(height * ratio)) {
    Object.assign(canvas, { width: Math.round(width * ratio), height: Math.round(height * ratio) });
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const count = state.colors.length;
  const [from, part] = [Math.floor(state.at), state.at - Math.floor(state.at)];
  const [a, b] = [from * count * 2, Math.min(from + 1, state.steps.length - 1) * count * 2];
  const scale = (Math.min(width, height) - 24) / 65534;
  const place = (i) => {
    const x = state.frames[a + 2 * i] * (1 - part) + state.frames[b + 2 * i] * part;
    const y = state.frames[a + 2 * i + 1] * (1 - part) + state.frames[b + 2 * i + 1] * part;
    return [width / 2 + x * scale, height / 2 - y * scale];
  };
  for (let i = 0; i < count; i += 1) {
    const [x, y] = place(i);
    pen.fillStyle = state.paints[state.colors[i]];
    pen.fillRect(x - 1.5, y - 1.5, 3, 3);
  }
  pen.strokeStyle = getComputedStyle(host).color;
  pen.lineWidth = 1.5;
  for (const i of state.marked) {
    // the labeled few, as rings over all others
    const [x, y] = place(i);
    pen.fillStyle = state.paints[state.colors[i]];
    pen.beginPath();
    pen.arc(x, y, 5, 0, 2 * Math.PI);
    pen.fill();
    pen.stroke();
  }
  host.querySelector("input").value = String(Math.round(state.at));
  host.querySelector("output").textContent = `step ${state.steps[Math.round(state.at)].toLocaleString("en")}`;
}

function legend(host, state) {
  const list = host.querySelector(".legend");
  list.replaceChildren(
    ...state.names.slice(0, 24).map((name, k) => {
      const entry = document.createElement("span");
      const dot = document.createElement("i");
      dot.style.background = state.paints[k];
      entry.append(dot, name);
      return entry;
    }),
    ...(state.names.length > 24 ? [`and ${state.names.length - 24} more`] : []),
  );
}

// A canvas whose strokes are kept as points, so that the last one can be taken back. Loaded by ui/components/drawing_pad.py.

export default function ({ parentElement, setStateValue }) {
  const pad = parentElement.querySelector(".fewlab-pad");
  pad.fewlab ??= start(pad);
  pad.fewlab.tell = (drawing) => setStateValue("drawing", drawing);
}

function start(pad) {
  const canvas = pad.querySelector("canvas");
  const undo = pad.querySelector(".undo");
  const clear = pad.querySelector(".clear");
  const width = pad.querySelector("input");
  const state = { strokes: [], tell: () => {} };
  const pen = canvas.getContext("2d");
  let stroke = null;

  const draw = () => {
    pen.fillStyle = "#ffffff";
    pen.fillRect(0, 0, canvas.width, canvas.height);
    pen.strokeStyle = pen.fillStyle = "#111111";
    pen.lineCap = pen.lineJoin = "round";
    for (const { points, wide } of state.strokes) {
      pen.lineWidth = wide;
      pen.beginPath();
      pen.moveTo(...points[0]);
      for (const point of points) pen.lineTo(...point);
      pen.stroke();
    }
    undo.disabled = clear.disabled = state.strokes.length === 0;
  };
  const tell = () => state.tell(state.strokes.length ? canvas.toDataURL("image/png") : null);
  const at = (event) => {
    const box = canvas.getBoundingClientRect();
    return [
      ((event.clientX - box.left) / box.width) * canvas.width,
      ((event.clientY - box.top) / box.height) * canvas.height,
    ];
  };
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    stroke = { points: [at(event)], wide: Number(width.value) };
    state.strokes.push(stroke);
    draw();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!stroke) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) stroke.points.push(at(each));
    draw();
  });
  const end = () => {
    if (!stroke) return;
    stroke = null;
    tell();
  };
  canvas.addEventListener("pointerup", end);
  canvas.addEventListener("pointercancel", end);
  const takeBack = () => {
    state.strokes.pop();
    draw();
    tell();
  };
  undo.addEventListener("click", takeBack);
  canvas.addEventListener("keydown", (event) => {
    if ((event.ctrlKey || event.metaKey) && event.key === "z" && state.strokes.length) takeBack();
  });
  clear.addEventListener("click", () => {
    state.strokes = [];
    draw();
    tell();
  });
  draw();
  return state;
}

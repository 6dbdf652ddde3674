// A frame over an image, in whole pixels of that image: [left, top, right, bottom], the last two excluded. Loaded by
// ui/components/crop_frame.py.

export default function ({ data, parentElement, setTriggerValue }) {
  const box = parentElement.querySelector(".fewlab-crop");
  box.fewlab ??= start(box);
  box.fewlab.show(data, (value) => setTriggerValue("used", value));
}

function start(box) {
  const stage = box.querySelector(".stage");
  const image = box.querySelector("img");
  const frame = box.querySelector(".frame");
  const use = box.querySelector(".use");
  const whole = box.querySelector(".whole");
  const size = box.querySelector("output");
  const corners = [
    [0, 1],
    [2, 1],
    [0, 3],
    [2, 3],
  ].map(([x, y]) => {
    const corner = document.createElement("div");
    corner.className = "corner";
    corner.style[x ? "right" : "left"] = corner.style[y === 3 ? "bottom" : "top"] = 0;
    corner.style.cursor = (x === 0) === (y === 1) ? "nwse-resize" : "nesw-resize";
    corner.sides = [x, y];
    frame.append(corner);
    return corner;
  });
  let shown = null; // what Python sent
  let part = [0, 0, 1, 1];
  let drag = null;
  let tell = () => {};

  const limits = () => [shown.width, shown.height];
  const least = (axis) => Math.min(shown.least, limits()[axis]);
  const clamp = (value, low, high) => Math.min(Math.max(value, low), high);

  const draw = () => {
    const [left, top, right, bottom] = part;
    frame.style.left = `${(100 * left) / shown.width}%`;
    frame.style.top = `${(100 * top) / shown.height}%`;
    frame.style.width = `${(100 * (right - left)) / shown.width}%`;
    frame.style.height = `${(100 * (bottom - top)) / shown.height}%`;
    size.textContent = `${right - left} x ${bottom - top} of ${shown.width} x ${shown.height} pixels`;
    frame.setAttribute(
      "aria-label",
      `Part of ${shown.name}: ${right - left} by ${bottom - top} pixels, ${left} from the left and ${top} from the top. ` +
        "Arrow keys move it, with Shift they change its right and lower edge, plus and minus resize it, Enter uses it.",
    );
    use.disabled = String(part) === String(shown.part);
    whole.disabled = shown.part === null;
  };

  // The whole frame by so many pixels, as far as the image goes.
  const moved = (from, dx, dy) => {
    const x = clamp(dx, -from[0], shown.width - from[2]);
    const y = clamp(dy, -from[1], shown.height - from[3]);
    return [from[0] + x, from[1] + y, from[2] + x, from[3] + y];
  };
  // Two corners, in any order: never smaller than the least, never outside.
  const spanned = (x, y, toX, toY) => {
    const along = (from, to, axis) => {
      const low = clamp(Math.min(from, to), 0, limits()[axis] - least(axis));
      return [low, clamp(Math.max(from, to), low + least(axis), limits()[axis])];
    };
    const [left, right] = along(x, toX, 0);
    const [top, bottom] = along(y, toY, 1);
    return [left, top, right, bottom];
  };
  const resized = (by) => {
    const grown = [0, 1].map((axis) => {
      const length = part[axis + 2] - part[axis];
      const wanted = clamp(Math.round(length * by) + Math.sign(by - 1), least(axis), limits()[axis]);
      const low = clamp(part[axis] - Math.floor((wanted - length) / 2), 0, limits()[axis] - wanted);
      return [low, low + wanted];
    });
    return [grown[0][0], grown[1][0], grown[0][1], grown[1][1]];
  };

  const at = (event) => {
    const area = stage.getBoundingClientRect();
    return [
      Math.round(clamp((event.clientX - area.left) / area.width, 0, 1) * shown.width),
      Math.round(clamp((event.clientY - area.top) / area.height, 0, 1) * shown.height),
    ];
  };
  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    event.preventDefault();
    stage.setPointerCapture(event.pointerId);
    frame.focus({ preventScroll: true });
    const [x, y] = at(event);
    const before = part;
    const corner = corners.find((one) => one === event.target);
    if (corner) {
      const [side, edge] = corner.sides;
      drag = ([toX, toY]) => spanned(before[2 - side], before[4 - edge], toX, toY);
    } else if (event.target === frame) drag = ([toX, toY]) => moved(before, toX - x, toY - y);
    // A click beside the frame marks nothing.
    else drag = ([toX, toY]) => (toX === x && toY === y ? before : spanned(x, y, toX, toY));
  });
  stage.addEventListener("pointermove", (event) => {
    if (!drag) return;
    part = drag(at(event));
    draw();
  });
  for (const end of ["pointerup", "pointercancel"]) stage.addEventListener(end, () => (drag = null));

  frame.addEventListener("keydown", (event) => {
    const step = Math.max(1, Math.round(Math.max(...limits()) / 100));
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (way && event.shiftKey) {
      const [left, top, right, bottom] = part;
      part = spanned(left, top, Math.max(right + way[0] * step, left), Math.max(bottom + way[1] * step, top));
    } else if (way) part = moved(part, way[0] * step, way[1] * step);
    else if (event.key === "+" || event.key === "=") part = resized(1.1);
    else if (event.key === "-" || event.key === "_") part = resized(1 / 1.1);
    else if (event.key === "Enter" && !use.disabled) tell([...part]);
    else return;
    event.preventDefault();
    draw();
  });
  use.addEventListener("click", () => tell([...part]));
  whole.addEventListener("click", () => {
    part = middle();
    draw();
    tell("whole");
  });

  // A square in the middle: most that is photographed small or off-center is about as wide as it is high.
  const middle = () => {
    const side = Math.max(least(0), least(1), Math.round((2 * Math.min(...limits())) / 3));
    const left = Math.max(0, Math.floor((shown.width - side) / 2));
    const top = Math.max(0, Math.floor((shown.height - side) / 2));
    return [left, top, Math.min(left + side, shown.width), Math.min(top + side, shown.height)];
  };
  return {
    show(data, told) {
      tell = told;
      // Of the same image the answer says what was told from here: what is marked since then stays.
      const isNew = shown?.uri !== data.uri;
      shown = data;
      if (isNew) {
        if (image.src !== data.uri) image.src = data.uri.startsWith("data:image/") ? data.uri : "";
        stage.style.setProperty("--ratio", `${data.width} / ${data.height}`);
        stage.style.setProperty("--widest", `${(data.tallest * data.width) / data.height}px`);
        image.classList.toggle("tiny", data.width < data.tallest / 2);
        drag = null;
        part = data.part === null ? middle() : spanned(...data.part);
      }
      draw();
    },
  };
}

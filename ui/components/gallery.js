// Images as buttons in rows that wrap. Loaded by ui/components/gallery.py. Captions may come from file names: they are
// set as text, never as HTML.

const TAIL = 3; // letters of a long caption that are never cut: names of one kind differ in their last

export default function ({ data, parentElement, setTriggerValue }) {
  const grid = parentElement.querySelector(".fewlab-gallery");
  grid.style.setProperty("--thumb", `${data.thumb}px`);
  const focused = grid.contains(document.activeElement) ? document.activeElement.dataset.id : null;
  const before = new Map([...grid.children].map((button) => [button.dataset.id, button]));
  const buttons = data.items.map((item) => filled(before.get(String(item.id)) ?? made(), item, data));
  // A click is lost whose button, or an element of it, is replaced between press and release: what can stay stays.
  for (const button of [...grid.children]) if (!buttons.includes(button)) button.remove();
  buttons.forEach((button, k) => {
    if (grid.children[k] !== button) grid.insertBefore(button, grid.children[k] ?? null);
  });
  for (const button of buttons) button.onclick = () => setTriggerValue("clicked", Number(button.dataset.id));
  // Where the image with the focus is gone, a panel keeps it: on the page's body Escape would not reach the panel.
  const next = buttons.find((button) => button.dataset.id === focused) ?? grid.closest("[role=dialog]");
  if (focused !== null) next?.focus({ preventScroll: true });
  return () => {
    if (!grid.isConnected) grid.replaceChildren();
  };
}

function made() {
  const button = document.createElement("button");
  button.type = "button";
  const image = document.createElement("img");
  image.alt = ""; // the caption is the button's name
  image.decoding = "async";
  button.append(image);
  return button;
}

function filled(button, item, { thumb, selected, isClickable }) {
  button.dataset.id = item.id;
  button.disabled = !isClickable;
  button.setAttribute("aria-label", item.lines.join(", ") || `image ${item.id}`);
  if (selected === null) button.removeAttribute("aria-pressed");
  else button.setAttribute("aria-pressed", item.id === selected);
  const image = button.firstChild;
  if (image.src !== item.image) image.src = item.image.startsWith("data:image/") ? item.image : "";
  image.onload = () => {
    image.classList.toggle("tiny", image.naturalWidth < thumb);
  };
  if (image.complete) image.onload();
  image.style.borderColor = item.border ?? "transparent";
  image.style.borderStyle = item.border_style;
  while (button.children.length > 1 + item.lines.length) button.lastChild.remove();
  item.lines.forEach((line, k) => {
    const text = button.children[k + 1] ?? button.appendChild(document.createElement("span"));
    if (text.title !== line) write(text, line);
  });
  return button;
}

function write(text, line) {
  const letters = [...line];
  const isLong = letters.length > 3 * TAIL;
  text.title = line;
  text.classList.toggle("long", isLong);
  if (!isLong) {
    text.textContent = line;
    return;
  }
  const parts = [letters.slice(0, -TAIL), letters.slice(-TAIL)].map((part) => {
    const shown = document.createElement("span");
    shown.textContent = part.join("");
    return shown;
  });
  text.replaceChildren(...parts);
}

// The image of a point: a tile of the sprite sheet in state.sprites, shown in a figure or a player as `.image-of-point`.
// Joined to their scripts by ui/components/joined_scripts.py.

const SIDE = 96; // pixels
const FRAME = 2;
const AWAY = 48; // from the point, whose words stand beside it

// Above the mouse or, where there is no room, below; where no event says where the mouse is, in the upper right corner.
// words: what stands below the image.
function showImage(host, state, place, event, words = "") {
  hideImage(state);
  if (!state.sprites) return;
  const { url, side, columns } = state.sprites;
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
  const [x, y] = event ? [event.clientX - box.left, event.clientY - box.top] : [host.clientWidth, framed + AWAY];
  image.style.left = `${Math.max(0, Math.min(x - framed / 2, host.clientWidth - framed))}px`;
  image.style.top = `${y > framed + AWAY ? y - framed - AWAY : y + AWAY}px`;
  if (words) image.append(Object.assign(document.createElement("span"), { textContent: words }));
  host.append(image);
}

function hideImage(state) {
  state.image?.remove();
  state.image = null;
}

// How a figure looks on the page it stands on: its size, its fonts, and the colors of the theme. Joined to the script of a
// component by ui/components/joined_scripts.py.

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

// The theme's variables live in a class of an element around a component. Returns what ends the watch.
function onThemeChange(parentElement, redraw) {
  const themes = new MutationObserver(redraw);
  for (let node = parentElement; node && node !== document.body; node = node.parentElement) {
    themes.observe(node, { attributes: true, attributeFilter: ["class", "style"] });
    if (node.classList.contains("stBidiComponent")) break;
  }
  return () => themes.disconnect();
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

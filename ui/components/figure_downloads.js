// The bar of a figure, and what it can be downloaded as. Joined to live_figure.js by ui/components/joined_scripts.py.

const TABLE = {
  width: 24,
  height: 24,
  path: "M2 3h20v18H2zM4 5v3h16V5zM4 10v3.5h7V10zM13 10v3.5h7V10zM4 15.5V19h7v-3.5zM13 15.5V19h7v-3.5z",
};

function config(host, state) {
  // What it shows and of which run: files of several runs lie side by side.
  const fileName = () => {
    const title = asText(state.figure.layout.title.text).toLowerCase().replace(/[^a-z0-9]+/g, "-").slice(0, 60);
    const [run] = /^\d{8}-\d{6}-[\w-]+/.exec(state.revision) ?? [""];
    return [title.replace(/^-|-$/g, "") || "figure", run].filter(Boolean).join("-");
  };
  const opaque = () => {
    const colors = themeColors(host);
    return { ...host.layout, paper_bgcolor: colors.background, plot_bgcolor: colors.background };
  };
  const save = async (format) => {
    const size = { width: host.clientWidth, height: host.clientHeight };
    const figure = { data: host.data, layout: opaque() };
    const [drawn, faces] = await Promise.all([state.Plotly.toImage(figure, { format: "svg", ...size }), fontFaces(host)]);
    const svg = decodeURIComponent(drawn.slice(drawn.indexOf(",") + 1)).replace(/^<svg[^>]*>/, `$&<style>${faces}</style>`);
    if (format === "svg") download(`${fileName()}.svg`, "image/svg+xml", svg);
    else download(`${fileName()}.png`, "image/png", await asPng(svg, size, 2));
  };
  const savePage = () =>
    Promise.all([fetch(new URL(state.script, document.baseURI)).then((answer) => answer.text()), fontFaces(host)]).then(
      ([script, faces]) => {
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
          `<!doctype html><meta charset="utf-8"><title>${title}</title><style>${faces}</style>${drawn}`,
        );
      },
    );
  const icons = state.Plotly.Icons;
  return (state.config ??= {
    displaylogo: false,
    doubleClick: false,
    scrollZoom: Boolean(state.zoomed),
    displayModeBar: touch() ? false : "hover",
    modeBarButtons: [
      state.figure.layout.scene
        ? ["tableRotation", "zoom3d", "pan3d", "resetCameraDefault3d"]
        : [
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
        { name: "table", title: "Show as table", icon: TABLE, click: () => showTable(host, state) },
      ],
    ],
  });
}

// The page's typeface as a style sheet that holds it: a file that has left the page, and an image on it as well, cannot
// load the page's fonts. Without them the file is whole, in letters of another font.
async function fontFaces(host) {
  const bare = (name) => name.replace(/["']/g, "").trim();
  const family = bare(themeColors(host).font.split(",")[0]);
  const rules = [...document.styleSheets].flatMap((sheet) => {
    try {
      return [...sheet.cssRules];
    } catch {
      return []; // of another origin
    }
  });
  const faces = rules
    .filter((rule) => rule instanceof CSSFontFaceRule && bare(rule.style.getPropertyValue("font-family")) === family)
    .filter((rule) => (rule.style.getPropertyValue("font-style") || "normal") === "normal")
    .map(async (rule) => {
      const [, file] = rule.style.getPropertyValue("src").match(/url\(["']?([^"')]+)/) ?? [];
      const url = file && new URL(file, rule.parentStyleSheet.href ?? document.baseURI);
      if (!url || url.origin !== location.origin) return "";
      const bytes = new Uint8Array(await (await fetch(url)).arrayBuffer());
      let letters = "";
      for (let i = 0; i < bytes.length; i += 8192) letters += String.fromCharCode(...bytes.subarray(i, i + 8192));
      const weight = rule.style.getPropertyValue("font-weight") || "normal";
      const source = `url(data:font/woff2;base64,${btoa(letters)}) format("woff2")`;
      return `@font-face{font-family:"${family}";font-weight:${weight};src:${source}}`;
    });
  return (await Promise.all(faces).catch(() => [])).join("");
}

async function asPng(svg, { width, height }, scale) {
  const image = new Image();
  image.src = URL.createObjectURL(new Blob([svg], { type: "image/svg+xml" }));
  await image.decode();
  const canvas = Object.assign(document.createElement("canvas"), { width: width * scale, height: height * scale });
  canvas.getContext("2d").drawImage(image, 0, 0, canvas.width, canvas.height);
  URL.revokeObjectURL(image.src);
  return new Promise((resolve) => canvas.toBlob(resolve, "image/png"));
}

function download(name, type, content) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([content], { type }));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 1000);
}

function asCsv(figure) {
  const { columns, rows } = tableOf(figure);
  const cell = (value) => (/[",\n\r]/.test(value) ? `"${value.replaceAll('"', '""')}"` : value);
  // An apostrophe stands before text that a spreadsheet would take for a formula, as in engine/csv_text.py.
  const plain = (text) => (/^'*[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text);
  const line = (row) => row.map((value) => cell(plain(asText(String(value ?? ""))))).join(",");
  return [columns, ...rows].map(line).join("\n") + "\n";
}

// The figure's own table if Python gave one; else one row for each point, with what it says when it is pointed at.
function tableOf({ table, data: traces }) {
  if (table) return table;
  const deep = traces.some((trace) => trace.z);
  const said = traces.some((trace) => trace.type.startsWith("scatter") && trace.text);
  const rows = traces.flatMap((trace) =>
    Array.from(trace.x ?? [], (x, i) => [
      trace.name ?? "",
      x,
      trace.y[i],
      ...(deep ? [trace.z?.[i]] : []),
      ...(said ? [trace.text?.[i]?.replaceAll("<br>", "; ")] : []),
    ]),
  );
  return { columns: ["series", "x", "y", ...(deep ? ["z"] : []), ...(said ? ["about"] : [])], rows };
}

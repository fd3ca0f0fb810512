// @ts-check
// Taking a panel along: its values as text, its picture as SVG or PNG. The picture is drawn anew from the frame, with
// title and legend, so that it stands alone and carries nothing of the page's style sheets.
import { wordsOf, xName } from "./caption.js";
import { h, svg } from "./dom.js";
import { countText, tailOf, valueText } from "./format.js";
import { pathOf } from "./overlay.js";
import { sliver } from "./shapes.js";

/** @typedef {import('./panel.js').Panel} Panel */
/** @typedef {import('./frame.js').Frame} Frame */

const MOST_LEGEND = 24;

/**
 * Entries of a panel's menu.
 * @param {Panel} panel @param {() => void} close
 * @returns {HTMLElement[]}
 */
export function exportItems(panel, close) {
  const item = (/** @type {string} */ label, /** @type {string} */ testid, /** @type {() => unknown} */ act) =>
    h(
      "button",
      {
        type: "button",
        class: "mw-item",
        "data-testid": testid,
        onclick: () => {
          act();
          close();
        },
      },
      label,
    );
  const name = panel.spec.tag.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return [
    item("Copy values", "mw-copy", () => copyText(asTable(panel, "\t"))),
    item("Save CSV", "mw-save-csv", () => saveBlob(new Blob([asTable(panel, ",")], { type: "text/csv" }), `${name}.csv`)),
    item("Save SVG", "mw-save-svg", () => saveBlob(new Blob([asSvg(panel)], { type: "image/svg+xml" }), `${name}.svg`)),
    item("Save PNG", "mw-save-png", () => savePng(panel, `${name}.png`)),
  ];
}

/**
 * What is drawn, a line a window: where it ends, and for each name its mean, sigma, minimum and maximum.
 * @param {Panel} panel @param {string} comma
 */
export function asTable(panel, comma) {
  const frame = panel.chart.frame;
  if (!frame) return "";
  /** @type {('count' | 'mean' | 'std' | 'min' | 'max')[]} */
  const columns = frame.width === 1 ? ["mean"] : ["count", "mean", "std", "min", "max"];
  const cell = (/** @type {string} */ text) => (/["\t\n,]/.test(text) ? `"${text.replace(/"/g, '""')}"` : text);
  const guarded = (/** @type {string} */ text) => cell(/^[=+\-@]/.test(text) ? `'${text}` : text); // a name is no formula
  const head = [
    "first step",
    "last step",
    "seconds",
    ...frame.rows.flatMap((row) => columns.map((key) => guarded(columns.length > 1 ? `${row.name} ${key}` : row.name))),
  ];
  const lines = [head.join(comma)];
  for (let i = 0; i < frame.windows.n; i++) {
    const cells = frame.windows.stats.flatMap((stats) =>
      columns.map((key) => (stats[key][i] === stats[key][i] ? String(stats[key][i]) : "")),
    );
    lines.push([frame.windows.from[i], frame.windows.to[i], frame.windows.seconds[i].toFixed(3), ...cells].join(comma));
  }
  return lines.join("\n") + "\n";
}

/** @param {string} text */
async function copyText(text) {
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    const box = /** @type {HTMLTextAreaElement} */ (h("textarea", { class: "mw-offscreen" })); // where the page may not reach the clipboard
    box.value = text;
    document.body.append(box);
    box.select();
    document.execCommand("copy");
    box.remove();
  }
}

/** @param {Blob} blob @param {string} name */
export function saveBlob(blob, name) {
  const url = URL.createObjectURL(blob);
  h("a", { href: url, download: name }).click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

/** @param {Panel} panel @param {string} name */
async function savePng(panel, name) {
  const picture = new Image();
  picture.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(asSvg(panel))}`;
  await picture.decode();
  const canvas = document.createElement("canvas");
  [canvas.width, canvas.height] = [2 * picture.width, 2 * picture.height];
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.drawImage(picture, 0, 0, canvas.width, canvas.height);
  canvas.toBlob((blob) => blob && saveBlob(blob, name));
}

/**
 * The panel as an SVG of its own.
 * @param {Panel} panel
 */
export function asSvg(panel) {
  const { width, height } = panel.plot.size;
  const area = panel.plot.area;
  const style = getComputedStyle(panel.element);
  const [text, paper, grid] = ["--mw-text", "--mw-paper", "--mw-grid"].map(
    (name) => style.getPropertyValue(name).trim() || "#888",
  );
  const frame = panel.chart.frame;
  const legend = panel.isMap ? [] : (frame?.rows ?? []).slice(0, MOST_LEGEND);
  const top = 30;
  const columns = Math.max(1, Math.floor(width / 150));
  const total = top + height + 16 + 16 * Math.ceil(legend.length / columns);
  const body = svg(
    "g",
    { transform: `translate(0,${top})` },
    ...axisParts(panel, grid),
    ...curveParts(panel),
    ...(panel.isMap ? mapParts(panel) : []),
  );
  const names = legend.map((row, i) =>
    svg(
      "g",
      { transform: `translate(${12 + (i % columns) * 150},${top + height + 14 + 16 * Math.floor(i / columns)})` },
      svg("path", { d: "M0,-4h14", stroke: row.colour, "stroke-width": 2 }),
      svg("text", { x: 18 }, tailOf(row.name, 21)),
    ),
  );
  const title = `${panel.spec.title}${panel.spec.unit ? ` (${panel.spec.unit})` : ""} · ${panel.isMap ? mapWords(panel) : wordsOf(panel)} · x: ${xName(panel)}`;
  const whole = svg(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      width,
      height: total,
      viewBox: `0 0 ${width} ${total}`,
      "font-family": "sans-serif",
      "font-size": 11,
      fill: text,
    },
    svg("rect", { width, height: total, fill: paper }),
    svg("text", { x: 12, y: 19, "font-size": 13 }, title),
    svg("clipPath", { id: "plot" }, svg("rect", { x: area.left, y: area.top, width: area.width, height: area.height })),
    body,
    ...names,
  );
  return new XMLSerializer().serializeToString(whole);
}

/** @param {Panel} panel */
function mapWords(panel) {
  const { range, log } = panel.board.maps[panel.index];
  const end = (/** @type {number} */ value) => valueText(log ? 10 ** value : value);
  return `${end(range.min)} (dark) to ${end(range.max)} (bright)${log ? ", log" : ""} · ${countText(panel.chart.frame?.rows.length ?? 0)} rows`;
}

/** @param {Panel} panel @param {string} grid */
function axisParts(panel, grid) {
  const { area } = panel.plot;
  const { axis_x, axis_y, axis_ylog } = panel.chart.models;
  const vertical = panel.chart.log ? axis_ylog : axis_y;
  const parts = [];
  for (const value of axis_x.get("tick_values") ?? []) {
    const x = area.px(value);
    parts.push(
      svg(
        "text",
        { x, y: area.top + area.height + 15, "text-anchor": "middle" },
        axis_x.get("tick_labels")[String(value)] ?? "",
      ),
    );
  }
  for (const value of vertical.get("tick_values") ?? []) {
    const y = area.top + (1 - (value - area.y.min) / (area.y.max - area.y.min)) * area.height;
    parts.push(svg("path", { d: `M${area.left},${y}h${area.width}`, stroke: grid, fill: "none" }));
    parts.push(
      svg(
        "text",
        { x: area.left - 6, y: y + 4, "text-anchor": "end" },
        vertical.get("tick_labels")[String(value)] ?? "",
      ),
    );
  }
  return parts;
}

/** @param {Panel} panel */
function curveParts(panel) {
  const frame = panel.chart.frame;
  if (!frame || panel.isMap) return [];
  const { area } = panel.plot;
  /** @type {SVGElement[]} */
  const parts = [];
  const inside = { "clip-path": "url(#plot)" };
  for (const [band, opacity] of /** @type {[string, number][]} */ ([
    ["min-max", 0.11],
    ["std", 0.24],
    ["Q1-Q3", 0.24],
  ])) {
    frame.rows.forEach((row, r) => {
      const d = frame.low[band] ? bandPath(frame.edges, frame.low[band][r], frame.high[band][r], area) : "";
      if (d) parts.push(svg("path", { ...inside, d, fill: row.colour, "fill-opacity": opacity }));
    });
  }
  const dashes = /** @type {Record<string, string>} */ ({ median: "5 3", min: "1.5 2.5", max: "1.5 2.5" });
  const sets = /** @type {[string, Float64Array[]][]} */ ([["raw", frame.raw], ...Object.entries(frame.lines)]);
  for (const [line, rows] of sets) {
    rows.forEach((values, r) => {
      const style = {
        fill: "none",
        stroke: frame.rows[r].colour,
        "stroke-width": 1.4,
        "stroke-linejoin": "round",
        "stroke-opacity": line === "raw" ? 0.3 : 1,
        "stroke-dasharray": dashes[line],
      };
      parts.push(svg("path", { ...inside, d: pathOf(frame.points.x, values, area), ...style }));
    });
  }
  return parts;
}

/**
 * @param {Float64Array} x @param {Float64Array} low @param {Float64Array} high @param {import('./overlay.js').Area} area
 */
function bandPath(x, low, high, area) {
  let d = "";
  for (let i = 0; i < x.length; ) {
    let end = i;
    while (end < x.length && high[end] === high[end] && !(area.log && high[end] <= 0)) end++;
    const px = (/** @type {number} */ k) => area.px(x[k]).toFixed(1);
    const py = (/** @type {number} */ value) =>
      (area.log && !(value > 0) ? area.top + area.height : area.py(value)).toFixed(1);
    if (end === i + 1) d += sliver(Number(px(i)), py(high[i]), py(low[i]));
    else if (end > i) {
      const upper = Array.from({ length: end - i }, (_, k) => `${px(i + k)},${py(high[i + k])}`);
      const lower = Array.from({ length: end - i }, (_, k) => `${px(end - 1 - k)},${py(low[end - 1 - k])}`);
      d += `M${[...upper, ...lower].join("L")}Z`;
    }
    i = end + 1;
  }
  return d;
}

/** @param {Panel} panel */
function mapParts(panel) {
  const { area } = panel.plot;
  const { image } = panel.board.maps[panel.index];
  return [
    svg("image", {
      href: image,
      x: area.left,
      y: area.top,
      width: area.width,
      height: area.height,
      preserveAspectRatio: "none",
      style: "image-rendering: pixelated",
    }),
  ];
}

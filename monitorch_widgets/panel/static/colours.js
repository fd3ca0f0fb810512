// @ts-check
// Colours. Depth runs from blue over violet and red to amber at nearly one lightness: that is legible on white and on
// dark grey, and as it runs along the blue-yellow axis it keeps its order for every common colour blindness.

/** Stops of the ramp in OKLCH: lightness, chroma, hue. @type {[number, number, number][]} */
const RAMP = [
  [0.56, 0.17, 262],
  [0.57, 0.19, 300],
  [0.6, 0.2, 345],
  [0.63, 0.19, 25],
  [0.68, 0.16, 58],
  [0.7, 0.145, 85],
];

/** For names that are not modules (losses, metrics), in the order they come. */
const FREE = ["#3b7dd8", "#d9730d", "#2b9a66", "#b552c4", "#c2416b", "#8a7a1f", "#1795a8", "#7a6ee0"];

/**
 * @param {number} share 0 for the first module, 1 for the last
 */
export function depthColour(share) {
  const place = Math.min(Math.max(share, 0), 1) * (RAMP.length - 1);
  const left = Math.min(Math.floor(place), RAMP.length - 2);
  const part = place - left;
  let hues = RAMP[left + 1][2] - RAMP[left][2];
  if (hues < -180) hues += 360;
  const mixed = [0, 1].map((k) => RAMP[left][k] + (RAMP[left + 1][k] - RAMP[left][k]) * part);
  return fromOklch(mixed[0], mixed[1], RAMP[left][2] + hues * part);
}

/** @param {number} index */
export function freeColour(index) {
  return FREE[index % FREE.length];
}

/**
 * OKLCH to '#rrggbb'; chroma gives way where sRGB is too small.
 * @param {number} lightness @param {number} chroma @param {number} hue degrees
 */
function fromOklch(lightness, chroma, hue) {
  for (let c = chroma; c >= 0; c -= 0.01) {
    const rgb = oklchToRgb(lightness, c, (hue * Math.PI) / 180);
    if (rgb.every((part) => part >= -0.002 && part <= 1.002) || c < 0.01) return hex(rgb);
  }
  return "#888888";
}

/** @param {number} l @param {number} c @param {number} h */
function oklchToRgb(l, c, h) {
  const [a, b] = [c * Math.cos(h), c * Math.sin(h)];
  const x = (l + 0.3963377774 * a + 0.2158037573 * b) ** 3;
  const y = (l - 0.1055613458 * a - 0.0638541728 * b) ** 3;
  const z = (l - 0.0894841775 * a - 1.291485548 * b) ** 3;
  const linear = [
    4.0767416621 * x - 3.3077115913 * y + 0.2309699292 * z,
    -1.2684380046 * x + 2.6097574011 * y - 0.3413193965 * z,
    -0.0041960863 * x - 0.7034186147 * y + 1.707614701 * z,
  ];
  return linear.map((v) => (v <= 0.0031308 ? 12.92 * v : 1.055 * Math.max(v, 0) ** (1 / 2.4) - 0.055));
}

/** @param {number[]} rgb */
function hex(rgb) {
  return (
    "#" +
    rgb
      .map((v) =>
        Math.round(Math.min(Math.max(v, 0), 1) * 255)
          .toString(16)
          .padStart(2, "0"),
      )
      .join("")
  );
}

/** Viridis, from low to high. */
const SEQUENTIAL = [
  "#440154",
  "#482878",
  "#3e4a89",
  "#31688e",
  "#26828e",
  "#1f9e89",
  "#35b779",
  "#6dcd59",
  "#b4de2c",
  "#fde725",
];
/** Blue below zero, grey at zero, orange above. */
const DIVERGING = ["#12508f", "#3f7fbe", "#8fb4d6", "#d9d9d6", "#e5b07c", "#cf7a2b", "#8f4a0a"];

/**
 * 256 colours of a scale, as red, green, blue.
 * @param {boolean} diverging
 * @returns {Uint8Array}
 */
export function colourTable(diverging) {
  const stops = (diverging ? DIVERGING : SEQUENTIAL).map((text) =>
    [1, 3, 5].map((k) => parseInt(text.slice(k, k + 2), 16)),
  );
  const table = new Uint8Array(256 * 3);
  for (let i = 0; i < 256; i++) {
    const place = (i / 255) * (stops.length - 1);
    const left = Math.min(Math.floor(place), stops.length - 2);
    for (let k = 0; k < 3; k++) {
      table[3 * i + k] = Math.round(stops[left][k] + (stops[left + 1][k] - stops[left][k]) * (place - left));
    }
  }
  return table;
}

/**
 * The same scale as a CSS gradient.
 * @param {boolean} diverging
 */
export function colourGradient(diverging) {
  return `linear-gradient(to right, ${(diverging ? DIVERGING : SEQUENTIAL).join(", ")})`;
}

/** The depth ramp as a CSS gradient. */
export function depthGradient() {
  return `linear-gradient(to right, ${[0, 0.2, 0.4, 0.6, 0.8, 1].map(depthColour).join(", ")})`;
}

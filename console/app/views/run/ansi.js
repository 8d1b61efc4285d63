/**
 * Parses terminal output into spans of styled text. SGR sequences (colors, bold, …) are applied; all other escape sequences, such as cursor
 * movements, titles and links, are removed, and the remaining control characters are made visible.
 */
import { sanitize } from './sanitize.js';

/** Colors are indexes of the 16-color palette, or `#rrggbb`.
 * @typedef {{ fg?: number | string, bg?: number | string, bold?: boolean, dim?: boolean, italic?: boolean, underline?: boolean,
 *   inverse?: boolean, strike?: boolean }} Style */
/** @typedef {{ text: string, style: Style }} Span */

/** Escape sequences: CSI; OSC, DCS and similar strings up to their terminator or the end of the line; two-character sequences. */
const ESCAPE = /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]/g;

/** @param {string} text
 * @returns {Span[]} */
export function parseAnsi(text) {
  /** @type {Span[]} */
  const spans = [];
  /** @type {Style} */
  let style = {};
  let start = 0;
  const add = (/** @type {string} */ piece) => {
    const shown = sanitize(applyCarriageReturns(piece));
    if (shown) spans.push({ text: shown, style });
  };
  for (const match of text.matchAll(ESCAPE)) {
    add(text.slice(start, match.index));
    start = match.index + match[0].length;
    if (match[2] === 'm') style = applySgr(style, match[1]);
  }
  add(text.slice(start));
  return spans;
}

/** Keeps only the last version of a line that was overwritten, e.g. by a progress bar. @param {string} text */
function applyCarriageReturns(text) {
  if (!text.includes('\r')) return text;
  return text.split('\n').map((line) => {
    const end = line.endsWith('\r') ? line.replace(/\r+$/, '') : line;
    return end.slice(end.lastIndexOf('\r') + 1);
  }).join('\n');
}

/** Applies SGR parameters, such as `1;31`.
 * @param {Style} before
 * @param {string} parameters */
function applySgr(before, parameters) {
  /** @type {Style} */
  let style = { ...before };
  const codes = parameters.split(/[;:]/).map(Number);
  for (let index = 0; index < codes.length; index++) {
    const code = codes[index];
    if (code === 0) style = {};
    else if (code in ON) Object.assign(style, ON[code]);
    else if (code in OFF) for (const name of OFF[code]) delete style[name];
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 38 || code === 48) {
      const { color, used } = extendedColor(codes.slice(index + 1));
      if (color !== undefined) style[code === 38 ? 'fg' : 'bg'] = color;
      index += used;
    }
  }
  return style;
}

/** @type {Record<number, Style>} */
const ON = {
  1: { bold: true }, 2: { dim: true }, 3: { italic: true }, 4: { underline: true }, 7: { inverse: true }, 9: { strike: true },
};
/** @type {Record<number, (keyof Style)[]>} */
const OFF = {
  22: ['bold', 'dim'], 23: ['italic'], 24: ['underline'], 27: ['inverse'], 29: ['strike'], 39: ['fg'], 49: ['bg'],
};

/** The 256-color or RGB color after an SGR code 38 or 48. `used` is the number of parameters it takes.
 * @param {number[]} codes
 * @returns {{ color: number | string | undefined, used: number }} */
function extendedColor([kind, ...rest]) {
  if (kind === 5) return { color: palette(rest[0]), used: 2 };
  if (kind === 2) return { color: hex(rest.slice(0, 3)), used: 4 };
  return { color: undefined, used: 1 };
}

/** @param {number} index */
function palette(index) {
  if (!(index >= 0 && index <= 255)) return undefined;
  if (index < 16) return index;
  if (index >= 232) return hex(Array(3).fill(8 + (index - 232) * 10));
  const level = (/** @type {number} */ step) => (step ? 55 + step * 40 : 0);
  const cube = index - 16;
  return hex([level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6)]);
}

/** @param {number[]} parts */
function hex(parts) {
  if (parts.length < 3 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
  return `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

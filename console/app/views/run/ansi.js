// Colours of a terminal. What a program writes for a terminal is split into runs of text with a style; everything else that a terminal
// would obey, cursor movements, titles, links, is left out, and what then still acts on a reader is made visible.

import { visible } from './sanitize.js';

/** How a run of text looks. Colours are numbers of the terminal's palette, or `#rrggbb`.
 * @typedef {{ fg?: number | string, bg?: number | string, bold?: boolean, dim?: boolean, italic?: boolean, underline?: boolean,
 *   inverse?: boolean, strike?: boolean }} Style */
/** @typedef {{ text: string, style: Style }} Run */

/** Escape sequences: CSI, then OSC, DCS and their like up to their end or the line's, then those of two characters. */
const ESCAPE = /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~])|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|\x1b[ -/]*[0-~]/g;

/** Reads terminal output from its beginning.
 * @param {string} text
 * @returns {Run[]} */
export function ansi(text) {
  /** @type {Run[]} */
  const runs = [];
  /** @type {Style} */
  let style = {};
  let from = 0;
  const add = (/** @type {string} */ piece) => {
    const seen = visible(overwritten(piece));
    if (seen) runs.push({ text: seen, style });
  };
  for (const match of text.matchAll(ESCAPE)) {
    add(text.slice(from, match.index));
    from = match.index + match[0].length;
    if (match[2] === 'm') style = styled(style, match[1]);
  }
  add(text.slice(from));
  return runs;
}

/** A line that a progress bar has written several times over is shown as it was left. @param {string} text */
function overwritten(text) {
  if (!text.includes('\r')) return text;
  return text.split('\n').map((line) => {
    const end = line.endsWith('\r') ? line.replace(/\r+$/, '') : line;
    return end.slice(end.lastIndexOf('\r') + 1);
  }).join('\n');
}

/** The style after a sequence of SGR parameters, such as `1;31`.
 * @param {Style} before
 * @param {string} parameters */
function styled(before, parameters) {
  /** @type {Style} */
  let style = { ...before };
  const codes = parameters.split(/[;:]/).map(Number);
  for (let at = 0; at < codes.length; at++) {
    const code = codes[at];
    if (code === 0) style = {};
    else if (code in ON) Object.assign(style, ON[code]);
    else if (code in OFF) for (const name of OFF[code]) delete style[name];
    else if (code >= 30 && code <= 37) style.fg = code - 30;
    else if (code >= 90 && code <= 97) style.fg = code - 82;
    else if (code >= 40 && code <= 47) style.bg = code - 40;
    else if (code >= 100 && code <= 107) style.bg = code - 92;
    else if (code === 38 || code === 48) {
      const { color, used } = extended(codes.slice(at + 1));
      if (color !== undefined) style[code === 38 ? 'fg' : 'bg'] = color;
      at += used;
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

/** A colour of 256 or of all, as it follows 38 or 48.
 * @param {number[]} codes
 * @returns {{ color: number | string | undefined, used: number }} */
function extended([kind, ...rest]) {
  if (kind === 5) return { color: palette(rest[0]), used: 2 };
  if (kind === 2) return { color: hex(rest.slice(0, 3)), used: 4 };
  return { color: undefined, used: 1 };
}

/** @param {number} index */
function palette(index) {
  if (!(index >= 0 && index <= 255)) return undefined;
  if (index < 16) return index;
  if (index >= 232) return hex(Array(3).fill(8 + (index - 232) * 10));
  const step = (/** @type {number} */ part) => (part ? 55 + part * 40 : 0);
  const cube = index - 16;
  return hex([step(Math.floor(cube / 36)), step(Math.floor(cube / 6) % 6), step(cube % 6)]);
}

/** @param {number[]} parts */
function hex(parts) {
  if (parts.length < 3 || parts.some((part) => !(part >= 0 && part <= 255))) return undefined;
  return `#${parts.map((part) => part.toString(16).padStart(2, '0')).join('')}`;
}

/**
 * Makes control characters, bidirectional marks and invisible characters visible, so that the text a person reads and approves is the text
 * that is there. `src/cli/sanitize.rs` and `src/types/text.rs` escape the same characters.
 */

/** Control characters, bidirectional marks, zero-width characters and tags. Line breaks and tabs are treated separately below. */
const UNSAFE = /\r\n|[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** The visible replacement of a character. @param {string} char */
function escapeChar(char) {
  const code = /** @type {number} */ (char.codePointAt(0));
  // The Unicode block "Control Pictures".
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return '␡';
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** Escapes a text of several lines; line breaks and tabs are kept. @param {string} text */
export function sanitize(text) {
  return text.replace(UNSAFE, (char) => {
    if (char === '\n' || char === '\t') return char;
    return char === '\r\n' ? '\n' : escapeChar(char);
  });
}

/** Escapes a text for one line; line breaks and tabs are escaped, too. @param {string} text */
export function sanitizeLine(text) {
  return text.replace(UNSAFE, (match) => Array.from(match, escapeChar).join(''));
}

/** A one-line summary: escaped, with spaces for line breaks and tabs, truncated to `maxLength` characters. @param {string} text @param {number} maxLength */
export function summarize(text, maxLength) {
  const line = sanitize(text.slice(0, maxLength * 2)).replace(/[\n\t]+/g, ' ');
  if (line.length <= maxLength && text.length <= maxLength * 2) return line;
  const lastCode = line.charCodeAt(maxLength - 2);
  // Do not split a surrogate pair.
  return `${line.slice(0, lastCode >= 0xd800 && lastCode <= 0xdbff ? maxLength - 2 : maxLength - 1)}…`;
}

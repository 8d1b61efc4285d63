// Characters that act on a reader, made visible: what a person reads, and allows, is what is there. The command line's
// src/cli/visible.rs and src/types/text.rs do the same.

/** Control characters, marks of direction, spaces and letters that nobody sees. Line breaks and tabs are told apart below. */
const ACTS = /\r\n|[\0-\x1f\x7f-\x9f\xad\u061c\u180e\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** What stands for such a character. @param {string} letter */
function shown(letter) {
  const code = /** @type {number} */ (letter.codePointAt(0));
  // Unicode has a picture for each of the old control characters.
  if (code < 0x20) return String.fromCodePoint(0x2400 + code);
  if (code === 0x7f) return '␡';
  return `<U+${code.toString(16).toUpperCase().padStart(4, '0')}>`;
}

/** Text of several lines: line breaks and tabs keep their meaning. @param {string} text */
export function visible(text) {
  return text.replace(ACTS, (letter) => {
    if (letter === '\n' || letter === '\t') return letter;
    return letter === '\r\n' ? '\n' : shown(letter);
  });
}

/** Text as one line in which nothing is lost: line breaks and tabs are shown, too. @param {string} text */
export function exactly(text) {
  return text.replace(ACTS, (letter) => Array.from(letter, shown).join(''));
}

/** Text as one line of at most `most` characters. @param {string} text @param {number} most */
export function oneLine(text, most) {
  const line = visible(text.slice(0, most * 2)).replace(/[\n\t]+/g, ' ');
  if (line.length <= most && text.length <= most * 2) return line;
  const end = line.charCodeAt(most - 2);
  // Not between the halves of a pair.
  return `${line.slice(0, end >= 0xd800 && end <= 0xdbff ? most - 2 : most - 1)}…`;
}

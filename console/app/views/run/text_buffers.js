// Text that comes in pieces: kept as pieces, joined when somebody looks.

/** How much is kept of a text that nobody reads to its end, in characters: its beginning, and the end that moves on. */
const HEAD = 512 * 1024;
const TAIL = 64 * 1024;

/** A text that grows. Appending costs the same however long it is. */
export class Pieces {
  constructor() {
    /** @type {string[]} */
    this.pieces = [];
    this.length = 0;
  }

  /** @param {string} piece */
  append(piece) {
    if (!piece) return;
    this.pieces.push(piece);
    this.length += piece.length;
  }

  toString() {
    if (this.pieces.length > 1) this.pieces = [this.pieces.join('')];
    return this.pieces[0] ?? '';
  }
}

/** A tool's output or a program's log. Of a long one the middle is left out, so that one run cannot take all of a browser's memory. */
export class Output {
  constructor() {
    this.head = new Pieces();
    /** @type {string[]} */
    this.tail = [];
    this.tailLength = 0;
    /** All that has come, in characters. */
    this.length = 0;
  }

  /** @param {string} piece */
  append(piece) {
    this.length += piece.length;
    const room = HEAD - this.head.length;
    if (piece.length <= room) return this.head.append(piece);
    if (room > 0) this.head.append(piece.slice(0, room));
    const rest = piece.slice(Math.max(room, piece.length - TAIL));
    this.tail.push(rest);
    this.tailLength += rest.length;
    // Whole pieces are dropped, so up to one piece more than TAIL is kept.
    let drop = 0;
    while (this.tailLength - this.tail[drop].length >= TAIL) this.tailLength -= this.tail[drop++].length;
    if (drop) this.tail.splice(0, drop);
  }

  /** How many characters are missing between beginning and end. */
  get omitted() {
    return this.length - this.head.length - this.tailLength;
  }

  /** The beginning, and what is there of the end. */
  parts() {
    return { head: this.head.toString(), tail: this.tail.join('') };
  }
}

/** A message is cut into sections at blank lines once they are this long: each is a row of its own, so that a growing message is
 * rendered anew only at its end and a long one only where it is looked at. */
const SECTION = 1_500;
/** Where no blank line comes, in a long block of code for example, any line's end will do, */
const LONG_SECTION = 12_000;
/** and at last any place. */
const LONGEST_SECTION = 24_000;

/** Where in a growing markdown text a new section may begin: reads each character once. */
export class Cutter {
  constructor() {
    /** Length of the present section. */
    this.length = 0;
    /** The line that began the block of code in which the text is. */
    this.fence = '';
    /** The beginning of the present line, as far as it tells what the line is. */
    this.line = '';
    this.isBlank = true;
    this.afterBlank = false;
  }

  /** Takes in a piece, and gives the places in it at which sections begin, each with the fence that is open there.
   * @param {string} piece
   * @returns {{ at: number, fence: string }[]} */
  feed(piece) {
    /** @type {{ at: number, fence: string }[]} */
    const cuts = [];
    for (let at = 0; at < piece.length; at++) {
      const letter = piece[at];
      if (this.mayCutBefore(letter)) {
        cuts.push({ at, fence: this.fence });
        this.length = 0;
      }
      this.length += 1;
      this.look(letter);
    }
    return cuts;
  }

  /** @param {string} letter */
  mayCutBefore(letter) {
    if (this.length < SECTION) return false;
    const atLineStart = this.line === '' && this.isBlank;
    // What is indented belongs to the list item above.
    if (atLineStart && this.afterBlank && !this.fence && letter > ' ') return true;
    if (this.length >= LONG_SECTION && atLineStart) return true;
    // Never between the halves of a pair.
    return this.length >= LONGEST_SECTION && !(letter >= '\udc00' && letter <= '\udfff');
  }

  /** @param {string} letter */
  look(letter) {
    if (letter !== '\n') {
      if (this.line.length < 64) this.line += letter;
      if (letter > ' ') this.isBlank = false;
      return;
    }
    const mark = /^ {0,3}(`{3,}|~{3,})(.*)/.exec(this.line);
    if (mark && !this.fence) this.fence = `${mark[1]}${mark[2]}`;
    else if (mark && mark[1].startsWith(/** @type {RegExpExecArray} */ (/^[`~]+/.exec(this.fence))[0]) && !mark[2].trim()) this.fence = '';
    this.afterBlank = this.isBlank;
    this.line = '';
    this.isBlank = true;
  }
}

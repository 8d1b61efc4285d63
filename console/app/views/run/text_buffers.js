/** Buffers for streamed text. */

/** How much of a long output is kept at its start and at its end, in characters. */
const MAX_HEAD = 512 * 1024;
const MAX_TAIL = 64 * 1024;

/** A growing text. Appending takes constant time; the pieces are joined when the text is read. */
export class TextBuffer {
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

/** The output of a tool or a log. Memory is bounded: of a long one, the middle is dropped. */
export class CappedText {
  constructor() {
    this.head = new TextBuffer();
    /** @type {string[]} */
    this.tail = [];
    this.tailLength = 0;
    /** Length of the full text, in characters. */
    this.length = 0;
  }

  /** @param {string} piece */
  append(piece) {
    this.length += piece.length;
    const room = MAX_HEAD - this.head.length;
    if (piece.length <= room) return this.head.append(piece);
    if (room > 0) this.head.append(piece.slice(0, room));
    const rest = piece.slice(Math.max(room, piece.length - MAX_TAIL));
    this.tail.push(rest);
    this.tailLength += rest.length;
    // Only whole pieces are dropped, so the tail may exceed MAX_TAIL by one piece.
    let dropCount = 0;
    while (this.tailLength - this.tail[dropCount].length >= MAX_TAIL) this.tailLength -= this.tail[dropCount++].length;
    if (dropCount) this.tail.splice(0, dropCount);
  }

  /** The number of dropped characters between head and tail. */
  get omitted() {
    return this.length - this.head.length - this.tailLength;
  }

  /** The kept start and end. */
  parts() {
    return { head: this.head.toString(), tail: this.tail.join('') };
  }
}

/**
 * Messages are split into sections, which are rows of their own: of a growing message only the last section is rendered again, of a long one
 * only the visible sections. A section of this many characters ends at the next blank line,
 */
const SOFT_LIMIT = 1_500;
/** of this many at the next line break (a long code block has no blank lines to split at), */
const LINE_LIMIT = 12_000;
/** and of this many at any character. */
const HARD_LIMIT = 24_000;

/** Finds section boundaries in streamed markdown. Reads each character once. */
export class SectionSplitter {
  constructor() {
    /** Length of the current section. */
    this.length = 0;
    /** The opening line of the current code block; empty outside of one. */
    this.fence = '';
    /** The first 64 characters of the current line. */
    this.line = '';
    this.isBlank = true;
    this.afterBlank = false;
  }

  /** Adds a piece. Returns the indexes in it at which sections start, with the code fence that is open there.
   * @param {string} piece
   * @returns {{ index: number, fence: string }[]} */
  feed(piece) {
    /** @type {{ index: number, fence: string }[]} */
    const boundaries = [];
    for (let index = 0; index < piece.length; index++) {
      const char = piece[index];
      if (this.canSplitBefore(char)) {
        boundaries.push({ index, fence: this.fence });
        this.length = 0;
      }
      this.length += 1;
      this.track(char);
    }
    return boundaries;
  }

  /** @param {string} char */
  canSplitBefore(char) {
    if (this.length < SOFT_LIMIT) return false;
    const atLineStart = this.line === '' && this.isBlank;
    // Indented text belongs to the list item above.
    if (atLineStart && this.afterBlank && !this.fence && char > ' ') return true;
    if (this.length >= LINE_LIMIT && atLineStart) return true;
    // Never inside a surrogate pair.
    return this.length >= HARD_LIMIT && !(char >= '\udc00' && char <= '\udfff');
  }

  /** Tracks lines and code fences. @param {string} char */
  track(char) {
    if (char !== '\n') {
      if (this.line.length < 64) this.line += char;
      if (char > ' ') this.isBlank = false;
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

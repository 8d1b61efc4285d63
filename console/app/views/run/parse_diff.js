// A unified diff as lines with their numbers.

/** @typedef {{ kind: 'same' | 'old' | 'new' | 'hunk' | 'note', text: string, oldNumber?: number, newNumber?: number }} DiffLine */
/** @typedef {{ left: DiffLine | null, right: DiffLine | null }} DiffPair */

/** Lines of a unified diff. Nothing is lost: what is no line of a diff is a note.
 * @param {string} diff
 * @returns {DiffLine[]} */
export function parseDiff(diff) {
  /** @type {DiffLine[]} */
  const lines = [];
  let [oldNumber, newNumber] = [0, 0];
  // How many lines the present hunk still has, so that a removed line that reads `-- x` is not taken for a header.
  let [oldLeft, newLeft] = [0, 0];
  for (const line of diff.replace(/\n$/, '').split('\n')) {
    const hunk = /^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@/.exec(line);
    const inside = oldLeft > 0 || newLeft > 0;
    if (hunk && !inside) {
      [oldNumber, newNumber] = [Number(hunk[1]), Number(hunk[3])];
      [oldLeft, newLeft] = [Number(hunk[2] ?? 1), Number(hunk[4] ?? 1)];
      lines.push({ kind: 'hunk', text: line });
    } else if (inside && line[0] === '+') {
      newLeft -= 1;
      lines.push({ kind: 'new', text: line.slice(1), newNumber: newNumber++ });
    } else if (inside && line[0] === '-') {
      oldLeft -= 1;
      lines.push({ kind: 'old', text: line.slice(1), oldNumber: oldNumber++ });
    } else if (inside && (line[0] === ' ' || line === '')) {
      oldLeft -= 1;
      newLeft -= 1;
      lines.push({ kind: 'same', text: line.slice(1), oldNumber: oldNumber++, newNumber: newNumber++ });
    } else if (!/^(?:---|\+\+\+|diff |index |={3,}|Index: )/.test(line)) {
      lines.push({ kind: 'note', text: line });
    }
  }
  return lines;
}

/** The same beside each other: what was removed on the left, what came for it on the right.
 * @param {DiffLine[]} lines
 * @returns {DiffPair[]} */
export function sideBySide(lines) {
  /** @type {DiffPair[]} */
  const pairs = [];
  /** @type {[DiffLine[], DiffLine[]]} */
  let [old, fresh] = [[], []];
  const settle = () => {
    for (let at = 0; at < Math.max(old.length, fresh.length); at++) pairs.push({ left: old[at] ?? null, right: fresh[at] ?? null });
    [old, fresh] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === 'old') {
      if (fresh.length) settle();
      old.push(line);
    } else if (line.kind === 'new') {
      fresh.push(line);
    } else {
      settle();
      pairs.push({ left: line, right: line });
    }
  }
  settle();
  return pairs;
}

/** How many lines came and went. @param {DiffLine[]} lines */
export function countChanges(lines) {
  const count = (/** @type {string} */ kind) => lines.filter((line) => line.kind === kind).length;
  return { added: count('new'), removed: count('old') };
}

/** Parses unified diffs. */

/** @typedef {{ kind: 'same' | 'old' | 'new' | 'hunk' | 'note', text: string, oldNumber?: number, newNumber?: number }} DiffLine */
/** @typedef {{ left: DiffLine | null, right: DiffLine | null }} DiffPair */

/** Parses a unified diff into numbered lines. Unknown lines become notes; file headers are dropped.
 * @param {string} diff
 * @returns {DiffLine[]} */
export function parseDiff(diff) {
  /** @type {DiffLine[]} */
  const lines = [];
  let [oldNumber, newNumber] = [0, 0];
  // The remaining lines of the current hunk: a removed line `-- x` must not be taken for a file header.
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

/** Pairs removed lines with the added lines that replace them.
 * @param {DiffLine[]} lines
 * @returns {DiffPair[]} */
export function sideBySide(lines) {
  /** @type {DiffPair[]} */
  const pairs = [];
  /** @type {[DiffLine[], DiffLine[]]} */
  let [removed, added] = [[], []];
  const flush = () => {
    for (let index = 0; index < Math.max(removed.length, added.length); index++) pairs.push({ left: removed[index] ?? null, right: added[index] ?? null });
    [removed, added] = [[], []];
  };
  for (const line of lines) {
    if (line.kind === 'old') {
      if (added.length) flush();
      removed.push(line);
    } else if (line.kind === 'new') {
      added.push(line);
    } else {
      flush();
      pairs.push({ left: line, right: line });
    }
  }
  flush();
  return pairs;
}

/** Counts added and removed lines. @param {DiffLine[]} lines */
export function countChanges(lines) {
  const count = (/** @type {string} */ kind) => lines.filter((line) => line.kind === kind).length;
  return { added: count('new'), removed: count('old') };
}

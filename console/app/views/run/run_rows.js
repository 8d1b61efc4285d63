/**
 * The rows of one run in a thread: a divider, the prompt, and the items of the conversation. Consecutive steps of the agent are one row, so
 * that a long series can be collapsed. Rows are only added at the end.
 */

/** @typedef {import('./run_model.js').Item} Item */
/** @typedef {{ kind: 'run', key: string }} RunRow */
/** @typedef {{ kind: 'item', key: string, item: Item }} ItemRow */
/** Steps: tool calls, and the thoughts between them. @typedef {{ kind: 'steps', key: string, items: Item[] }} StepsRow */
/** @typedef {RunRow | ItemRow | StepsRow} Row */

const STEPS = new Set(['tool', 'thinking']);

export class RunRows {
  /** @param {string} id of the run @param {Item[]} items of the run's model */
  constructor(id, items) {
    this.id = id;
    this.items = items;
    /** @type {Row[]} */
    this.rows = [{ kind: 'run', key: `${id} run` }, { kind: 'item', key: `${id} prompt`, item: promptItem('') }];
    /** The row of each item. @type {number[]} */
    this.rowOfItem = [];
  }

  /** Sets the prompt, which is not an event. @param {string} text @param {{ name: string }[]} [attachments] */
  setPrompt(text, attachments = []) {
    const row = /** @type {ItemRow} */ (this.rows[1]);
    const { text: old, attachments: oldAttachments = [] } = /** @type {any} */ (row.item);
    if (old !== text || oldAttachments.length !== attachments.length) row.item = promptItem(text, attachments);
  }

  /** Adds rows for the new items. Takes constant time per item. @returns {Row[]} all rows */
  update() {
    for (let index = this.rowOfItem.length; index < this.items.length; index++) {
      const item = this.items[index];
      const last = this.rows.at(-1);
      if (STEPS.has(item.kind) && last?.kind === 'steps') last.items.push(item);
      else this.rows.push(STEPS.has(item.kind) ? { kind: 'steps', key: `${this.id} ${item.key}`, items: [item] } : { kind: 'item', key: `${this.id} ${item.key}`, item });
      this.rowOfItem.push(this.rows.length - 1);
    }
    return this.rows;
  }
}

/** @param {string} text @param {{ name: string }[]} [attachments] @returns {Item} */
const promptItem = (text, attachments) => /** @type {any} */ ({ kind: 'user', key: 0, text, attachments, mode: '', rev: 0, parent: null });

/** A number that changes with the row's content. @param {Row} row */
export function revisionOf(row) {
  if (row.kind === 'item') return row.item.rev;
  return row.kind === 'steps' ? row.items.reduce((sum, item) => sum + item.rev + 1, 0) : 0;
}

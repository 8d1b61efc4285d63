/** The edits that a tool call proposes, from the inputs of all agents' tools. Pure. */
import { pathOf } from './run_model.js';

/** An edit as two versions of a text, or as a unified diff. @typedef {{ path: string, before: string, after: string } | { path: string, diff: string }} Edit */

/** The edits that an input describes; empty if it describes none, or not completely.
 * @param {any} input @returns {Edit[]} */
export function editsOf(input) {
  if (typeof input !== 'object' || input === null) return [];
  if (Array.isArray(input.changes)) return complete(input.changes.map(changeOf));
  // Some agents wrap the arguments of their tools.
  if (typeof input.arguments === 'object' && input.arguments !== null && typeof input.tool === 'string') return editsOf(input.arguments);
  const path = pathOf(input) ?? stringOf(input, ['filepath']);
  if (path === undefined) return [];
  if (Array.isArray(input.edits)) return complete(input.edits.map((/** @type {any} */ edit) => replacementOf(edit, path)));
  const edit = replacementOf(input, path);
  return edit === null ? [] : [edit];
}

/** All edits, or none: a part would look like the whole. @param {(Edit | null)[]} edits @returns {Edit[]} */
const complete = (edits) => (edits.includes(null) ? [] : /** @type {Edit[]} */ (edits));

/** @param {any} input @param {string[]} names @returns {string | undefined} */
const stringOf = (input, names) => names.map((name) => input?.[name]).find((value) => typeof value === 'string');

/** @param {any} input @param {string} path @returns {Edit | null} */
function replacementOf(input, path) {
  const after = stringOf(input, ['new_string', 'newString', 'new_text', 'newText', 'content']);
  if (after !== undefined) return { path, before: stringOf(input, ['old_string', 'oldString', 'old_text', 'oldText']) ?? '', after };
  const diff = stringOf(input, ['diff', 'patch']);
  return diff !== undefined && /^@@ /m.test(diff) ? { path, diff } : null;
}

/** One of several changes. @param {any} change @returns {Edit | null} */
function changeOf(change) {
  const path = pathOf(change);
  if (path === undefined) return null;
  const kind = change.kind?.type ?? change.kind;
  // Codex describes new and deleted files by their content.
  if (kind === 'add' && typeof change.diff === 'string') return { path, before: '', after: change.diff };
  if (kind === 'delete' && typeof change.diff === 'string') return { path, before: change.diff, after: '' };
  return replacementOf(change, path);
}

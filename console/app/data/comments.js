/** Comments on lines of diffs, which are collected until they are sent to the agent as one message. Kept like drafts: in memory only. */
import { signal } from '../html.js';
import { t } from '../i18n.js';
import { readDraft, writeDraft } from './drafts.js';

/**
 * `start` and `end` are line numbers of the old or the new version. `saved` is the text before it was opened for editing; null if it is new.
 * @typedef {{ id: number, scope: string, path: string, side: 'old' | 'new', start: number, end: number, quote: string[], text: string,
 *   saved: string | null, isOpen: boolean }} Comment
 * @typedef {{ kind: string, text: string, oldNumber?: number, newNumber?: number }} Line
 */

/** How many lines are quoted at each end of a range. */
const MAX_QUOTED = 20;
/** Quoted lines are cut at this length, in characters. */
const MAX_LINE_LENGTH = 500;

const version = signal(0);
let lastId = 0;

/** @param {string} sessionId @returns {Comment[]} */
export function commentsOf(sessionId) {
  void version.value;
  return readDraft(`comments ${sessionId}`) ?? [];
}

/** @param {string} sessionId @param {Comment[]} comments */
function setComments(sessionId, comments) {
  writeDraft(`comments ${sessionId}`, comments.length === 0 ? undefined : comments);
  version.value += 1;
}

/** Opens a new comment. @param {string} sessionId @param {Pick<Comment, 'scope' | 'path' | 'side' | 'start' | 'end' | 'quote'>} place */
export function openComment(sessionId, place) {
  const comment = { ...place, id: ++lastId, text: '', saved: null, isOpen: true };
  // Empty ones that were left open go.
  setComments(sessionId, [...commentsOf(sessionId).filter(({ text }) => text.trim() !== ''), comment]);
}

/** @param {string} sessionId @param {number} id @param {Partial<Comment>} change */
export const changeComment = (sessionId, id, change) => setComments(sessionId, commentsOf(sessionId).map((comment) => (comment.id === id ? { ...comment, ...change } : comment)));

/** @param {string} sessionId @param {number[]} ids */
export const removeComments = (sessionId, ids) => setComments(sessionId, commentsOf(sessionId).filter(({ id }) => !ids.includes(id)));

/** The comments that have a text. @param {string} sessionId */
export const writtenComments = (sessionId) => commentsOf(sessionId).filter(({ text }) => text.trim() !== '');

const SIGNS = /** @type {Record<string, string>} */ ({ old: '-', new: '+', same: ' ' });

/** Where a comment on some lines of a diff belongs, and their quote; null if no line has a number. @param {Line[]} lines */
export function placeOf(lines) {
  const side = lines.some(({ newNumber }) => newNumber !== undefined) ? /** @type {const} */ ('new') : /** @type {const} */ ('old');
  const numbers = lines.map((line) => line[`${side}Number`]).filter((number) => number !== undefined);
  if (numbers.length === 0) return null;
  const quote = lines.map(({ kind, text }) => (kind in SIGNS ? `${SIGNS[kind]}${text.replace(/\r$/, '').slice(0, MAX_LINE_LENGTH)}` : '…'));
  const shown = quote.length > 2 * MAX_QUOTED ? [...quote.slice(0, MAX_QUOTED), '…', ...quote.slice(-MAX_QUOTED)] : quote;
  return { side, start: numbers[0], end: numbers[numbers.length - 1], quote: shown };
}

/** Whether the comment is shown below this line. @param {Comment} comment @param {Line} line */
export const isBelow = ({ side, end }, line) => line[`${side}Number`] === end && (side === 'new' || line.kind === 'old');

/** The lines of a comment, in words. @param {Pick<Comment, 'side' | 'start' | 'end'>} comment */
export function linesText({ side, start, end }) {
  if (start === end) return t(side === 'old' ? 'comments.removed_line' : 'comments.line', { n: start });
  return t(side === 'old' ? 'comments.removed_lines' : 'comments.lines', { start, end });
}

/** The message to the agent: plain text with the file, the lines and the comment of each. @param {Comment[]} comments @param {string} text that precedes them */
export function commentsMessage(comments, text) {
  const parts = comments.map((comment) => `${comment.path}, ${linesText(comment)}:\n${comment.quote.map((line) => `> ${line}`).join('\n')}\n${comment.text.trim()}`);
  return [text.trim() || t('comments.intro'), ...parts].join('\n\n');
}

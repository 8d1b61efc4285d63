/** Comments on lines of a diff. */
import { changeComment, linesText, openComment, placeOf, removeComments } from '../../data/comments.js';
import { html, useLayoutEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Button, IconButton } from '../../ui/button.js';
import { sanitize } from './sanitize.js';

/** Whose comments a diff shows, and on which changes. @typedef {{ sessionId: string, scope: string }} CommentTarget */
/** @typedef {import('./parse_diff.js').DiffLine} DiffLine */

/**
 * The selection of lines to comment on. One button per diff is in the order of Tab; the arrow keys move from line to line, with Shift they
 * extend the selection.
 * @param {CommentTarget | null} target @param {DiffLine[]} lines @param {string} path
 */
export function useLineSelection(target, lines, path) {
  const container = useRef(/** @type {HTMLElement | null} */ (null));
  const [{ anchor, head }, select] = useState({ anchor: -1, head: -1 });
  const first = lines.findIndex(({ kind }) => kind !== 'hunk' && kind !== 'note');
  const current = head < 0 || head >= lines.length ? first : head;
  const [start, end] = [Math.min(anchor, head), Math.max(anchor, head)];
  const focus = (/** @type {number} */ index) => /** @type {HTMLElement | null} */ (container.current?.querySelector(`.comment-button[data-index="${index}"]`))?.focus();
  const comment = (/** @type {number} */ index, /** @type {MouseEvent} */ event) => {
    if (target === null) return;
    // A click by keyboard has no count.
    const keeps = event.shiftKey ? anchor >= 0 : event.detail === 0 && head === index;
    const from = keeps ? anchor : index;
    select({ anchor: from, head: index });
    const place = placeOf(lines.slice(Math.min(from, index), Math.max(from, index) + 1));
    if (place) openComment(target.sessionId, { scope: target.scope, path, ...place });
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    const button = /** @type {HTMLElement} */ (event.target);
    if (by === 0 || button.dataset.index === undefined) return;
    event.preventDefault();
    const buttons = [...(container.current?.querySelectorAll('.comment-button') ?? [])].map((element) => /** @type {HTMLElement} */ (element));
    const next = buttons[buttons.indexOf(button) + by];
    if (!next) return;
    const [from, to] = [Number(button.dataset.index), Number(next.dataset.index)];
    select({ anchor: event.shiftKey ? (anchor < 0 ? from : anchor) : to, head: to });
    next.focus();
  };
  return { container, current, isSelected: (/** @type {number} */ index) => start >= 0 && start < end && index >= start && index <= end, focus, comment, onKeyDown };
}

/** @typedef {ReturnType<typeof useLineSelection>} LineSelection */

/** @param {{ line: DiffLine, index: number, selection: LineSelection }} props */
export function CommentButton({ line, index, selection }) {
  const label = line.kind === 'old' ? t('comments.add_removed', { n: line.oldNumber ?? 0 }) : t('comments.add', { n: line.newNumber ?? 0 });
  return html`<button type="button" class="comment-button" data-index=${index} tabindex=${index === selection.current ? 0 : -1} aria-label=${label} title=${`${label}. ${t('comments.keys')}`}
    onClick=${(/** @type {MouseEvent} */ event) => selection.comment(index, event)}><${Icon} name="plus" size=${12} /></button>`;
}

/** @param {{ sessionId: string, comment: import('../../data/comments.js').Comment, onClosed: () => void }} props `onClosed` moves the focus */
export function CommentBox({ sessionId, comment, onClosed }) {
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  const { id, text, saved, isOpen } = comment;
  useLayoutEffect(() => { if (isOpen) field.current?.focus(); }, [isOpen]);
  const remove = () => {
    removeComments(sessionId, [id]);
    onClosed();
  };
  const save = () => {
    if (text.trim() === '') return remove();
    changeComment(sessionId, id, { isOpen: false, saved: text });
    return onClosed();
  };
  const cancel = () => {
    if (saved === null) return remove();
    changeComment(sessionId, id, { isOpen: false, text: saved });
    return onClosed();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) save();
    else if (event.key === 'Escape') cancel();
    else return;
    event.preventDefault();
  };
  const label = `${t('comments.text')}, ${linesText(comment)}`;
  if (!isOpen) {
    return html`<div class="comment" role="group" aria-label=${label}><p>${sanitize(text)}</p>
      <${IconButton} icon="edit" label=${t('comments.edit')} onClick=${() => changeComment(sessionId, id, { isOpen: true })} /><${IconButton} icon="trash" label=${t('comments.remove')} onClick=${remove} /></div>`;
  }
  return html`<form class="comment" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); save(); }}>
    <label><span class="hint">${label}</span><textarea ref=${field} rows="3" value=${text} onKeyDown=${onKeyDown}
      onInput=${(/** @type {any} */ event) => changeComment(sessionId, id, { text: event.target.value })}></textarea></label>
    <div class="comment-actions"><${Button} onClick=${cancel}>${t('cancel')}<//><${Button} kind="primary" type="submit" disabled=${text.trim() === ''}>${t('comments.save')}<//></div>
  </form>`;
}

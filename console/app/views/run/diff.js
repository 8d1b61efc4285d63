/** File changes and diffs. */
import { html, useMemo, Fragment } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { CopyButton } from '../../ui/button.js';
import { structuredPatch } from '../../../vendor/vendor.js';
import { commentsOf, isBelow } from '../../data/comments.js';
import { CommentBox, CommentButton, useLineSelection } from './comments.js';
import { SplitButton, isSplit } from './diff_layout.js';
import { countChanges, parseDiff, sideBySide } from './parse_diff.js';
import { highlightLines, languageOf } from './highlight.js';
import { useItemState } from './item_state.js';
import { sanitize, sanitizeLine } from './sanitize.js';

/** @typedef {import('./parse_diff.js').DiffLine} DiffLine */
/** @typedef {import('./comments.js').CommentTarget} CommentTarget */

/** How many lines are shown at first, and how many more per click. */
const FIRST_LINES = 24;
const MORE_LINES = 400;
/** Lines are cut at this length, in characters. */
const MAX_LINE_LENGTH = 2_000;

/** @param {{ item: import('./run_model.js').FileChangeItem, hasIcon?: boolean }} props */
export function FileChange({ item, hasIcon = false }) {
  const lines = useMemo(() => (item.diff === undefined ? [] : parseDiff(item.diff)), [item.diff]);
  const { added, removed } = useMemo(() => countChanges(lines), [lines]);
  return html`<div class="change">
    <p class="change-head">
      ${hasIcon && html`<${Icon} name="edit" />`}
      <span class="path" title=${sanitizeLine(item.path)}>${sanitizeLine(item.path)}</span>
      <span class="faint">${t(`run.change.${item.change}`)}</span>
      ${added > 0 && html`<span class="added">+${added}</span>`}${removed > 0 && html`<span class="removed">−${removed}</span>`}
      ${lines.length > 0 && html`<${SplitButton} /><${CopyButton} text=${item.diff ?? ''} label=${t('run.copy_diff')} />`}
    </p>
    ${lines.length > 0 && html`<${Diff} item=${item} lines=${lines} path=${item.path} />`}
  </div>`;
}

/** What git says about a file as a whole. The view says it in other words. */
const FILE_NOTES = /^(?:new file mode|deleted file mode|similarity index|rename (?:from|to)) /;

/** A unified diff of one file. With `target`, its lines can be commented.
 * @param {{ item: object, diff: string, path: string, target?: CommentTarget | null }} props */
export function DiffText({ item, diff, path, target }) {
  const lines = useMemo(() => parseDiff(diff).filter((line) => line.kind !== 'note' || !FILE_NOTES.test(line.text)), [diff]);
  return html`<${Diff} item=${item} lines=${lines} path=${path} target=${target} />`;
}

/** The diff of an edit that was not made yet. @param {{ item: object, before: string, after: string, path: string }} props */
export function DiffPreview({ item, before, after, path }) {
  const lines = useMemo(() => {
    if (before.length + after.length > 200_000) return [];
    const { hunks } = structuredPatch('', '', before, after, '', '', { context: 3 });
    return hunks.flatMap((/** @type {any} */ hunk) => parseDiff(
      `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@\n${hunk.lines.join('\n')}`,
    )).filter((/** @type {DiffLine} */ line) => line.kind !== 'hunk');
  }, [before, after]);
  return html`<${Diff} item=${item} lines=${lines} path=${path} hasNumbers=${false} />`;
}

/** @param {{ item: object, lines: DiffLine[], path: string, hasNumbers?: boolean, target?: CommentTarget | null }} props */
function Diff({ item, lines, path, hasNumbers = true, target = null }) {
  const [maxLines, setMaxLines] = useItemState(item, 'lines', FIRST_LINES);
  const language = languageOf(path);
  // Do not add a button for a few lines.
  const end = lines.length <= maxLines + 4 ? lines.length : maxLines;
  const shown = useMemo(() => highlightDiff(lines.slice(0, end), language), [lines, end, language]);
  const selection = useLineSelection(target, lines, path);
  const comments = target === null ? [] : commentsOf(target.sessionId).filter((comment) => comment.scope === target.scope && comment.path === path);
  /** @type {LineExtras} */
  const extras = {
    button: (line) => target !== null && line.kind !== 'hunk' && line.kind !== 'note' && html`<${CommentButton} line=${line} index=${line.index} selection=${selection} />`,
    below: (line) => target !== null && comments.filter((comment) => isBelow(comment, line)).map((comment) => html`<${CommentBox} key=${comment.id} sessionId=${target.sessionId} comment=${comment} onClosed=${() => selection.focus(line.index)} />`),
    isSelected: (line) => selection.isSelected(line.index),
  };
  return html`<div class="diff" data-numbers=${hasNumbers} data-split=${isSplit.value} data-comments=${target !== null}>
    <div class="diff-lines" ref=${selection.container} onKeyDown=${selection.onKeyDown} role="group" tabindex="0" aria-label=${t('run.diff_of', { path: sanitize(path) })}>${isSplit.value ? renderSideBySide(shown, extras) : renderUnified(shown, extras)}</div>
    ${end < lines.length && html`<p class="steps-more"><button type="button" class="text-button" onClick=${() => setMaxLines(maxLines + MORE_LINES)}>
      ${t('run.show_lines', { count: Math.min(MORE_LINES, lines.length - end) })}</button></p>`}
  </div>`;
}

/** @typedef {DiffLine & { spans: import('./highlight.js').Span[], index: number }} HighlightedLine `index`: in the diff */
/** What is shown at and below a line. @typedef {{ button: (line: HighlightedLine) => any, below: (line: HighlightedLine) => any, isSelected: (line: HighlightedLine) => boolean }} LineExtras */

/** Highlights the old and the new version separately and as a whole, since syntax may span lines.
 * @param {DiffLine[]} lines @param {string | undefined} language @returns {HighlightedLine[]} */
function highlightDiff(lines, language) {
  const shown = lines.map((line, index) => ({ ...line, index, text: sanitize(line.text.replace(/\r$/, '')).slice(0, MAX_LINE_LENGTH).replaceAll('\n', '␊') }));
  const highlightVersion = (/** @type {'old' | 'new'} */ kind) => {
    const version = shown.filter((line) => line.kind === kind || line.kind === 'same');
    const spans = highlightLines(version.map((line) => line.text).join('\n'), language);
    return new Map(version.map((line, index) => [line, spans[index] ?? []]));
  };
  const [oldLines, newLines] = [highlightVersion('old'), highlightVersion('new')];
  return shown.map((line) => ({ ...line, spans: newLines.get(line) ?? oldLines.get(line) ?? [{ text: line.text, className: '' }] }));
}

const SIGNS = { old: '−', new: '+', same: ' ', hunk: ' ', note: ' ' };

/** @param {HighlightedLine[]} lines @param {LineExtras} extras */
function renderUnified(lines, extras) {
  return lines.map((line) => html`<div class="diff-line" data-kind=${line.kind} data-selected=${extras.isSelected(line)}>
    <span class="number">${extras.button(line)}${line.oldNumber ?? ''}</span><span class="number">${line.newNumber ?? ''}</span>
    <span class="sign">${SIGNS[line.kind]}</span><span class="diff-text">${renderSpans(line)}</span>
  </div>${extras.below(line)}`);
}

/** @param {HighlightedLine[]} lines @param {LineExtras} extras */
function renderSideBySide(lines, extras) {
  const half = (/** @type {HighlightedLine | null} */ line, /** @type {'oldNumber' | 'newNumber'} */ number) => html`<${Fragment}>
    <span class="number">${line && (line.kind !== 'same' || number === 'newNumber') && extras.button(line)}${line?.[number] ?? ''}</span>
    <span class="diff-text" data-kind=${line?.kind ?? 'none'} data-selected=${line !== null && extras.isSelected(line)}>${line && html`<span class="sign">${SIGNS[line.kind]}</span>${renderSpans(line)}`}</span>
  </${Fragment}>`;
  return sideBySide(lines).map((pair) => {
    const [left, right] = /** @type {(HighlightedLine | null)[]} */ ([pair.left, pair.right]);
    if (left && left === right && left.kind !== 'same') return html`<div class="diff-line" data-kind=${left.kind}><span class="diff-text">${left.text}</span></div>`;
    return html`<div class="diff-pair">${half(left, 'oldNumber')}${half(right, 'newNumber')}</div>${left && left !== right && extras.below(left)}${right && extras.below(right)}`;
  });
}

/** @param {HighlightedLine} line */
function renderSpans({ spans }) {
  return spans.map(({ text, className }) => (className ? html`<span class=${className}>${text}</span>` : text));
}

// A file that was changed, with its diff.

import { html, signal, useMemo, Fragment } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { structuredPatch } from '../../../vendor/vendor.js';
import { countChanges, parseDiff, sideBySide } from './parse_diff.js';
import { highlightLines, languageOf } from './highlight.js';
import { useKept } from './item_state.js';
import { exactly, visible } from './sanitize.js';

/** @typedef {import('./parse_diff.js').DiffLine} DiffLine */

/** How many lines are shown at first, and how many more with each step. */
const FIRST_LINES = 24;
const MORE_LINES = 400;
/** More of a line than this, in characters, is not shown. */
const LINE = 2_000;

/** Whether diffs are shown side by side where there is room: one choice for all. */
const isSplit = signal(false);

/** @param {{ item: import('./run_model.js').ChangeItem, isAlone?: boolean }} props */
export function Change({ item, isAlone = false }) {
  const lines = useMemo(() => (item.diff === undefined ? [] : parseDiff(item.diff)), [item.diff]);
  const { added, removed } = useMemo(() => countChanges(lines), [lines]);
  return html`<div class="change">
    <p class="change-head">
      ${isAlone && html`<${Icon} name="edit" />`}
      <span class="path" title=${exactly(item.path)}>${exactly(item.path)}</span>
      <span class="faint">${t(`run.change.${item.change}`)}</span>
      ${added > 0 && html`<span class="added">+${added}</span>`}${removed > 0 && html`<span class="removed">−${removed}</span>`}
      ${lines.length > 0 && html`<button type="button" class="text-button split-button" aria-pressed=${isSplit.value}
        onClick=${() => { isSplit.value = !isSplit.value; }}>${t(isSplit.value ? 'run.unified' : 'run.sideBySide')}</button>`}
    </p>
    ${lines.length > 0 && html`<${Diff} item=${item} lines=${lines} path=${item.path} />`}
  </div>`;
}

/** What an edit that is not made yet would change. @param {{ item: object, before: string, after: string, path: string }} props */
export function Preview({ item, before, after, path }) {
  const lines = useMemo(() => {
    if (before.length + after.length > 200_000) return [];
    const { hunks } = structuredPatch('', '', before, after, '', '', { context: 3 });
    return hunks.flatMap((/** @type {any} */ hunk) => parseDiff(
      `@@ -${hunk.oldStart},${hunk.oldLines} +${hunk.newStart},${hunk.newLines} @@\n${hunk.lines.join('\n')}`,
    )).filter((/** @type {DiffLine} */ line) => line.kind !== 'hunk');
  }, [before, after]);
  return html`<${Diff} item=${item} lines=${lines} path=${path} isWithoutNumbers=${true} />`;
}

/** @param {{ item: object, lines: DiffLine[], path: string, isWithoutNumbers?: boolean }} props */
function Diff({ item, lines, path, isWithoutNumbers = false }) {
  const [most, setMost] = useKept(item, 'lines', FIRST_LINES);
  const language = languageOf(path);
  // A few lines more are shown rather than hidden behind a button.
  const end = lines.length <= most + 4 ? lines.length : most;
  const part = useMemo(() => coloured(lines.slice(0, end), language), [lines, end, language]);
  return html`<div class="diff" data-numbers=${!isWithoutNumbers} data-split=${isSplit.value}>
    <div class="diff-lines" role="group" tabindex="0" aria-label=${t('run.diffOf', { path: visible(path) })}>${isSplit.value ? split(part) : unified(part)}</div>
    ${end < lines.length && html`<p class="steps-more"><button type="button" class="text-button" onClick=${() => setMost(most + MORE_LINES)}>
      ${t('run.showLines', { count: Math.min(MORE_LINES, lines.length - end) })}</button></p>`}
  </div>`;
}

/** @typedef {DiffLine & { runs: import('./highlight.js').Run[] }} ColouredLine */

/** The two versions are coloured each as a whole, so that what begins in one line and ends in another is coloured rightly.
 * @param {DiffLine[]} lines @param {string | undefined} language @returns {ColouredLine[]} */
function coloured(lines, language) {
  const shown = lines.map((line) => ({ ...line, text: visible(line.text.replace(/\r$/, '')).slice(0, LINE).replaceAll('\n', '␊') }));
  const version = (/** @type {'old' | 'new'} */ kind) => {
    const own = shown.filter((line) => line.kind === kind || line.kind === 'same');
    const runs = highlightLines(own.map((line) => line.text).join('\n'), language);
    return new Map(own.map((line, index) => [line, runs[index] ?? []]));
  };
  const [old, fresh] = [version('old'), version('new')];
  return shown.map((line) => ({ ...line, runs: fresh.get(line) ?? old.get(line) ?? [{ text: line.text, className: '' }] }));
}

const SIGNS = { old: '−', new: '+', same: ' ', hunk: ' ', note: ' ' };

/** @param {ColouredLine[]} lines */
function unified(lines) {
  return lines.map((line) => html`<div class="diff-line" data-kind=${line.kind}>
    <span class="number">${line.oldNumber ?? ''}</span><span class="number">${line.newNumber ?? ''}</span>
    <span class="sign">${SIGNS[line.kind]}</span><span class="diff-text">${runsOf(line)}</span>
  </div>`);
}

/** @param {ColouredLine[]} lines */
function split(lines) {
  const half = (/** @type {any} */ line, /** @type {'oldNumber' | 'newNumber'} */ number) => html`<${Fragment}>
    <span class="number">${line?.[number] ?? ''}</span>
    <span class="diff-text" data-kind=${line?.kind ?? 'none'}>${line ? runsOf(line) : ''}</span>
  </${Fragment}>`;
  return sideBySide(lines).map(({ left, right }) => (left && left === right && left.kind !== 'same'
    ? html`<div class="diff-line" data-kind=${left.kind}><span class="diff-text">${left.text}</span></div>`
    : html`<div class="diff-pair">${half(left, 'oldNumber')}${half(right, 'newNumber')}</div>`));
}

/** @param {ColouredLine} line */
function runsOf({ runs }) {
  return runs.map(({ text, className }) => (className ? html`<span class=${className}>${text}</span>` : text));
}

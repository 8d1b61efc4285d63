/** The input of a tool call. */
import { html, useMemo } from '../../html.js';
import { t } from '../../i18n.js';
import { PlainText } from './code.js';
import { DiffPreview, DiffText } from './diff.js';
import { useItemState } from './item_state.js';
import { editsOf } from './proposed_edits.js';
import { pathOf } from './run_model.js';
import { sanitizeLine } from './sanitize.js';

/** Shows the input in the form for the tool's kind, else as JSON. With `isExact`, the full JSON is available, too: it is what a person approves.
 * @param {{ item: object, input: any, toolKind: string, isExact?: boolean }} props */
export function ToolInput({ item, input, toolKind, isExact = false }) {
  const json = useMemo(() => JSON.stringify(input, null, 2) ?? '', [input]);
  const path = pathOf(input);
  const firstString = (/** @type {string[]} */ names) => names.map((name) => input?.[name]).find((value) => typeof value === 'string');
  const command = toolKind === 'execute' ? commandOf(input) : undefined;
  const edits = useMemo(() => (toolKind === 'execute' ? [] : editsOf(input).map((edit) => ({ edit, state: {} }))), [input, toolKind]);
  const query = firstString(['pattern', 'query', 'url']);
  let summary;
  if (command !== undefined) summary = html`<div class="to-run"><${PlainText} text=${command} language="bash" /></div>`;
  else if (edits.length > 0) summary = edits.map(({ edit, state }) => html`<p class="path">${sanitizeLine(edit.path)}</p>${'diff' in edit
    ? html`<${DiffText} item=${state} diff=${edit.diff} path=${edit.path} />` : html`<${DiffPreview} item=${state} before=${edit.before} after=${edit.after} path=${edit.path} />`}`);
  else if (path !== undefined) summary = html`<p class="path">${sanitizeLine(path)}</p>`;
  else if (query !== undefined) summary = html`<p class="path">${sanitizeLine(query)}</p>`;
  const isComplete = summary && edits.length === 0 && Object.keys(input).length <= 1;
  const [isOpen, setOpen] = useItemState(item, 'input', false);
  if (!summary) return json && json !== '{}' && json !== 'null' ? html`<${PlainText} text=${json} language="json" />` : null;
  return html`<div class="input">${summary}
    ${isExact && !isComplete && html`<button type="button" class="text-button" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>${t('run.full_input')}</button>
      ${isOpen && html`<${PlainText} text=${json} language="json" />`}`}
  </div>`;
}

/** The command of an `execute` tool; an argument list is quoted for a shell. @param {any} input @returns {string | undefined} */
export function commandOf(input) {
  const command = input?.command ?? input?.cmd;
  if (typeof command === 'string') return command;
  if (!Array.isArray(command) || command.some((word) => typeof word !== 'string')) return undefined;
  return command.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(' ');
}

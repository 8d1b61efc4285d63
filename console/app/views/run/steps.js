/** Consecutive steps of the agent: tool calls and thoughts. Long series are collapsed to one line. */
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { ConversationItem } from './conversation_item.js';
import { useItemState } from './item_state.js';

/** @typedef {import('./run_model.js').Item} Item */
/** @typedef {import('./run_model.js').ToolItem} ToolItem */

/** Series of up to this many tool calls are shown as they are. */
const MAX_CALLS = 4;

/** Tool kinds that are counted by name. */
const KINDS = ['read', 'search', 'edit', 'execute', 'fetch', 'delete', 'move'];

/** @param {{ row: import('./run_rows.js').StepsRow, rev: number }} props */
export function Steps({ row, rev }) {
  const [isOpen, setOpen] = useItemState(row, 'open', false);
  const calls = /** @type {ToolItem[]} */ (row.items.filter(isVisibleCall));
  if (calls.length <= MAX_CALLS) return row.items.map((item) => html`<${Step} item=${item} key=${item.key} />`);
  const shown = isOpen ? row.items : row.items.filter((item) => isImportant(item) || item === row.items.at(-1));
  return html`<div class="collapsible steps-group" data-open=${isOpen} data-rev=${rev}>
      <button type="button" class="collapsible-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
        <${Icon} name="list" /><span class="collapsible-title">${t('run.steps', { count: calls.length })}</span>
        <span class="collapsible-hint">${summary(calls)}</span><${Icon} name="chevron" />
      </button></div>
    ${shown.map((item) => html`<${Step} item=${item} key=${item.key} />`)}`;
}

/** @param {{ item: Item }} props */
const Step = ({ item }) => html`<div class="step" data-kind=${item.kind}><${ConversationItem} item=${item} rev=${item.rev} /></div>`;

/** @param {Item} item */
const isVisibleCall = (item) => item.kind === 'tool' && !(item.isPlan && item.status !== 'error' && item.items.length === 0);

/** Whether a step stays visible in a collapsed series: it runs, failed, waits for a person, or changed a file. @param {Item} item */
function isImportant(item) {
  if (item.kind === 'thinking') return item.isOpen;
  if (item.kind !== 'tool') return true;
  return item.status !== 'ok' || item.fileChanges.length > 0 || item.items.length > 0 || (item.request !== null && item.request.decision?.by !== 'policy');
}

/** The calls by kind, such as "5 read, 3 search". @param {ToolItem[]} calls */
function summary(calls) {
  const counts = KINDS.map((kind) => ({ kind, count: calls.filter((call) => call.toolKind === kind).length })).filter(({ count }) => count > 0);
  return counts.map(({ kind, count }) => t(`run.steps.${kind}`, { count })).join(', ');
}

// Beside the conversation: the plan, what the run is and has used, and where to jump to.

import { duration, money, number } from '../../format.js';
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Ago } from '../../ui/misc.js';
import { requestTitle } from './requests.js';
import { PlanList } from './conversation_item.js';
import { ICONS } from './tool_card.js';
import { exactly, oneLine, visible } from './sanitize.js';
import { WindowList } from './variable_height_list.js';

/** @typedef {import('./run_model.js').Item} Item */

/** @param {{ run: import('./live_run.js').LiveRun, jumpTo: (item: number) => void }} props */
export function Side({ run, jumpTo }) {
  const { model } = run;
  return html`<aside class="run-side" aria-label=${t('run.panel')}>
    ${model.plan && html`<section><h2>${t('run.plan')} <span class="faint">${progress(model.plan.entries)}</span></h2><${PlanList} entries=${model.plan.entries} /></section>`}
    <${Usage} usage=${model.usage} />
    <${Facts} run=${run} />
    <section class="timeline"><h2>${t('run.timeline')} <span class="faint">${number(model.marks.length)}</span></h2>
      <${WindowList} class="timeline-list" count=${model.marks.length} estimate=${28} label=${t('run.timeline')} follows=${true}
        keyOf=${(/** @type {number} */ index) => index} row=${(/** @type {number} */ index) => html`<${Mark} item=${model.items[model.marks[index]]}
          rev=${model.items[model.marks[index]].rev} onClick=${() => jumpTo(model.marks[index])} />`} />
    </section>
  </aside>`;
}

/** @param {import('./run_model.js').PlanEntry[]} entries */
export function progress(entries) {
  return `${entries.filter(({ status }) => status === 'completed').length}/${entries.length}`;
}

/** @param {{ usage: import('./run_model.js').RunEvent | null }} props */
function Usage({ usage }) {
  if (!usage) return null;
  const rows = [
    ['run.usage.input', number(usage.input_tokens)],
    ['run.usage.cacheRead', usage.cache_read_tokens ? number(usage.cache_read_tokens) : ''],
    ['run.usage.cacheWrite', usage.cache_write_tokens ? number(usage.cache_write_tokens) : ''],
    ['run.usage.output', number(usage.output_tokens)],
    ['run.usage.reasoning', usage.reasoning_tokens ? number(usage.reasoning_tokens) : ''],
    ['run.usage.cost', usage.cost_usd === undefined ? '' : `${usage.cost_is_estimate ? '≈ ' : ''}${money(usage.cost_usd)}`],
  ];
  return html`<section><h2>${t('run.usage')}</h2><${Table} rows=${rows} /></section>`;
}

/** @param {{ run: import('./live_run.js').LiveRun }} props */
function Facts({ run }) {
  const record = run.record.value;
  if (!record) return null;
  const { started, done } = run.model;
  const labels = Object.entries(record.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(', ');
  const rows = [
    ['run.fact.agent', `${record.agent_type} ${started?.agent_version ?? ''}`.trim()],
    ['run.fact.model', started?.model ?? record.model ?? ''],
    ['run.fact.folder', record.working_dir],
    ['run.fact.mode', t(`run.permissionMode.${record.permission_mode}`)],
    ['run.fact.owner', record.owner],
    ['run.fact.created', html`<${Ago} time=${record.created_at} />`],
    ['run.fact.took', done ? duration(done.duration_ms) : ''],
    ['run.fact.limit', record.timeout_secs ? duration(record.timeout_secs * 1000) : ''],
    ['run.fact.labels', labels],
    ['run.fact.session', html`<a href=${`#/sessions/${encodeURIComponent(record.session_id)}`}>${record.session_id.slice(0, 12)}…</a>`],
  ];
  return html`<section><h2>${t('run.facts')}</h2><${Table} rows=${rows} /></section>`;
}

/** @param {{ rows: [string, any][] }} props */
function Table({ rows }) {
  return html`<dl class="about">${rows.filter(([, value]) => value !== '').map(([name, value]) => html`<div><dt>${t(name)}</dt>
    <dd>${typeof value === 'string' ? exactly(value) : value}</dd></div>`)}</dl>`;
}

/** @param {{ item: Item, onClick: () => void }} props */
function Mark({ item, onClick }) {
  const { icon, title, tone } = looks(item);
  return html`<button type="button" class="jump" data-tone=${tone} onClick=${onClick}><${Icon} name=${icon} size=${14} /><span>${title || '…'}</span></button>`;
}

/** @param {Item} item @returns {{ icon: string, title: string, tone?: string }} */
function looks(item) {
  switch (item.kind) {
    case 'user': return { icon: 'user', title: oneLine(item.text, 80), tone: 'strong' };
    case 'text': return { icon: 'sessions', title: oneLine(item.text.pieces[0]?.slice(0, 200) ?? '', 80) };
    case 'tool': return { icon: ICONS[item.tool] ?? 'tool', title: oneLine(item.title || item.name, 80), tone: item.status === 'error' || item.status === 'denied' ? 'error' : 'faint' };
    case 'change': return { icon: 'edit', title: oneLine(item.path, 80), tone: 'faint' };
    case 'plan': return { icon: 'list', title: t('run.plan') };
    case 'permission': return { icon: 'shield', title: requestTitle(item) };
    case 'question': return { icon: 'question', title: requestTitle(item) };
    case 'error': return { icon: 'warning', title: oneLine(item.message, 80), tone: 'error' };
    case 'done': return { icon: 'check', title: t(`state.${item.done.status}`), tone: item.done.status === 'completed' ? 'strong' : 'error' };
    case 'said': return { icon: 'info', title: oneLine(item.text, 80), tone: 'faint' };
    default: return { icon: 'info', title: visible(item.kind), tone: 'faint' };
  }
}

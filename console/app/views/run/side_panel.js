/** The side panel: plan, usage, details and timeline. */
import { agentName } from '../../agent_names.js';
import { duration, money, number } from '../../format.js';
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { CopyButton } from '../../ui/button.js';
import { RelativeTime } from '../../ui/time.js';
import { endIcon } from './conversation_item.js';
import { PlanList, planProgress } from './plan.js';
import { requestTitle } from './request_text.js';
import { sanitize, sanitizeLine, summarize } from './sanitize.js';
import { TOOL_ICONS } from './tool_card.js';
import { VariableHeightList } from './variable_height_list.js';

/** @typedef {import('./run_model.js').Item} Item */

/** @param {{ run: import('./live_run.js').LiveRun, session: any, jumpTo: (item: number) => void }} props */
export function SidePanel({ run, session, jumpTo }) {
  const { model } = run;
  return html`<aside class="run-side" aria-label=${t('run.panel')}>
    ${model.plan && html`<section><h2>${t('run.plan')} <span class="faint">${planProgress(model.plan.entries)}</span></h2><${PlanList} entries=${model.plan.entries} /></section>`}
    <${Usage} usage=${model.usage} />
    <${Details} run=${run} session=${session} />
    <section class="timeline"><h2>${t('run.timeline')} <span class="faint">${number(model.timeline.length)}</span></h2>
      <${VariableHeightList} class="timeline-list" count=${model.timeline.length} estimate=${28} label=${t('run.timeline')} follows=${true}
        keyOf=${(/** @type {number} */ index) => index} row=${(/** @type {number} */ index) => html`<${TimelineEntry} item=${model.items[model.timeline[index]]}
          rev=${model.items[model.timeline[index]].rev} onClick=${() => jumpTo(model.timeline[index])} />`} />
    </section>
  </aside>`;
}

/** @param {{ usage: import('./run_model.js').RunEvent | null }} props */
function Usage({ usage }) {
  if (!usage) return null;
  const rows = [
    ['run.usage.input', number(usage.input_tokens)],
    ['run.usage.cache_read', usage.cache_read_tokens ? number(usage.cache_read_tokens) : ''],
    ['run.usage.cache_write', usage.cache_write_tokens ? number(usage.cache_write_tokens) : ''],
    ['run.usage.output', number(usage.output_tokens)],
    ['run.usage.reasoning', usage.reasoning_tokens ? number(usage.reasoning_tokens) : ''],
    ['run.usage.model_calls', usage.model_calls === undefined ? '' : number(usage.model_calls)],
    ['run.usage.cost', usage.cost_usd === undefined ? '' : `${usage.cost_is_estimate ? '≈ ' : ''}${money(usage.cost_usd)}`],
  ];
  return html`<section><h2>${t('run.usage')}</h2><${Table} rows=${rows} /></section>`;
}

/** @param {{ run: import('./live_run.js').LiveRun, session: any }} props */
function Details({ run, session }) {
  const record = run.record.value;
  if (!record) return null;
  const { started } = run.model;
  const labels = Object.entries(record.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(', ');
  const rows = [
    ['run.detail.agent', `${agentName(record.agent_type)} ${started?.agent_version ?? ''}`.trim()],
    ['run.detail.model', started?.model ?? record.model ?? ''],
    ['run.detail.working_dir', record.working_dir],
    ['run.detail.repository', record.workspace?.repository ?? ''],
    ['run.detail.branch', record.workspace?.branch ?? ''],
    ['run.detail.mode', t(`mode.${record.permission_mode}`)],
    ['run.detail.owner', record.owner],
    ['run.detail.created', html`<${RelativeTime} time=${record.created_at} />`],
    ['run.detail.duration', run.workMs === null ? '' : duration(run.workMs)],
    ['run.detail.timeout', record.timeout_secs ? duration(record.timeout_secs * 1000) : ''],
    ['run.detail.waits_until', record.waits_until ? html`<${RelativeTime} time=${record.waits_until} />` : ''],
    ['run.detail.max_cost', record.max_cost_usd === undefined ? '' : money(record.max_cost_usd)],
    ['run.detail.max_tokens', record.max_tokens === undefined ? '' : number(record.max_tokens)],
    ['run.detail.max_turns', record.max_turns === undefined ? '' : number(record.max_turns)],
    ['run.detail.labels', labels],
    ['run.detail.session', html`<a href=${`#/sessions/${encodeURIComponent(record.session_id)}`}>${record.session_id.slice(0, 12)}…</a>`],
    ['sessions.agent_session', session?.agent_session ? html`<span class="mono">${sanitizeLine(session.agent_session)}</span> <${CopyButton} text=${session.agent_session} />` : ''],
  ];
  return html`<section><h2>${t('run.details')}</h2><${Table} rows=${rows} /></section>`;
}

/** @param {{ rows: [string, any][] }} props text keys and values; empty values are skipped */
function Table({ rows }) {
  return html`<dl class="details">${rows.filter(([, value]) => value !== '').map(([key, value]) => html`<div><dt>${t(key)}</dt>
    <dd>${typeof value === 'string' ? sanitizeLine(value) : value}</dd></div>`)}</dl>`;
}

/** @param {{ item: Item, rev: number, onClick: () => void }} props */
function TimelineEntry({ item, onClick }) {
  const { icon, title, tone } = describe(item);
  return html`<button type="button" class="timeline-entry" data-tone=${tone} onClick=${onClick}><${Icon} name=${icon} size=${14} /><span>${title || '…'}</span></button>`;
}

/** @param {Item} item @returns {{ icon: string, title: string, tone?: string }} */
function describe(item) {
  switch (item.kind) {
    case 'user': return { icon: 'user', title: summarize(item.text, 80), tone: 'strong' };
    case 'text': return { icon: 'sessions', title: summarize(item.text.pieces[0]?.slice(0, 200) ?? '', 80) };
    case 'tool': return { icon: TOOL_ICONS[item.toolKind] ?? 'tool', title: summarize(item.title || item.tool, 80), tone: item.status === 'error' || item.status === 'denied' ? 'error' : 'faint' };
    case 'file_change': return { icon: 'edit', title: summarize(item.path, 80), tone: 'faint' };
    case 'changes': return { icon: 'edit', title: t('run.files_changed', { count: item.files }), tone: 'strong' };
    case 'plan': return { icon: 'list', title: t('run.plan') };
    case 'permission': return { icon: 'shield', title: requestTitle(item) };
    case 'question': return { icon: 'question', title: requestTitle(item) };
    case 'task': return { icon: item.taskKind === 'agent' ? 'brain' : 'terminal', title: summarize(item.title, 80), tone: item.status === 'failed' ? 'error' : 'faint' };
    case 'agent_error': return { icon: 'warning', title: summarize(item.message, 80), tone: 'error' };
    case 'done': return { icon: endIcon(item.done.status), title: t(`status.${item.done.status}`), tone: item.done.status === 'completed' ? 'strong' : 'error' };
    case 'program_message': return { icon: 'info', title: summarize(item.text, 80), tone: 'faint' };
    default: return { icon: 'info', title: sanitize(item.kind), tone: 'faint' };
  }
}

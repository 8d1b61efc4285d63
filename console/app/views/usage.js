/** Token and cost usage: charts per day, tables per agent, model and owner, and today's budget. */
import { request, withQuery } from '../api.js';
import { isAdmin, user } from '../auth.js';
import { useFetch } from '../data/fetch.js';
import { html, useState } from '../html.js';
import { agentName } from '../agent_names.js';
import { bytes, compact, dateTime, money, number } from '../format.js';
import { t } from '../i18n.js';
import { BarChart } from '../ui/bar_chart.js';
import { EmptyState } from '../ui/empty_state.js';
import { PageHeader } from '../ui/page_header.js';
import { Problem } from '../ui/problem.js';
import { Spinner } from '../ui/spinner.js';
import { Tabs } from '../ui/tabs.js';

const DAY_MS = 86_400_000;

/** @param {number} time @returns {string} the UTC day as `YYYY-MM-DD` */
const toDay = (time) => new Date(time).toISOString().slice(0, 10);

/** The last days, including today, earliest first. @param {number} count */
const lastDays = (count) => Array.from({ length: count }, (_, index) => toDay(Date.now() - (count - 1 - index) * DAY_MS));

export function UsageView() {
  const [days, setDays] = useState(30);
  const [scope, setScope] = useState('all');
  const owner = isAdmin() && scope === 'all' ? null : user.value?.username;
  const since = lastDays(days)[0];
  const loadGroup = (/** @type {string} */ group, /** @type {AbortSignal} */ signal) =>
    request('GET', withQuery('/api/usage', { group_by: group, since, owner: isAdmin() ? owner : null, limit: 200 }), undefined, { signal });
  const groups = ['day', 'agent_type', 'model', ...(isAdmin() && scope === 'all' ? ['owner'] : [])];
  const { data, problem, reload } = useFetch(async (signal) => {
    const loaded = await Promise.all([...groups.map((group) => loadGroup(group, signal)), request('GET', '/api/usage/budget', undefined, { signal })]);
    return { budget: loaded.pop(), pages: Object.fromEntries(groups.map((group, index) => [group, loaded[index]])) };
  }, [days, scope]);
  return html`<div class="view view-scroll">
    <${PageHeader} title=${t('nav.usage')}>
      ${isAdmin() && html`<${Tabs} label=${t('usage.scope')} current=${scope} onSelect=${setScope} tabs=${['all', 'mine'].map((id) => ({ id, label: t(`usage.${id}`) }))} />`}
      <${Tabs} label=${t('usage.period')} current=${String(days)} onSelect=${(/** @type {string} */ id) => setDays(Number(id))}
        tabs=${[7, 30, 90].map((count) => ({ id: String(count), label: t('usage.days', { count }) }))} />
    <//>
    <div class="column column-wide">
      <${Problem} problem=${problem} onRetry=${reload} />
      ${data === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`
        <${Budget} budget=${data.budget} />
        <${Quotas} quotas=${data.pages.day.quotas} />
        <${Totals} total=${data.pages.day.total} />
        <${Charts} page=${data.pages.day} days=${lastDays(days)} />
        ${groups.slice(1).map((group) => html`<${UsageTable} key=${group} group=${group} items=${data.pages[group]?.items ?? []} />`)}`}
    </div></div>`;
}

/** Today's budget; nothing without limits. @param {{budget: any}} props */
function Budget({ budget }) {
  const limits = [
    { label: t('usage.tokens'), budget: budget.tokens, format: compact },
    { label: t('usage.cost'), budget: budget.cost_usd, format: money },
  ].filter((limit) => limit.budget.allowed !== undefined);
  if (limits.length === 0) return null;
  return html`<section class="panel"><h2>${t('usage.budget')}</h2>
    ${limits.map(({ label, budget: { used, allowed }, format }) => html`<div class="meter-row"><span>${label}</span>
      <meter min="0" max=${allowed || 1} high=${allowed * 0.9} value=${used} aria-label=${label}></meter>
      <span>${t('usage.of', { used: format(used), allowed: format(allowed) })}</span></div>`)}
    <p class="hint">${t('usage.resets', { time: dateTime(budget.resets_at) })}</p></section>`;
}

/** What the user keeps, and may keep; nothing without quotas. @param {{quotas: any}} props */
function Quotas({ quotas }) {
  const limited = ['stored_bytes', 'workspace_bytes', 'runs', 'sessions', 'keys'].filter((name) => quotas?.[name]?.allowed !== undefined);
  if (limited.length === 0) return null;
  return html`<section class="panel"><h2>${t('usage.quotas')}</h2>${limited.map((name) => {
    const { used, allowed } = quotas[name];
    const format = name.endsWith('_bytes') ? bytes : number;
    return html`<div class="meter-row" key=${name}><span>${t(`usage.quota.${name}`)}</span><meter min="0" max=${allowed || 1} high=${allowed * 0.9} value=${used} aria-label=${t(`usage.quota.${name}`)}></meter>
      <span>${t('usage.of', { used: format(used), allowed: format(allowed) })}</span></div>`;
  })}</section>`;
}

/** @param {any} total */
const costText = (total) => (total.cost_usd === undefined ? '–' : `${total.cost_is_estimate ? '≈' : ''}${money(total.cost_usd)}`);

/** @param {{total: any}} props */
const Totals = ({ total }) => html`<dl class="totals">
  ${[[t('usage.runs'), number(total.runs)], [t('usage.tokens'), compact(total.tokens)], [t('usage.cost'), costText(total)],
    [t('usage.cached'), compact(total.cache_read_tokens)], [t('usage.failed'), number(total.by_status.failed + total.by_status.timed_out)]]
    .map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
  ${total.cost_is_estimate && html`<p class="hint">${t('usage.estimate')}</p>`}`;

/** @param {{page: any, days: string[]}} props */
function Charts({ page, days }) {
  const byDay = new Map(page.items.map((/** @type {any} */ item) => [item.day, item]));
  if (byDay.size === 0) return html`<${EmptyState} title=${t('usage.none')} icon="usage" />`;
  const series = (/** @type {(item: any) => number} */ value) => days.map((day) => ({ day, value: byDay.has(day) ? value(byDay.get(day)) : 0 }));
  return html`<div class="charts">
    <${BarChart} title=${t('usage.tokens_by_day')} bars=${series((item) => item.tokens)} format=${compact} />
    <${BarChart} title=${t('usage.cost_by_day')} bars=${series((item) => item.cost_usd ?? 0)} format=${money} />
    <${BarChart} title=${t('usage.runs_by_day')} bars=${series((item) => item.runs)} format=${number} />
  </div>`;
}

/** @param {any} item @param {string} group */
const groupName = (item, group) => (group === 'agent_type' ? agentName(item.agent_type) : group === 'model' ? item.model || t('usage.no_model') : item.owner);

/** @param {{group: string, items: any[]}} props */
function UsageTable({ group, items }) {
  if (items.length === 0) return null;
  const sorted = items.toSorted((one, other) => other.tokens - one.tokens);
  return html`<section><h2>${t(`usage.by.${group}`)}</h2><div class="table-box" tabindex="0" role="region" aria-label=${t(`usage.by.${group}`)}><table>
    <thead><tr><th>${t(`usage.group.${group}`)}</th>${['runs', 'input', 'output', 'cached', 'cost'].map((column) => html`<th key=${column} class="right">${t(`usage.${column}`)}</th>`)}</tr></thead>
    <tbody>${sorted.map((item) => html`<tr key=${groupName(item, group)}><th scope="row">${groupName(item, group)}</th><td class="right">${number(item.runs)}</td>
      <td class="right">${compact(item.input_tokens + item.cache_write_tokens)}</td><td class="right">${compact(item.output_tokens)}</td>
      <td class="right">${compact(item.cache_read_tokens)}</td><td class="right">${costText(item)}</td></tr>`)}</tbody></table></div></section>`;
}

/** What was used: by day as charts, by agent, model and user as tables; and what may be used today. */
import { request, withQuery } from '../api.js';
import { isAdmin, user } from '../auth.js';
import { useLoad } from '../data/fetch.js';
import { html, useState } from '../html.js';
import { agentName } from '../agent_names.js';
import { compact, money, moment, number } from '../format.js';
import { t } from '../i18n.js';
import { PageHeader } from '../shell.js';
import { BarChart } from '../ui/bar_chart.js';
import { Empty, Problem, Spinner } from '../ui/misc.js';
import { Tabs } from '../ui/tabs.js';

const DAY_MS = 86_400_000;

/** @param {number} time @returns {string} the day, in UTC, as the API writes it */
const dayOf = (time) => new Date(time).toISOString().slice(0, 10);

/** The days up to today, the earliest first. @param {number} count */
const daysUpToNow = (count) => Array.from({ length: count }, (_, index) => dayOf(Date.now() - (count - 1 - index) * DAY_MS));

export function UsageView() {
  const [days, setDays] = useState(30);
  const [whose, setWhose] = useState('all');
  const owner = isAdmin() && whose === 'all' ? null : user.value?.username;
  const since = daysUpToNow(days)[0];
  const ask = (/** @type {string} */ group, /** @type {AbortSignal} */ signal) =>
    request('GET', withQuery('/api/usage', { group_by: group, since, user: isAdmin() ? owner : null, limit: 200 }), undefined, { signal });
  const groups = ['day', 'agent', 'model', ...(isAdmin() && whose === 'all' ? ['user'] : [])];
  const { data, problem, reload } = useLoad(async (signal) => {
    const found = await Promise.all([...groups.map((group) => ask(group, signal)), request('GET', '/api/usage/budget', undefined, { signal })]);
    return { budget: found.pop(), pages: Object.fromEntries(groups.map((group, index) => [group, found[index]])) };
  }, [days, whose]);
  return html`<div class="view view-scroll">
    <${PageHeader} title=${t('nav.usage')}>
      ${isAdmin() && html`<${Tabs} label=${t('usage.whose')} current=${whose} onSelect=${setWhose} tabs=${['all', 'mine'].map((id) => ({ id, label: t(`usage.${id}`) }))} />`}
      <${Tabs} label=${t('usage.period')} current=${String(days)} onSelect=${(/** @type {string} */ id) => setDays(Number(id))}
        tabs=${[7, 30, 90].map((count) => ({ id: String(count), label: t('usage.days', { count }) }))} />
    <//>
    <div class="column column-wide">
      <${Problem} problem=${problem} onRetry=${reload} />
      ${data === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`
        <${Budget} budget=${data.budget} />
        <${Totals} total=${data.pages.day.total} />
        <${Charts} page=${data.pages.day} days=${daysUpToNow(days)} />
        ${groups.slice(1).map((group) => html`<${UsageTable} key=${group} group=${group} items=${data.pages[group]?.items ?? []} />`)}`}
    </div></div>`;
}

/** What may be used today; nothing where nothing is bounded. @param {{budget: any}} props */
function Budget({ budget }) {
  const bounds = [
    { label: t('usage.tokens'), part: budget.tokens, write: compact },
    { label: t('usage.cost'), part: budget.cost_usd, write: money },
  ].filter(({ part }) => part.allowed !== undefined);
  if (bounds.length === 0) return null;
  return html`<section class="panel"><h2>${t('usage.budget')}</h2>
    ${bounds.map(({ label, part, write }) => html`<div class="meter-row"><span>${label}</span>
      <meter min="0" max=${part.allowed || 1} high=${part.allowed * 0.9} value=${part.used} aria-label=${label}></meter>
      <span>${t('usage.of', { used: write(part.used), allowed: write(part.allowed) })}</span></div>`)}
    <p class="hint">${t('usage.resets', { time: moment(budget.resets_at) })}</p></section>`;
}

/** @param {any} total */
const costOf = (total) => (total.cost_usd === undefined ? '–' : `${total.cost_is_estimate ? '≈' : ''}${money(total.cost_usd)}`);

/** @param {{total: any}} props */
const Totals = ({ total }) => html`<dl class="totals">
  ${[[t('usage.runs'), number(total.runs)], [t('usage.tokens'), compact(total.tokens)], [t('usage.cost'), costOf(total)],
    [t('usage.cached'), compact(total.cache_read_tokens)], [t('usage.failed'), number(total.by_status.failed + total.by_status.timed_out)]]
    .map(([label, value]) => html`<div key=${label}><dt>${label}</dt><dd>${value}</dd></div>`)}</dl>
  ${total.cost_is_estimate && html`<p class="hint">${t('usage.estimate')}</p>`}`;

/** @param {{page: any, days: string[]}} props */
function Charts({ page, days }) {
  const byDay = new Map(page.items.map((/** @type {any} */ item) => [item.day, item]));
  if (byDay.size === 0) return html`<${Empty} title=${t('usage.none')} icon="usage" />`;
  const series = (/** @type {(item: any) => number} */ value) => days.map((day) => ({ day, value: byDay.has(day) ? value(byDay.get(day)) : 0 }));
  return html`<div class="charts">
    <${BarChart} title=${t('usage.tokens_by_day')} bars=${series((item) => item.tokens)} write=${compact} />
    <${BarChart} title=${t('usage.cost_by_day')} bars=${series((item) => item.cost_usd ?? 0)} write=${money} />
    <${BarChart} title=${t('usage.runs_by_day')} bars=${series((item) => item.runs)} write=${number} />
  </div>`;
}

/** @param {any} item @param {string} group */
const nameOf = (item, group) => (group === 'agent' ? agentName(item.agent_type) : group === 'model' ? item.model || t('usage.no_model') : item.user);

/** @param {{group: string, items: any[]}} props */
function UsageTable({ group, items }) {
  if (items.length === 0) return null;
  const sorted = items.toSorted((one, other) => other.tokens - one.tokens);
  return html`<section><h2>${t(`usage.by.${group}`)}</h2><div class="table-box" tabindex="0" role="region" aria-label=${t(`usage.by.${group}`)}><table>
    <thead><tr><th>${t(`usage.group.${group}`)}</th>${['runs', 'input', 'output', 'cached', 'cost'].map((one) => html`<th key=${one} class="right">${t(`usage.${one}`)}</th>`)}</tr></thead>
    <tbody>${sorted.map((item) => html`<tr key=${nameOf(item, group)}><th scope="row">${nameOf(item, group)}</th><td class="right">${number(item.runs)}</td>
      <td class="right">${compact(item.input_tokens + item.cache_write_tokens)}</td><td class="right">${compact(item.output_tokens)}</td>
      <td class="right">${compact(item.cache_read_tokens)}</td><td class="right">${costOf(item)}</td></tr>`)}</tbody></table></div></section>`;
}

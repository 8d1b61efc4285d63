/** All runs that one may see, as they change. */
import { isAdmin } from '../auth.js';
import { needed } from '../data/notifications.js';
import { all, useLoad } from '../data/fetch.js';
import { RunList } from '../data/run_list.js';
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { agentName } from '../agent_names.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';
import { navigate, route } from '../router.js';
import { PageHeader } from '../shell.js';
import { Button } from '../ui/button.js';
import { Combobox, Select, TextField } from '../ui/field.js';
import { Empty, Problem, Spinner } from '../ui/misc.js';
import { useShortcuts } from '../ui/shortcuts.js';
import { Tabs } from '../ui/tabs.js';
import { VirtualList, moveFocus } from '../ui/virtual_list.js';
import { ROW_HEIGHT, RunRow, useRowHeight } from './run_row.js';

/** The states that belong together. @type {Record<string, string[]>} */
const GROUPS = {
  waiting: ['waiting'],
  live: ['queued', 'starting', 'running', 'waiting', 'stopping'],
  done: ['completed', 'cancelled'],
  failed: ['failed', 'timed_out', 'interrupted'],
};

/** The filter that the address says. @param {URLSearchParams} query */
const filterOf = (query) => ({
  statuses: GROUPS[query.get('state') ?? ''] ?? null,
  agent: query.get('agent'), owner: query.get('owner'), label: query.get('label'), text: query.get('q'),
});

/** Changes one part of the filter in the address. @param {string} name @param {string} value */
function choose(name, value) {
  const query = new URLSearchParams(route.peek().query);
  if (value === '') query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  navigate(text === '' ? '/runs' : `/runs?${text}`, { replace: true });
}

/** A field's value that is acted on when its writer pauses. @param {string} name */
function useSlowFilter(name) {
  const inForce = route.value.query.get(name) ?? '';
  const [text, setText] = useState(inForce);
  useEffect(() => {
    if (text === inForce) return undefined;
    const timer = setTimeout(() => choose(name, text.trim()), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return /** @type {const} */ ([text, setText]);
}

export function RunsView() {
  const { query } = route.value;
  const key = query.toString();
  const list = useMemo(() => new RunList(filterOf(query)), [key]);
  useEffect(() => () => list.dispose(), [list]);
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const search = useRef(/** @type {HTMLElement | null} */ (null));
  useShortcuts([
    { key: '/', label: t('keys.search'), run: () => root.current?.querySelector('input')?.focus() },
    { key: 'j', label: t('keys.down'), shown: 'j ↓', run: () => root.current && moveFocus(root.current, 1) },
    { key: 'k', label: t('keys.up'), shown: 'k ↑', run: () => root.current && moveFocus(root.current, -1) },
    { key: 'ArrowDown', label: t('keys.down'), shown: 'j ↓', run: () => root.current && moveFocus(root.current, 1) },
    { key: 'ArrowUp', label: t('keys.up'), shown: 'k ↑', run: () => root.current && moveFocus(root.current, -1) },
    { key: 'Enter', label: t('keys.open'), run: () => /** @type {HTMLElement} */ (document.activeElement)?.click?.() },
  ]);
  const tabs = ['', 'waiting', 'live', 'done', 'failed'].map((id) => (
    { id, label: t(`runs.tab.${id || 'all'}`), count: id === 'waiting' ? needed.value : 0 }));
  return html`<div class="view view-runs" ref=${root}>
    <${PageHeader} title=${t('nav.runs')} />
    <div class="toolbar" ref=${search}>
      <${Tabs} label=${t('runs.by_state')} tabs=${tabs} current=${query.get('state') ?? ''} onSelect=${(/** @type {string} */ id) => choose('state', id)} />
      <${Filters} />
    </div>
    <${Runs} list=${list} isFiltered=${key !== ''} />
  </div>`;
}

function Filters() {
  const [text, setText] = useSlowFilter('q');
  const [label, setLabel] = useSlowFilter('label');
  const [owner, setOwner] = useSlowFilter('owner');
  const agents = useLoad((signal) => all('/api/agents', signal), []);
  const users = useLoad((signal) => (isAdmin() ? all('/api/users', signal) : Promise.resolve([])), []);
  const options = [{ value: '', label: t('runs.any_agent') }, ...(agents.data ?? []).map(({ name }) => ({ value: name, label: agentName(name) }))];
  return html`<div class="filters" role="search">
    <div class="search"><${Icon} name="search" /><${TextField} class="field-bare" label=${t('runs.search')} placeholder=${t('runs.search')} type="search"
      value=${text} onInput=${setText} maxlength="200" /></div>
    <${Select} class="field-bare" label=${t('runs.agent')} value=${route.value.query.get('agent') ?? ''} options=${options} onChange=${(/** @type {string} */ value) => choose('agent', value)} />
    ${isAdmin() && html`<${Combobox} class="field-bare" label=${t('runs.owner')} placeholder=${t('runs.owner')} value=${owner} onInput=${setOwner}
      suggestions=${(users.data ?? []).map(({ username }) => username)} />`}
    <${TextField} class="field-bare wide-only" label=${t('runs.label')} placeholder=${t('runs.label')} value=${label} onInput=${setLabel} maxlength="300" />
  </div>`;
}

/**
 * The rows of a list of runs, or why there are none.
 * @param {{list: RunList, isFiltered?: boolean, children?: any}} props
 */
export function Runs({ list, isFiltered = false }) {
  const rowHeight = useRowHeight();
  const items = list.items.value;
  if (items.length === 0) {
    if (list.problem.value) return html`<div class="pad"><${Problem} problem=${list.problem.value} onRetry=${() => list.load()} /></div>`;
    if (list.loading.value) return html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`;
    return isFiltered
      ? html`<${Empty} title=${t('runs.none_such')} icon="search"><${Button} onClick=${() => navigate('/runs', { replace: true })}>${t('runs.show_all')}<//><//>`
      : html`<${Empty} title=${t('runs.none')} icon="play"><p>${t('runs.none_text')}</p><${Button} kind="primary" icon="plus" href="#/new">${t('nav.new')}<//><//>`;
  }
  return html`
    ${list.problem.value && html`<div class="pad"><${Problem} problem=${list.problem.value} onRetry=${() => list.load()} /></div>`}
    <div class="list-head run-grid" aria-hidden="true" hidden=${rowHeight !== ROW_HEIGHT}>
      <span>${t('runs.col.state')}</span><span>${t('runs.col.task')}</span><span>${t('runs.col.agent')}</span>${isAdmin() && html`<span>${t('runs.col.owner')}</span>`}
      <span class="right">${t('runs.col.duration')}</span><span class="right">${t('runs.col.usage')}</span><span class="right">${t('runs.col.created')}</span><span></span>
    </div>
    <${VirtualList} items=${items} rowHeight=${rowHeight} keyOf=${(/** @type {any} */ run) => run.run_id} label=${t('nav.runs')} onEnd=${() => list.more()}
      row=${(/** @type {any} */ run) => html`<${RunRow} run=${run} />`} />`;
}

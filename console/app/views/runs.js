/** The list of runs. */
import { isAdmin } from '../auth.js';
import { loadAgentCapabilities } from '../data/agent_capabilities.js';
import { fetchAll, useFetch } from '../data/fetch.js';
import { waitingCount } from '../data/notifications.js';
import { keptRunList } from '../data/run_list.js';
import { STATUS_GROUPS } from '../data/run_status.js';
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { agentName } from '../agent_names.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';
import { navigate, route } from '../router.js';
import { Button } from '../ui/button.js';
import { EmptyState } from '../ui/empty_state.js';
import { Combobox, Select, TextField } from '../ui/field.js';
import { PageHeader } from '../ui/page_header.js';
import { Problem } from '../ui/problem.js';
import { useShortcuts } from '../ui/shortcuts.js';
import { Spinner } from '../ui/spinner.js';
import { Tabs } from '../ui/tabs.js';
import { VirtualList, moveFocus } from '../ui/virtual_list.js';
import { ROW_HEIGHT, RunRow, useRowHeight } from './run_row.js';

/** The filter in the URL. @param {URLSearchParams} query */
const parseFilter = (query) => ({
  statuses: STATUS_GROUPS[query.get('status') ?? ''] ?? null,
  agentType: query.get('agent_type'), owner: query.get('owner'), label: query.get('label'), text: query.get('q'),
});

/** Sets one parameter of the filter in the URL. @param {string} name @param {string} value */
function setFilter(name, value) {
  const query = new URLSearchParams(route.peek().query);
  if (value === '') query.delete(name);
  else query.set(name, value);
  const text = query.toString();
  navigate(text === '' ? '/runs' : `/runs?${text}`, { replace: true });
}

/** The text of a filter field, applied after a pause in typing. @param {string} name */
function useDebouncedFilter(name) {
  const applied = route.value.query.get(name) ?? '';
  const [text, setText] = useState(applied);
  useEffect(() => {
    if (text === applied) return undefined;
    const timer = setTimeout(() => setFilter(name, text.trim()), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return /** @type {const} */ ([text, setText]);
}

export function RunsView() {
  const { query } = route.value;
  const key = query.toString();
  useEffect(() => void loadAgentCapabilities(), []);
  const list = useMemo(() => keptRunList(parseFilter(query)), [key]);
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const search = useRef(/** @type {HTMLElement | null} */ (null));
  useShortcuts([
    { key: '/', label: t('shortcuts.search'), run: () => root.current?.querySelector('input')?.focus() },
    { key: 'j', label: t('shortcuts.next_row'), shown: 'j ↓', run: () => root.current && moveFocus(root.current, 1) },
    { key: 'k', label: t('shortcuts.previous_row'), shown: 'k ↑', run: () => root.current && moveFocus(root.current, -1) },
    { key: 'ArrowDown', label: t('shortcuts.next_row'), shown: 'j ↓', run: () => root.current && moveFocus(root.current, 1) },
    { key: 'ArrowUp', label: t('shortcuts.previous_row'), shown: 'k ↑', run: () => root.current && moveFocus(root.current, -1) },
    { key: 'Enter', label: t('shortcuts.open'), run: () => /** @type {HTMLElement} */ (document.activeElement)?.click?.() },
  ]);
  const tabs = ['', 'waiting', 'live', 'done', 'failed'].map((id) => (
    { id, label: t(`runs.tab.${id || 'all'}`), count: id === 'waiting' ? waitingCount.value : 0 }));
  return html`<div class="view view-runs" ref=${root}>
    <${PageHeader} title=${t('nav.runs')} />
    <div class="toolbar" ref=${search}>
      <${Tabs} label=${t('runs.by_status')} tabs=${tabs} current=${query.get('status') ?? ''} onSelect=${(/** @type {string} */ id) => setFilter('status', id)} />
      <${Filters} />
    </div>
    <${Runs} list=${list} isFiltered=${key !== ''} name=${`runs ${key}`} key=${key} />
  </div>`;
}

function Filters() {
  const [text, setText] = useDebouncedFilter('q');
  const [label, setLabel] = useDebouncedFilter('label');
  const [owner, setOwner] = useDebouncedFilter('owner');
  const agents = useFetch((signal) => fetchAll('/api/agents', signal), []);
  const users = useFetch((signal) => (isAdmin() ? fetchAll('/api/users', signal) : Promise.resolve([])), []);
  const options = [{ value: '', label: t('runs.any_agent') }, ...(agents.data ?? []).map(({ agent_type }) => ({ value: agent_type, label: agentName(agent_type) }))];
  return html`<div class="filters" role="search">
    <div class="search"><${Icon} name="search" /><${TextField} class="field-bare" label=${t('runs.search')} placeholder=${t('runs.search')} type="search"
      value=${text} onInput=${setText} maxlength="200" /></div>
    <${Select} class="field-bare" label=${t('runs.agent')} value=${route.value.query.get('agent_type') ?? ''} options=${options} onChange=${(/** @type {string} */ value) => setFilter('agent_type', value)} />
    ${isAdmin() && html`<${Combobox} class="field-bare" label=${t('runs.owner')} placeholder=${t('runs.owner')} value=${owner} onInput=${setOwner}
      suggestions=${(users.data ?? []).map(({ username }) => username)} />`}
    <${TextField} class="field-bare wide-only" label=${t('runs.label')} placeholder=${t('runs.label')} value=${label} onInput=${setLabel} maxlength="300" />
  </div>`;
}

/**
 * The rows of a run list, or why it is empty.
 * @param {{list: import('../data/run_list.js').RunList, isFiltered?: boolean, name?: string}} props with a `name`, the list returns to its last place
 */
export function Runs({ list, isFiltered = false, name }) {
  const rowHeight = useRowHeight();
  const items = list.items.value;
  if (items.length === 0) {
    if (list.problem.value) return html`<div class="pad"><${Problem} problem=${list.problem.value} onRetry=${() => list.reload()} /></div>`;
    if (list.loading.value) return html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`;
    return isFiltered
      ? html`<${EmptyState} title=${t('runs.no_match')} icon="search"><${Button} onClick=${() => navigate('/runs', { replace: true })}>${t('runs.show_all')}<//><//>`
      : html`<${EmptyState} title=${t('runs.none')} icon="play"><p>${t('runs.none_text')}</p><${Button} kind="primary" icon="plus" href="#/new">${t('nav.new_run')}<//><//>`;
  }
  return html`
    ${list.problem.value && html`<div class="pad"><${Problem} problem=${list.problem.value} onRetry=${() => list.reload()} /></div>`}
    <div class="list-head run-grid" aria-hidden="true" hidden=${rowHeight !== ROW_HEIGHT}>
      <span>${t('runs.column.status')}</span><span>${t('runs.column.task')}</span><span>${t('runs.column.agent')}</span>${isAdmin() && html`<span>${t('runs.column.owner')}</span>`}
      <span class="right">${t('runs.column.duration')}</span><span class="right">${t('runs.column.usage')}</span><span class="right">${t('runs.column.created')}</span><span></span>
    </div>
    <${VirtualList} name=${name} items=${items} rowHeight=${rowHeight} keyOf=${(/** @type {any} */ run) => run.run_id} label=${t('nav.runs')} onEnd=${() => list.loadMore()}
      row=${(/** @type {any} */ run) => html`<${RunRow} run=${run} />`} />`;
}

/** The list of sessions: conversations with their last message. */
import { isAdmin } from '../auth.js';
import { fetchAll, useFetch } from '../data/fetch.js';
import { keptRunList } from '../data/run_list.js';
import { groupBySession } from '../data/sessions.js';
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { agentName } from '../agent_names.js';
import { money } from '../format.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';
import { navigate, route } from '../router.js';
import { EmptyState } from '../ui/empty_state.js';
import { TextField } from '../ui/field.js';
import { PageHeader } from '../ui/page_header.js';
import { Problem } from '../ui/problem.js';
import { RunStatus } from '../ui/run_status.js';
import { useShortcuts } from '../ui/shortcuts.js';
import { Spinner } from '../ui/spinner.js';
import { RelativeTime } from '../ui/time.js';
import { VirtualList, moveFocus } from '../ui/virtual_list.js';
import { summarize } from './run/sanitize.js';

/** Height of a row with two lines, in pixels. */
const ROW_HEIGHT = 68;

export function SessionsView() {
  const text = route.value.query.get('q') ?? '';
  const list = useMemo(() => keptRunList({ text: text || null }), [text]);
  const runs = list.items.value;
  // The titles that agents gave.
  const records = useFetch((signal) => fetchAll('/api/sessions', signal), []);
  const byId = useMemo(() => new Map((records.data ?? []).map((record) => [record.session_id, record])), [records.data]);
  const sessions = useMemo(() => groupBySession(runs, byId), [runs, byId]);
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  useShortcuts([
    { key: '/', label: t('shortcuts.search'), run: () => root.current?.querySelector('input')?.focus() },
    { key: 'j', label: t('shortcuts.next_row'), shown: 'j', run: () => root.current && moveFocus(root.current, 1) },
    { key: 'k', label: t('shortcuts.previous_row'), shown: 'k', run: () => root.current && moveFocus(root.current, -1) },
  ]);
  return html`<div class="view view-runs" ref=${root}><${PageHeader} title=${t('nav.sessions')} />
    <div class="toolbar"><${Search} /></div>
    ${list.problem.value && html`<div class="pad"><${Problem} problem=${list.problem.value} onRetry=${() => list.reload()} /></div>`}
    ${sessions.length > 0
      ? html`<${VirtualList} name=${`sessions ${text}`} key=${text} items=${sessions} rowHeight=${ROW_HEIGHT} keyOf=${(/** @type {any} */ session) => session.id} label=${t('nav.sessions')} onEnd=${() => list.loadMore()}
          row=${(/** @type {any} */ session) => html`<${SessionRow} session=${session} />`} />`
      : list.loading.value ? html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`
        : !list.problem.value && html`<${EmptyState} title=${t(text ? 'sessions.no_match' : 'sessions.none')} icon="sessions">${!text && html`<p>${t('sessions.none_text')}</p>`}<//>`}
  </div>`;
}

/** Searches in prompts, answers, labels and directories. */
function Search() {
  const applied = route.value.query.get('q') ?? '';
  const [text, setText] = useState(applied);
  useEffect(() => {
    if (text.trim() === applied) return undefined;
    const timer = setTimeout(() => navigate(text.trim() ? `/sessions?q=${encodeURIComponent(text.trim())}` : '/sessions', { replace: true }), 250);
    return () => clearTimeout(timer);
  }, [text]);
  return html`<div class="filters" role="search"><div class="search"><${Icon} name="search" /><${TextField} class="field-bare" label=${t('sessions.search')} placeholder=${t('sessions.search')}
    type="search" value=${text} onInput=${setText} maxlength="200" /></div></div>`;
}

/** @param {{session: import('../data/sessions.js').SessionSummary}} props */
const SessionRow = ({ session }) => html`<div class="run-row session-grid ${session.status === 'waiting' ? 'run-waiting' : ''}">
  <${RunStatus} status=${session.status} cause=${session.cause} />
  <a class="row-title" href="#/sessions/${session.id}"><span>${session.title || t('runs.untitled')}</span>${session.runCount > 1 && html` <span class="badge">${t('sessions.runs', { count: session.runCount })}</span>`}</a>
  <span class="session-last">${summarize(session.lastMessage, 300)}</span>
  <span class="run-agent">${agentName(session.agentType)}</span>
  ${isAdmin() && html`<span class="run-owner">${session.owner}</span>`}
  <span class="run-usage right">${session.cost !== null && html`${session.isEstimate ? '≈' : ''}${money(session.cost)}`}</span>
  <span class="run-age right"><${RelativeTime} time=${session.activeAt} /></span>
</div>`;

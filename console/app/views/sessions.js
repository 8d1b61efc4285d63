/** The list of sessions, and one session with its runs. */
import { request } from '../api.js';
import { isAdmin } from '../auth.js';
import { useFetch, usePagination } from '../data/fetch.js';
import { RunList } from '../data/run_list.js';
import { html, useEffect, useMemo, useRef } from '../html.js';
import { agentName } from '../agent_names.js';
import { t } from '../i18n.js';
import { Button, CopyButton } from '../ui/button.js';
import { EmptyState } from '../ui/empty_state.js';
import { PageHeader } from '../ui/page_header.js';
import { Problem } from '../ui/problem.js';
import { useShortcuts } from '../ui/shortcuts.js';
import { Spinner } from '../ui/spinner.js';
import { RelativeTime } from '../ui/time.js';
import { VirtualList, moveFocus } from '../ui/virtual_list.js';
import { useRowHeight } from './run_row.js';
import { Runs } from './runs.js';

export function SessionsView() {
  const { items, problem, loadMore, reload } = usePagination('/api/sessions', {}, 200);
  const root = useRef(/** @type {HTMLDivElement | null} */ (null));
  const rowHeight = useRowHeight();
  useShortcuts([
    { key: 'j', label: t('shortcuts.next_row'), shown: 'j', run: () => root.current && moveFocus(root.current, 1) },
    { key: 'k', label: t('shortcuts.previous_row'), shown: 'k', run: () => root.current && moveFocus(root.current, -1) },
  ]);
  return html`<div class="view view-runs" ref=${root}><${PageHeader} title=${t('nav.sessions')} />
    ${problem && html`<div class="pad"><${Problem} problem=${problem} onRetry=${reload} /></div>`}
    ${items === null ? !problem && html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`
      : items.length === 0 ? html`<${EmptyState} title=${t('sessions.none')} icon="sessions"><p>${t('sessions.none_text')}</p><//>`
        : html`<${VirtualList} items=${items} rowHeight=${rowHeight} keyOf=${(/** @type {any} */ session) => session.session_id} label=${t('nav.sessions')} onEnd=${loadMore}
            row=${(/** @type {any} */ session) => html`<${SessionRow} session=${session} />`} />`}
  </div>`;
}

/** @param {{session: any}} props */
const SessionRow = ({ session }) => html`<div class="run-row session-grid">
  <a class="row-title" href="#/sessions/${session.session_id}">${session.title && html`<span>${session.title} </span>`}<span class="mono">${session.working_dir}</span></a>
  <span class="run-agent">${agentName(session.agent_type)}</span>
  ${isAdmin() && html`<span class="run-owner">${session.owner}</span>`}
  <span class="run-age right"><${RelativeTime} time=${session.created_at} /></span>
</div>`;

/** One session with its runs. @param {{id: string}} props */
export function SessionView({ id }) {
  const { data: session, problem, reload } = useFetch((signal) => request('GET', `/api/sessions/${encodeURIComponent(id)}`, undefined, { signal }), [id]);
  const list = useMemo(() => new RunList({ sessionId: id }), [id]);
  useEffect(() => () => list.dispose(), [list]);
  return html`<div class="view view-runs">
    <${PageHeader} title=${t('sessions.single')} back=${{ href: '#/sessions', label: t('nav.sessions') }}>
      <${Button} kind="primary" icon="play" href="#/new?session=${id}">${t('runs.continue')}<//><//>
    ${problem ? html`<div class="pad"><${Problem} problem=${problem} onRetry=${reload} /></div>` : html`
      ${session && html`<dl class="facts">
        <div><dt>${t('runs.column.agent')}</dt><dd>${agentName(session.agent_type)}</dd></div>
        <div><dt>${t('new_run.working_dir')}</dt><dd class="mono">${session.working_dir}</dd></div>
        <div><dt>${t('runs.column.owner')}</dt><dd>${session.owner}</dd></div>
        <div><dt>${t('runs.column.created')}</dt><dd><${RelativeTime} time=${session.created_at} /></dd></div>
        ${session.agent_session && html`<div><dt>${t('sessions.agent_session')}</dt><dd class="mono">${session.agent_session} <${CopyButton} text=${session.agent_session} /></dd></div>`}
      </dl>`}
      <${Runs} list=${list} />`}
  </div>`;
}

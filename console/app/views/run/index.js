/** The view of a session: one thread with all its runs. The address names the session or one of the runs. */
import { html, useEffect, useLayoutEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { usePageTitle } from '../../page_title.js';
import { navigate } from '../../router.js';
import { EmptyState } from '../../ui/empty_state.js';
import { focusRegion, isFocusLost } from '../../ui/focus.js';
import { problemText } from '../../ui/problem.js';
import { useShortcuts } from '../../ui/shortcuts.js';
import { Spinner } from '../../ui/spinner.js';
import { changesRequested } from './change_counts.js';
import { ChangesView } from './changes_view.js';
import { Composer } from './composer.js';
import { Conversation } from './conversation.js';
import { canSplit, toggleSplit } from './diff_layout.js';
import { FilesView } from './files_view.js';
import { Header } from './header.js';
import { planProgress } from './plan.js';
import { RawEvents } from './raw_events.js';
import { Requests } from './requests.js';
import { summarize } from './sanitize.js';
import { Search } from './search.js';
import { SidePanel } from './side_panel.js';
import { Thread } from './thread.js';

/** @typedef {import('./variable_height_list.js').ListHandle} ListHandle */
/** @typedef {import('./live_run.js').LiveRun} LiveRun */

/** @param {{ runId?: string, sessionId?: string }} address */
export function ThreadView(address) {
  const kept = useRef(/** @type {Thread | null} */ (null));
  // Another run of the same session is in the same thread.
  if (!kept.current?.has(address)) {
    kept.current?.dispose();
    kept.current = new Thread(address);
  }
  useEffect(() => () => { kept.current?.dispose(); }, []);
  const thread = kept.current;
  const runs = thread.runs.value;
  const current = runs.find(({ id }) => id === address.runId) ?? runs.at(-1);
  const problem = current ? current.problem.value : thread.problem.value ?? thread.list?.problem.value;
  if (problem && !current?.model.seq) return html`<${NotShown} problem=${problem} />`;
  if (!current) return html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`;
  return html`<${ThreadPage} thread=${thread} current=${current} key=${thread.key} />`;
}

/** @param {{ problem: any }} props */
function NotShown({ problem }) {
  const title = problem.status === 404 ? t('run.not_found') : problemText(problem);
  usePageTitle(title);
  return html`<${EmptyState} title=${title}><a href="#/runs">${t('run.all_runs')}</a><//>`;
}

/** @param {{ thread: Thread, current: LiveRun }} props */
function ThreadPage({ thread, current }) {
  const [tab, setTab] = useState(/** @type {import('./header.js').Tab} */ ('conversation'));
  const [isSideOpen, setSideOpen] = useState(() => globalThis.matchMedia('(min-width: 1240px)').matches);
  const list = useRef(/** @type {ListHandle | null} */ (null));
  const [isSearching, setSearching] = useState(false);
  const [found, setFound] = useState(/** @type {number | null} */ (null));
  useEffect(() => { if (found !== null) list.current?.jumpTo(found); }, [found]);
  // Rows above have moved the match.
  useEffect(() => setFound(null), [thread.epoch.value]);
  const closeSearch = () => {
    setSearching(false);
    setFound(null);
    requestAnimationFrame(() => focusRegion('.conversation .list-viewport'));
  };
  const last = thread.runs.value.at(-1) ?? current;
  const title = thread.title;
  const jumpTo = (/** @type {number} */ item) => {
    setTab('conversation');
    if (globalThis.matchMedia('(max-width: 1239px)').matches) setSideOpen(false);
    requestAnimationFrame(() => list.current?.jumpTo(thread.indexOf(current, item)));
  };
  usePageTitle(summarize(title, 80) || t('run.title'));
  useLayoutEffect(() => {
    if (isFocusLost()) focusRegion('.conversation .list-viewport');
  }, []);
  useShortcuts([
    { key: '/', label: t('run.search'), run: () => { setTab('conversation'); setSearching(true); } },
    { key: 'r', label: t('run.raw_events'), run: () => setTab((before) => (before === 'raw' ? 'conversation' : 'raw')) },
    { key: 'c', label: t('run.changes'), run: () => setTab((before) => (before === 'changes' ? 'conversation' : 'changes')) },
    { key: 'f', label: t('run.files'), run: () => setTab((before) => (before === 'files' ? 'conversation' : 'files')) },
    { key: 's', label: t('run.toggle_split'), run: toggleSplit, when: canSplit },
    { key: 'p', label: t('run.panel'), run: () => setSideOpen((before) => !before) },
    { key: 'End', label: t('run.jump_to_latest'), run: () => list.current?.jumpToEnd() },
  ]);
  const requested = changesRequested.value;
  const lastRequest = useRef(requested);
  useEffect(() => {
    if (requested !== lastRequest.current) setTab('changes');
    lastRequest.current = requested;
  }, [requested]);
  const onContinue = (/** @type {string} */ id) => {
    thread.append(id);
    navigate(`/runs/${id}`);
    list.current?.jumpToEnd();
  };
  return html`<div class="run" data-side=${isSideOpen}>
    <${Header} run=${current} title=${title} tab=${tab} setTab=${setTab} isSideOpen=${isSideOpen} setSideOpen=${setSideOpen}
      onSearch=${() => { setTab('conversation'); setSearching(true); }} />
    <div class="run-main">
      <${ConnectionBanner} run=${last} />
      ${isSearching && html`<${Search} rows=${() => thread.rows()} onFound=${setFound} onClose=${closeSearch} />`}
      ${tab === 'changes' ? html`<${ChangesView} run=${current} thread=${thread} key=${current.id} />` : tab === 'files' ? html`<${FilesView} run=${current} canWrite=${thread.canWrite} key=${current.id} />` : tab === 'raw' ? html`<${RawEvents} run=${current} />` : html`<${Conversation} thread=${thread} current=${current} list=${list} found=${found} />`}
      <div class="dock"><div class="dock-inner">
        <${PlanStrip} run=${last} />
        <${QueuedRuns} thread=${thread} />
        <${Requests} run=${last} />
        <${Composer} run=${last} onContinue=${onContinue} />
      </div></div>
    </div>
    ${isSideOpen && html`<${SidePanel} run=${current} session=${thread.session.value} jumpTo=${jumpTo} />`}
  </div>`;
}

/** @param {{ run: LiveRun }} props */
function ConnectionBanner({ run }) {
  const connection = run.connection.value;
  let text = '';
  if (connection.kind === 'rejected') text = run.problem.value ? problemText(run.problem.value) : connection.detail;
  else if (run.isInterrupted.value) text = t('run.connection_lost');
  return html`<div class="connection-banner" role="status" data-kind=${connection.kind}>${text && html`<p><${Icon} name=${connection.kind === 'rejected' ? 'warning' : 'refresh'} /> ${text}</p>`}</div>`;
}

/** The runs of the session that wait for the last one. @param {{ thread: Thread }} props */
function QueuedRuns({ thread }) {
  return thread.queuedRuns.map((run) => html`<p class="plan-strip" key=${run.run_id}><${Icon} name="clock" /><span class="faint">${t('status.queued')}</span><span>${summarize(run.title, 120)}</span></p>`);
}

/** The current step of the plan. @param {{ run: LiveRun }} props */
function PlanStrip({ run }) {
  const { plan, done } = run.model;
  if (!plan || done) return null;
  const step = plan.entries.find(({ status }) => status === 'in_progress') ?? plan.entries.find(({ status }) => status === 'pending');
  return html`<p class="plan-strip plan-strip-plan"><${Icon} name="list" /><span class="faint">${planProgress(plan.entries)}</span><span>${summarize(step?.content ?? '', 120)}</span></p>`;
}

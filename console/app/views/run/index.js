/** The view of one run. */
import { agentName } from '../../agent_names.js';
import { isLive } from '../../data/run_status.js';
import { duration } from '../../format.js';
import { html, useEffect, useMemo, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { navigate } from '../../router.js';
import { IconButton } from '../../ui/button.js';
import { EmptyState } from '../../ui/empty_state.js';
import { Menu } from '../../ui/menu.js';
import { problemText } from '../../ui/problem.js';
import { usePageTitle } from '../../page_title.js';
import { isFocusLost } from '../../ui/focus.js';
import { RunStatus } from '../../ui/run_status.js';
import { useShortcuts } from '../../ui/shortcuts.js';
import { Spinner } from '../../ui/spinner.js';
import { Elapsed } from '../../ui/time.js';
import { toastProblem } from '../../ui/toast.js';
import { copyWithToast } from '../run_actions.js';
import { queuePlace } from '../run_row.js';
import { Composer } from './composer.js';
import { ConversationItem } from './conversation_item.js';
import { LiveRun } from './live_run.js';
import { planProgress } from './plan.js';
import { RawEvents } from './raw_events.js';
import { Requests } from './requests.js';
import { sanitize, summarize } from './sanitize.js';
import { download, eventsCurl, runCurl, runUrl } from './share.js';
import { SidePanel } from './side_panel.js';
import { VariableHeightList } from './variable_height_list.js';

/** @typedef {import('./variable_height_list.js').ListHandle} ListHandle */

/** @param {{ id: string }} props */
export function RunView({ id }) {
  const run = useMemo(() => new LiveRun(id), [id]);
  useEffect(() => {
    run.start();
    return () => run.stop();
  }, [run]);
  const problem = run.problem.value;
  if (problem && !run.model.seq) {
    return html`<${NoRun} problem=${problem} />`;
  }
  return html`<${RunPage} run=${run} />`;
}

/** @param {{ problem: import('../../api.js').ApiProblem }} props */
function NoRun({ problem }) {
  const title = problem.status === 404 ? t('run.not_found') : problemText(problem);
  usePageTitle(title);
  return html`<${EmptyState} title=${title}>
      <a href="#/runs">${t('run.all_runs')}</a></${EmptyState}>`;
}

/** @param {{ run: LiveRun }} props */
function RunPage({ run }) {
  const [isRaw, setRaw] = useState(false);
  const [isSideOpen, setSideOpen] = useState(() => globalThis.matchMedia('(min-width: 1240px)').matches);
  const list = useRef(/** @type {ListHandle | null} */ (null));
  const jumpTo = (/** @type {number} */ item) => {
    setRaw(false);
    if (globalThis.matchMedia('(max-width: 1239px)').matches) setSideOpen(false);
    requestAnimationFrame(() => list.current?.jumpTo(item + 1));
  };
  usePageTitle(summarize(run.record.value?.title ?? '', 80) || t('run.title'));
  useEffect(() => {
    if (isFocusLost()) /** @type {HTMLElement | null} */ (document.querySelector('.conversation .list-viewport'))?.focus({ preventScroll: true });
  }, []);
  useShortcuts([
    { key: 'r', label: t('run.raw_events'), run: () => setRaw((before) => !before) },
    { key: 'p', label: t('run.panel'), run: () => setSideOpen((before) => !before) },
    { key: 'End', label: t('run.jump_to_latest'), run: () => list.current?.jumpToEnd() },
  ]);
  return html`<div class="run" data-side=${isSideOpen}>
    <${Header} run=${run} isRaw=${isRaw} setRaw=${setRaw} isSideOpen=${isSideOpen} setSideOpen=${setSideOpen} />
    <div class="run-main">
      <${ConnectionBanner} run=${run} />
      ${isRaw ? html`<${RawEvents} run=${run} />` : html`<${Conversation} run=${run} list=${list} />`}
      <div class="dock"><div class="dock-inner">
        <${PlanStrip} run=${run} />
        <${Requests} run=${run} />
        <${Composer} run=${run} />
      </div></div>
    </div>
    ${isSideOpen && html`<${SidePanel} run=${run} jumpTo=${jumpTo} />`}
  </div>`;
}

/** @param {{ run: LiveRun, isRaw: boolean, setRaw: (isRaw: boolean) => void, isSideOpen: boolean, setSideOpen: (isOpen: boolean) => void }} props */
function Header({ run, isRaw, setRaw, isSideOpen, setSideOpen }) {
  const record = run.record.value;
  const { status, model } = run;
  const facts = [record && agentName(record.agent_type), model.started?.model ?? record?.model].filter(Boolean).map((fact) => sanitize(String(fact)));
  return html`<header class="run-bar">
    <${IconButton} icon="back" label=${t('run.all_runs')} onClick=${() => navigate('/runs')} />
    <div class="run-name">
      <h1 title=${summarize(record?.prompt ?? '', 400)}>${summarize(record?.prompt ?? '', 200) || t('run.title')}</h1>
      <p class="run-facts faint"><${RunStatus} status=${status === 'waiting' && model.isWaitingForReset ? 'waiting_for_reset' : status} cause=${model.done?.cause} />
        ${record && html`<span>${runTime(run)}</span>`}
        ${facts.map((fact) => html`<span>${fact}</span>`)}
        ${record && html`<span class="run-dir" title=${sanitize(record.working_dir)}>${sanitize(record.working_dir)}</span>`}</p>
    </div>
    <div class="run-actions">
      <${IconButton} icon="terminal" label=${t('run.raw_events')} aria-pressed=${isRaw} onClick=${() => setRaw(!isRaw)} />
      <${IconButton} icon="list" label=${t('run.panel')} aria-pressed=${isSideOpen} onClick=${() => setSideOpen(!isSideOpen)} />
      <${Menu} label=${t('nav.more')} items=${[
        { label: t('copy_link'), icon: 'link', onSelect: () => void copyWithToast(runUrl(run.id)) },
        { label: t('run.copy_curl_events'), icon: 'copy', onSelect: () => void copyWithToast(eventsCurl(run.path)) },
        { label: t('run.copy_curl_run'), icon: 'copy', onSelect: () => record && void copyWithToast(runCurl(record)) },
        { label: t('run.download'), icon: 'download', onSelect: () => void download(run).catch(toastProblem) },
      ]} />
    </div>
  </header>`;
}

/** How long the run has worked, or its place in the queue. @param {LiveRun} run */
function runTime(run) {
  const position = run.record.value?.queue_position;
  if (run.status === 'queued') return position === undefined ? null : queuePlace(position);
  if (run.workMs !== null) return duration(run.workMs);
  return run.startedAt && isLive(run.status) ? html`<${Elapsed} since=${run.startedAt} />` : null;
}

/** @param {{ run: LiveRun }} props */
function ConnectionBanner({ run }) {
  const connection = run.connection.value;
  let text = '';
  if (connection.kind === 'rejected') text = run.problem.value ? problemText(run.problem.value) : connection.detail;
  else if (run.isInterrupted.value) text = t('run.connection_lost');
  return html`<div class="connection-banner" role="status" data-kind=${connection.kind}>${text && html`<p><${Icon} name=${connection.kind === 'rejected' ? 'warning' : 'refresh'} /> ${text}</p>`}</div>`;
}

/** The prompt as the first item of the conversation: it is not an event. @param {LiveRun} run */
function usePromptItem(run) {
  const prompt = run.record.value?.prompt ?? '';
  return useMemo(() => /** @type {any} */ ({ kind: 'user', key: 0, text: prompt, mode: '', rev: 0, parent: null }), [prompt]);
}

/** @param {{ run: LiveRun, list: { current: ListHandle | null } }} props */
function Conversation({ run, list }) {
  const { model } = run;
  const prompt = usePromptItem(run);
  const [isFollowing, setFollowing] = useState(true);
  const lastSeenCount = useRef(0);
  const renderedRows = useMemo(() => new WeakMap(), []);
  const onFollowing = (/** @type {boolean} */ following) => {
    lastSeenCount.current = model.items.length;
    setFollowing(following);
  };
  const row = (/** @type {number} */ index) => {
    const item = index === 0 ? prompt : model.items[index - 1];
    // An unchanged element is not rendered again.
    const cached = renderedRows.get(item);
    if (cached?.rev === item.rev) return cached.element;
    const element = html`<div class="row" data-kind=${item.kind}><${ConversationItem} item=${item} rev=${item.rev} /></div>`;
    renderedRows.set(item, { rev: item.rev, element });
    return element;
  };
  const newCount = model.items.length - lastSeenCount.current;
  const isWorking = isLive(run.status) && model.started && !model.openRequests.size;
  return html`<div class="conversation">
    <${VariableHeightList} count=${model.items.length + 1} estimate=${64} follows=${true} label=${t('run.conversation')} handle=${list} onFollowing=${onFollowing}
      keyOf=${(/** @type {number} */ index) => (index === 0 ? 0 : model.items[index - 1].key)} row=${row} />
    ${!isFollowing && html`<button type="button" class="pill" onClick=${() => list.current?.jumpToEnd()}><${Icon} name="arrowDown" />
      ${newCount > 0 ? t('run.new_items', { count: newCount }) : t('run.jump_to_latest')}</button>`}
    <${Startup} run=${run} />
    <div class="working" data-on=${Boolean(isWorking)} aria-hidden="true"><span></span></div>
  </div>`;
}

/** Why nothing has happened yet. @param {{ run: LiveRun }} props */
function Startup({ run }) {
  const record = run.record.value;
  if (run.model.started || !record || !isLive(run.status)) return null;
  const text = run.status === 'queued' ? t('run.queued', { place: queuePlace(record.queue_position ?? 0) }) : t('run.starting', { agent: agentName(record.agent_type) });
  return html`<p class="startup" role="status"><${Spinner} /> ${text}</p>`;
}

/** The current step of the plan. @param {{ run: LiveRun }} props */
function PlanStrip({ run }) {
  const { plan, done } = run.model;
  if (!plan || done) return null;
  const step = plan.entries.find(({ status }) => status === 'in_progress') ?? plan.entries.find(({ status }) => status === 'pending');
  return html`<p class="plan-strip"><${Icon} name="list" /><span class="faint">${planProgress(plan.entries)}</span><span>${summarize(step?.content ?? '', 120)}</span></p>`;
}

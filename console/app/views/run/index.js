// One run: what the agent says and does, as it happens, and what it waits to be told.

import { html, useEffect, useMemo, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { navigate } from '../../router.js';
import { copyText, IconButton } from '../../ui/button.js';
import { Menu } from '../../ui/menu.js';
import { Empty, isLive, StateDot, wordsOf } from '../../ui/misc.js';
import { useShortcuts } from '../../ui/shortcuts.js';
import { toast, toastProblem } from '../../ui/toast.js';
import { duration } from '../../format.js';
import { Composer } from './composer.js';
import { LiveRun } from './live_run.js';
import { Elapsed } from './item_state.js';
import { RawView } from './raw_events.js';
import { Requests } from './requests.js';
import { Row } from './conversation_item.js';
import { curlOfEvents, curlOfRun, download, linkTo } from './share.js';
import { progress, Side } from './side_panel.js';
import { oneLine, visible } from './sanitize.js';
import { WindowList } from './variable_height_list.js';

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
    return html`<${Empty} title=${problem.status === 404 ? t('run.notFound') : wordsOf(problem)}>
      <a href="#/runs">${t('run.toList')}</a></${Empty}>`;
  }
  return html`<${Shown} run=${run} />`;
}

/** @param {{ run: LiveRun }} props */
function Shown({ run }) {
  const [isRaw, setRaw] = useState(false);
  const [isSideOpen, setSideOpen] = useState(() => globalThis.matchMedia('(min-width: 1240px)').matches);
  const list = useRef(/** @type {ListHandle | null} */ (null));
  const jumpTo = (/** @type {number} */ item) => {
    setRaw(false);
    if (globalThis.matchMedia('(max-width: 1239px)').matches) setSideOpen(false);
    requestAnimationFrame(() => list.current?.jumpTo(item + 1));
  };
  useShortcuts([
    { key: 'r', label: t('run.raw'), run: () => setRaw((before) => !before) },
    { key: 'p', label: t('run.panel'), run: () => setSideOpen((before) => !before) },
    { key: 'End', label: t('run.toEnd'), run: () => list.current?.jumpToEnd() },
  ]);
  return html`<div class="run" data-side=${isSideOpen}>
    <${Head} run=${run} isRaw=${isRaw} setRaw=${setRaw} isSideOpen=${isSideOpen} setSideOpen=${setSideOpen} />
    <div class="run-main">
      <${Banner} run=${run} />
      ${isRaw ? html`<${RawView} run=${run} />` : html`<${Conversation} run=${run} list=${list} />`}
      <div class="dock"><div class="dock-inner">
        <${PlanStrip} run=${run} />
        <${Requests} run=${run} />
        <${Composer} run=${run} />
      </div></div>
    </div>
    ${isSideOpen && html`<${Side} run=${run} jumpTo=${jumpTo} />`}
  </div>`;
}

/** @param {{ run: LiveRun, isRaw: boolean, setRaw: (isRaw: boolean) => void, isSideOpen: boolean, setSideOpen: (isOpen: boolean) => void }} props */
function Head({ run, isRaw, setRaw, isSideOpen, setSideOpen }) {
  const record = run.record.value;
  const { status, model } = run;
  const copy = async (/** @type {string} */ text) => toast(t((await copyText(text)) ? 'copied' : 'run.notCopied'));
  const words = [record?.agent_type, model.started?.model ?? record?.model].filter(Boolean).map((word) => visible(String(word)));
  return html`<header class="run-bar">
    <${IconButton} icon="back" label=${t('run.toList')} onClick=${() => navigate('/runs')} />
    <div class="run-name">
      <h1 title=${oneLine(record?.prompt ?? '', 400)}>${oneLine(record?.prompt ?? '', 200) || t('run.title')}</h1>
      <p class="run-facts faint"><${StateDot} state=${status} cause=${model.done?.cause} />
        ${record && html`<span>${isLive(status) ? html`<${Elapsed} since=${record.created_at} />` : duration(model.done?.duration_ms ?? record.duration_ms ?? 0)}</span>`}
        ${words.map((word) => html`<span>${word}</span>`)}
        ${record && html`<span class="run-folder" title=${visible(record.working_dir)}>${visible(record.working_dir)}</span>`}</p>
    </div>
    <div class="run-actions">
      <${IconButton} icon="terminal" label=${t('run.raw')} aria-pressed=${isRaw} onClick=${() => setRaw(!isRaw)} />
      <${IconButton} icon="list" label=${t('run.panel')} aria-pressed=${isSideOpen} onClick=${() => setSideOpen(!isSideOpen)} />
      <${Menu} label=${t('run.menu')} items=${[
        { label: t('run.copyLink'), icon: 'link', onSelect: () => void copy(linkTo(run.id)) },
        { label: t('run.copyCurl'), icon: 'copy', onSelect: () => void copy(curlOfEvents(run.path)) },
        { label: t('run.copyCurlRun'), icon: 'copy', onSelect: () => record && void copy(curlOfRun(record)) },
        { label: t('run.download'), icon: 'download', onSelect: () => void download(run).catch(toastProblem) },
      ]} />
    </div>
  </header>`;
}

/** What stands between this page and the run's present. @param {{ run: LiveRun }} props */
function Banner({ run }) {
  const connection = run.connection.value;
  let text = '';
  if (connection.kind === 'refused') text = run.problem.value ? wordsOf(run.problem.value) : connection.detail;
  else if (run.wasLost.value) text = t('run.lost');
  return html`<div class="lost" role="status" data-kind=${connection.kind}>${text && html`<p><${Icon} name=${connection.kind === 'refused' ? 'warning' : 'refresh'} /> ${text}</p>`}</div>`;
}

/** The prompt is no event: it stands before them. @param {LiveRun} run */
function usePrompt(run) {
  const prompt = run.record.value?.prompt ?? '';
  return useMemo(() => /** @type {any} */ ({ kind: 'user', key: 0, text: prompt, mode: '', rev: 0, parent: null }), [prompt]);
}

/** @param {{ run: LiveRun, list: { current: ListHandle | null } }} props */
function Conversation({ run, list }) {
  const { model } = run;
  const prompt = usePrompt(run);
  const [isFollowing, setFollowing] = useState(true);
  const leftAt = useRef(0);
  const drawn = useMemo(() => new WeakMap(), []);
  const onFollowing = (/** @type {boolean} */ following) => {
    leftAt.current = model.items.length;
    setFollowing(following);
  };
  const row = (/** @type {number} */ index) => {
    const item = index === 0 ? prompt : model.items[index - 1];
    // The same picture of the same item is not drawn again.
    const before = drawn.get(item);
    if (before?.rev === item.rev) return before.picture;
    const picture = html`<div class="row" data-kind=${item.kind}><${Row} item=${item} rev=${item.rev} /></div>`;
    drawn.set(item, { rev: item.rev, picture });
    return picture;
  };
  const fresh = model.items.length - leftAt.current;
  const isWorking = isLive(run.status) && model.started && !model.open.size;
  return html`<div class="conversation">
    <${WindowList} count=${model.items.length + 1} estimate=${64} follows=${true} label=${t('run.conversation')} handle=${list} onFollowing=${onFollowing}
      keyOf=${(/** @type {number} */ index) => (index === 0 ? 0 : model.items[index - 1].key)} row=${row} />
    ${!isFollowing && html`<button type="button" class="pill" onClick=${() => list.current?.jumpToEnd()}><${Icon} name="arrowDown" />
      ${fresh > 0 ? t('run.newer', { count: fresh }) : t('run.toEnd')}</button>`}
    <div class="working" data-on=${Boolean(isWorking)} aria-hidden="true"><span></span></div>
  </div>`;
}

/** The step that is being done, where there is no room for the whole plan. @param {{ run: LiveRun }} props */
function PlanStrip({ run }) {
  const { plan, done } = run.model;
  if (!plan || done) return null;
  const step = plan.entries.find(({ status }) => status === 'in_progress') ?? plan.entries.find(({ status }) => status === 'pending');
  return html`<p class="plan-strip"><${Icon} name="list" /><span class="faint">${progress(plan.entries)}</span><span>${oneLine(step?.content ?? '', 120)}</span></p>`;
}

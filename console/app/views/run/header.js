/** The header of a thread: its title, and the run that the address names. */
import { agentName } from '../../agent_names.js';
import { isLive } from '../../data/run_status.js';
import { compact, duration } from '../../format.js';
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { navigate, route } from '../../router.js';
import { IconButton } from '../../ui/button.js';
import { Menu } from '../../ui/menu.js';
import { RunStatus } from '../../ui/run_status.js';
import { Elapsed } from '../../ui/time.js';
import { queuePlace } from '../run_row.js';
import { runMenu } from './run_menu.js';
import { sanitize, sanitizeLine, summarize } from './sanitize.js';

/** @typedef {import('./live_run.js').LiveRun} LiveRun */
/** What the page shows. @typedef {'conversation' | 'changes' | 'files' | 'raw'} Tab */

/** @param {{ run: LiveRun, title: string, tab: Tab, setTab: (tab: Tab) => void, isSideOpen: boolean, setSideOpen: (isOpen: boolean) => void, onSearch: () => void }} props */
export function Header({ run, title, tab, setTab, isSideOpen, setSideOpen, onSearch }) {
  const record = run.record.value;
  const { status, model } = run;
  const back = route.value.parts[0] === 'sessions' ? 'sessions' : 'runs';
  const facts = [record && agentName(record.agent_type), model.started?.model ?? record?.model].filter(Boolean).map((fact) => sanitize(String(fact)));
  return html`<header class="run-bar">
    <${IconButton} icon="back" label=${t(back === 'sessions' ? 'nav.sessions' : 'run.all_runs')} onClick=${() => navigate(`/${back}`)} />
    <div class="run-name">
      <h1 title=${sanitizeLine(title)}>${summarize(title, 200) || t('run.title')}</h1>
      <p class="run-facts faint"><${RunStatus} status=${status === 'waiting' && model.isWaitingForReset ? 'waiting_for_reset' : status} cause=${model.done?.cause} />
        ${record && html`<span>${runTime(run)}</span>`}
        ${facts.map((fact) => html`<span>${fact}</span>`)}
        ${record && html`<span class="run-dir" title=${sanitize(record.working_dir)}>${sanitize(record.working_dir)}</span>`}</p>
    </div>
    <div class="run-actions">
      <button type="button" class="changes-button" aria-pressed=${tab === 'changes'} title=${t('run.changes')} onClick=${() => setTab(tab === 'changes' ? 'conversation' : 'changes')}><${Icon} name="edit" /><span class="visually-hidden">${t('run.changes')}</span>
        ${model.changes && html`<span class="added">+${compact(model.changes.insertions)}</span><span class="removed">−${compact(model.changes.deletions)}</span>`}</button>
      <${IconButton} icon="directory" label=${t('run.files')} class="wide-only" aria-pressed=${tab === 'files'} onClick=${() => setTab(tab === 'files' ? 'conversation' : 'files')} />
      <${IconButton} icon="search" label=${t('run.search')} class="wide-only" onClick=${onSearch} />
      <${IconButton} icon="terminal" label=${t('run.raw_events')} aria-pressed=${tab === 'raw'} onClick=${() => setTab(tab === 'raw' ? 'conversation' : 'raw')} />
      <${IconButton} icon="list" label=${t('run.panel')} aria-pressed=${isSideOpen} onClick=${() => setSideOpen(!isSideOpen)} />
      <${Menu} label=${t('nav.more')} items=${[tab === 'files' ? { label: t('run.conversation'), icon: 'sessions', onSelect: () => setTab('conversation') } : { label: t('run.files'), icon: 'directory', onSelect: () => setTab('files') }, { label: t('run.search'), icon: 'search', onSelect: onSearch }, ...runMenu(run)]} />
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

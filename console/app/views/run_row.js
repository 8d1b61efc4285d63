/** A run as a row of a list. */
import { isAdmin } from '../auth.js';
import { isLive } from '../data/run_status.js';
import { workDuration } from '../data/run_time.js';
import { html, useEffect, useState } from '../html.js';
import { agentName } from '../agent_names.js';
import { compact, duration, money } from '../format.js';
import { t } from '../i18n.js';
import { Badge } from '../ui/badge.js';
import { Menu } from '../ui/menu.js';
import { RunStatus, shownStatus } from '../ui/run_status.js';
import { Elapsed, RelativeTime } from '../ui/time.js';
import { cancelRun, copyWithToast, deleteRun } from './run_actions.js';
import { runAgainItems } from './run_again.js';

/** Height of a row in pixels, with one line and with two. */
export const ROW_HEIGHT = 44;
const NARROW_ROW_HEIGHT = 68;

const narrowViewport = matchMedia('(max-width: 760px)');

/** The row height for the viewport's width. */
export function useRowHeight() {
  const [height, setHeight] = useState(narrowViewport.matches ? NARROW_ROW_HEIGHT : ROW_HEIGHT);
  useEffect(() => {
    const update = () => setHeight(narrowViewport.matches ? NARROW_ROW_HEIGHT : ROW_HEIGHT);
    narrowViewport.addEventListener('change', update);
    return () => narrowViewport.removeEventListener('change', update);
  }, []);
  return height;
}

/** @param {{run: any}} props */
export function RunRow({ run }) {
  return html`<div class="run-row run-grid ${shownStatus(run) === 'waiting' ? 'run-waiting' : ''}">
    <${RunStatus} status=${shownStatus(run)} cause=${run.cause} />
    <a class="row-title" href="#/runs/${run.run_id}"><span>${run.title || t('runs.untitled')}</span>
      ${Object.entries(run.labels ?? {}).slice(0, 3).map(([name, value]) => html`<${Badge} key=${name}>${value ? `${name}: ${value}` : name}<//>`)}</a>
    <span class="run-agent" title=${run.model}>${agentName(run.agent_type)}</span>
    ${isAdmin() && html`<span class="run-owner">${run.owner}</span>`}
    <span class="run-duration right"><${RunDuration} run=${run} /></span>
    <span class="run-usage right">${usageText(run)}</span>
    <span class="run-age right"><${RelativeTime} time=${run.created_at} /></span>
    <${Menu} label=${t('runs.actions', { title: run.title })} items=${menuItems(run)} />
  </div>`;
}

/** How long an ended run has worked, the time since a live run started, or the place of a queued run. @param {{run: any}} props */
function RunDuration({ run }) {
  if (run.status === 'queued' && run.queue_position !== undefined) return html`${queuePlace(run.queue_position)}`;
  const took = workDuration(run);
  if (took !== null) return html`${duration(took)}`;
  if (!run.started_at || !isLive(run.status)) return null;
  return html`<${Elapsed} since=${run.started_at} />`;
}

/** The place of a queued run. @param {number} position how many runs are ahead of it */
export const queuePlace = (position) => (position === 0 ? t('run.queue_next') : t('run.queue_ahead', { count: position }));

/** @param {any} run */
function usageText({ usage }) {
  if (!usage) return null;
  const tokens = usage.input_tokens + usage.cache_write_tokens + usage.output_tokens;
  const cost = usage.cost_usd === undefined ? null : `${usage.cost_is_estimate ? '≈' : ''}${money(usage.cost_usd)}`;
  return html`<span title=${t('runs.tokens', { count: tokens })}>${compact(tokens)}</span>${cost && html` <span class="run-cost">${cost}</span>`}`;
}

/** @param {any} run @returns {import('../ui/menu.js').MenuItem[]} */
function menuItems(run) {
  return [
    { label: t('copy_link'), icon: 'link', onSelect: () => copyWithToast(new URL(`#/runs/${run.run_id}`, document.baseURI).href) },
    ...runAgainItems(run),
    { label: t('runs.continue'), icon: 'sessions', href: `#/new?session=${run.session_id}` },
    null,
    isLive(run.status) ? { label: t('runs.cancel'), icon: 'stop', danger: true, onSelect: () => cancelRun(run) }
      : { label: t('runs.delete'), icon: 'trash', danger: true, onSelect: () => void deleteRun(run) },
  ];
}


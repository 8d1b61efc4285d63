/** The line above a run of a thread with several runs. */
import { agentName } from '../../agent_names.js';
import { duration, money } from '../../format.js';
import { html } from '../../html.js';
import { Menu } from '../../ui/menu.js';
import { t } from '../../i18n.js';
import { RunStatus } from '../../ui/run_status.js';
import { RelativeTime } from '../../ui/time.js';
import { sanitize } from './sanitize.js';
import { runMenu } from './run_menu.js';

/** @param {{ run: import('./live_run.js').LiveRun, isCurrent: boolean }} props */
export function RunDivider({ run, isCurrent }) {
  const record = run.record.value;
  if (!record) return null;
  const { usage } = run.model;
  const facts = [agentName(record.agent_type), record.model && sanitize(record.model), run.workMs !== null && duration(run.workMs),
    usage?.cost_usd !== undefined && `${usage.cost_is_estimate ? '≈ ' : ''}${money(usage.cost_usd)}`].filter(Boolean);
  return html`<div class="run-divider" data-current=${isCurrent}><${RunStatus} status=${run.status} cause=${record.cause} />
    <a href=${`#/runs/${run.id}`}><${RelativeTime} time=${record.created_at} /></a><span class="faint">${facts.join(' · ')}</span>
    <${Menu} label=${t('runs.actions', { title: record.title })} items=${runMenu(run)} /></div>`;
}

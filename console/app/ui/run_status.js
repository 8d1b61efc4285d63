import { html } from '../html.js';
import { hasText, t } from '../i18n.js';

/** @type {Record<string, string>} */
const TONES = {
  queued: 'faint', starting: 'live', running: 'live', waiting: 'warn', waiting_for_reset: 'faint', stopping: 'faint',
  completed: 'ok', failed: 'err', cancelled: 'faint', timed_out: 'err', interrupted: 'warn',
};

/** The status to show for a run: one that waits for a limit to reset needs no input. @param {{status: string, waits_until?: string}} run */
export const shownStatus = (run) => (run.status === 'waiting' && run.waits_until ? 'waiting_for_reset' : run.status);

/** A run's status as a colored dot and a word, with the cause as a tooltip. @param {{status: string, cause?: string}} props */
export function RunStatus({ status, cause }) {
  const title = cause && cause !== 'ok' && hasText(`cause.${cause}`) ? t(`cause.${cause}`) : undefined;
  return html`<span class="run-status run-status-${TONES[status] ?? 'faint'}" title=${title}><span class="dot" aria-hidden="true"></span>${t(`status.${status}`)}</span>`;
}

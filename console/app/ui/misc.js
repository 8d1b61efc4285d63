/** Small things that are the same everywhere. */
import { html } from '../html.js';
import { Icon } from '../icons.js';
import { ApiProblem } from '../api.js';
import { ago, moment, now } from '../format.js';
import { has, t } from '../i18n.js';
import { Button } from './button.js';

/** Something goes on. @param {{label?: string}} props */
export function Spinner({ label }) {
  return html`<span class="spinner" role=${label ? 'status' : undefined} aria-hidden=${label ? undefined : 'true'}>${label && html`<span class="unseen">${label}</span>`}</span>`;
}

/** A key of the keyboard. @param {{children?: any}} props */
export const Kbd = ({ children }) => html`<kbd>${children}</kbd>`;

/** A small mark. @param {{tone?: 'plain' | 'ok' | 'warn' | 'err' | 'info' | 'accent', title?: string, children?: any}} props */
export const Badge = ({ tone = 'plain', title, children }) => html`<span class="badge badge-${tone}" title=${title}>${children}</span>`;

/** How quiet or loud a state of a run is. @type {Record<string, string>} */
const TONES = {
  queued: 'faint', starting: 'live', running: 'live', waiting: 'warn', stopping: 'faint',
  completed: 'ok', failed: 'err', cancelled: 'faint', timed_out: 'err', interrupted: 'warn',
};

/** Whether a run in this state goes on. @param {string} status */
export const isLive = (status) => ['queued', 'starting', 'running', 'waiting', 'stopping'].includes(status);

/** A run's state: a dot, and the word, which is what tells. @param {{state: string, cause?: string}} props */
export function StateDot({ state, cause }) {
  const why = cause && cause !== 'ok' && has(`cause.${cause}`) ? t(`cause.${cause}`) : undefined;
  return html`<span class="state state-${TONES[state] ?? 'faint'}" title=${why}><span class="dot" aria-hidden="true"></span>${t(`state.${state}`)}</span>`;
}

/** A time as "5 min ago", exact when pointed at. @param {{time: string}} props */
export const Ago = ({ time }) => html`<time datetime=${time} title=${moment(time)}>${ago(time, now.value)}</time>`;

/** Nothing is here, and what to do about it. @param {{title: string, icon?: import('../icons.js').IconName, children?: any}} props */
export const Empty = ({ title, icon = 'runs', children }) => html`
  <div class="empty"><${Icon} name=${icon} size=${24} /><h2>${title}</h2>${children && html`<div>${children}</div>`}</div>`;

/**
 * What the server would not do, in words. Texts of our own for what is the reader's to mend, otherwise the server's.
 * @param {{problem: unknown, onRetry?: () => void}} props
 */
export function Problem({ problem, onRetry }) {
  if (!problem) return null;
  return html`<div class="problem" role="alert"><${Icon} name="warning" /><span>${wordsOf(problem)}</span>
    ${onRetry && html`<${Button} kind="quiet" onClick=${onRetry}>${t('retry')}<//>`}</div>`;
}

/** @param {unknown} problem @returns {string} */
export function wordsOf(problem) {
  if (!(problem instanceof ApiProblem)) return problem instanceof Error ? problem.message : String(problem);
  if (problem.code === 'origin_not_allowed') return t('problem.origin_not_allowed', { origin: location.origin });
  // A wait of hours is in the server's own words, with the time of day.
  if (problem.retryAfter !== null && problem.retryAfter <= 120 && problem.status === 429) return `${sentence(problem)} ${t('problem.again', { count: problem.retryAfter })}`;
  return sentence(problem);
}

/** @param {ApiProblem} problem */
const sentence = (problem) => (has(`problem.${problem.code}`) ? t(`problem.${problem.code}`) : problem.detail);

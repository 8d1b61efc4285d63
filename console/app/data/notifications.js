/** The user's runs that need input, and desktop notifications about them. */
import { request, withQuery } from '../api.js';
import { isAdmin, user } from '../auth.js';
import { computed, signal } from '../html.js';
import { t } from '../i18n.js';
import { readStorage, writeStorage } from '../storage.js';
import { onChanges } from './feed.js';
import { isLive } from './run_status.js';

/** The user's own waiting runs, by id. @type {import('../../vendor/vendor.js').Signal<Map<string, any>>} */
const waitingRuns = signal(new Map());

/** The number of the user's runs that need input. */
export const waitingCount = computed(() => waitingRuns.value.size);

/** Whether notifications are turned on and permitted. @type {import('../../vendor/vendor.js').Signal<boolean>} */
export const notificationsEnabled = signal(readStorage('notify') === true && globalThis.Notification?.permission === 'granted');

/** Notifications need a secure context. */
export const notificationsSupported = () => 'Notification' in globalThis && isSecureContext;

/** Turns notifications on or off. May ask for the browser's permission. @param {boolean} enabled @returns {Promise<boolean>} whether they are on */
export async function setNotificationsEnabled(enabled) {
  const granted = enabled && notificationsSupported() && await Notification.requestPermission() === 'granted';
  writeStorage('notify', granted);
  notificationsEnabled.value = granted;
  return granted;
}

/** Starts tracking the user's runs. @returns {() => void} stops it */
export function startNotifications() {
  const abort = new AbortController();
  const unsubscribe = onChanges((changes) => {
    if (changes.some((change) => change.type === 'reload')) loadWaitingRuns(abort.signal);
    for (const change of changes) applyChange(change);
  });
  loadWaitingRuns(abort.signal);
  return () => {
    abort.abort();
    unsubscribe();
    waitingRuns.value = new Map();
  };
}

/** @param {AbortSignal} signal */
async function loadWaitingRuns(signal) {
  try {
    const owner = isAdmin() ? user.peek()?.username : null;
    const { items } = await request('GET', withQuery('/api/runs', { status: 'waiting', limit: 200, owner }), undefined, { signal });
    waitingRuns.value = new Map(items.filter((/** @type {any} */ run) => !run.waits_until).map((/** @type {any} */ run) => [run.run_id, run]));
  } catch {
    // Loaded again after the next reconnect. The run list shows the error.
  }
}

/** @param {import('./feed.js').Change} change */
function applyChange(change) {
  if (change.type === 'reload') return;
  const id = change.type === 'run' ? change.run.run_id : change.run_id;
  const wasWaiting = waitingRuns.peek().has(id);
  const run = change.type === 'run' && change.run.owner === user.peek()?.username ? change.run : null;
  const isWaiting = run?.status === 'waiting' && !run.waits_until;
  if (isWaiting !== wasWaiting) {
    const next = new Map(waitingRuns.peek());
    if (isWaiting) next.set(id, run);
    else next.delete(id);
    waitingRuns.value = next;
  }
  if (run && isWaiting && !wasWaiting) notify(run, t('notify.waiting'));
  if (run && !isLive(run.status)) notify(run, t(`notify.${run.status}`));
}

/** @param {any} run @param {string} title */
function notify(run, title) {
  if (!notificationsEnabled.peek() || !document.hidden) return;
  // The tag makes the notifications of several hidden tabs replace each other.
  const notification = new Notification(title, { body: run.title, tag: `${run.run_id} ${run.status}`, silent: run.status === 'completed' });
  notification.onclick = () => {
    window.focus();
    location.hash = `/runs/${run.run_id}`;
    notification.close();
  };
}

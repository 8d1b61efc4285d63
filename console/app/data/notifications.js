/** Which of one's own runs wait for an answer, and who is told: the tab's title and icon, and, if wanted, a notification. */
import { request, withQuery } from '../api.js';
import { isAdmin, user } from '../auth.js';
import { computed, effect, signal } from '../html.js';
import { t } from '../i18n.js';
import { recall, remember } from '../storage.js';
import { isLive } from '../ui/misc.js';
import { onChanges } from './feed.js';

/** The runs of one's own that wait, by id. @type {import('../../vendor/vendor.js').Signal<Map<string, any>>} */
const waiting = signal(new Map());

/** How many runs need their owner. */
export const needed = computed(() => waiting.value.size);

/** What the tab is called, without the count. @type {import('../../vendor/vendor.js').Signal<string>} */
export const pageTitle = signal('');

/** Whether somebody wants to be notified and the browser lets us. @type {import('../../vendor/vendor.js').Signal<boolean>} */
export const notifies = signal(recall('notify') === true && globalThis.Notification?.permission === 'granted');

/** Whether the browser can notify here at all: it needs a safe context. */
export const canNotify = () => 'Notification' in globalThis && isSecureContext;

/** Turns notifications on, if the browser lets us, or off. @param {boolean} wanted @returns {Promise<boolean>} what it is now */
export async function wantNotifications(wanted) {
  const granted = wanted && canNotify() && await Notification.requestPermission() === 'granted';
  remember('notify', granted);
  notifies.value = granted;
  return granted;
}

/** Follows one's runs for as long as somebody is signed in. @returns {() => void} ends it */
export function startAttention() {
  const over = new AbortController();
  const stop = onChanges((changes) => {
    if (changes.some((change) => change.type === 'list')) list(over.signal);
    for (const change of changes) hear(change);
  });
  list(over.signal);
  return () => {
    over.abort();
    stop();
    waiting.value = new Map();
  };
}

/** @param {AbortSignal} signal */
async function list(signal) {
  try {
    const owner = isAdmin() ? user.peek()?.username : null;
    const { items } = await request('GET', withQuery('/api/runs', { status: 'waiting', limit: 200, owner }), undefined, { signal });
    waiting.value = new Map(items.map((/** @type {any} */ run) => [run.run_id, run]));
  } catch {
    // It is listed again with the next connection; the view that lists runs says what is wrong.
  }
}

/** @param {import('./feed.js').Change} change */
function hear(change) {
  if (change.type === 'list') return;
  const id = change.type === 'run' ? change.run.run_id : change.run_id;
  const known = waiting.peek().has(id);
  const run = change.type === 'run' && change.run.owner === user.peek()?.username ? change.run : null;
  const waits = run?.status === 'waiting';
  if (waits !== known) {
    const next = new Map(waiting.peek());
    if (waits) next.set(id, run);
    else next.delete(id);
    waiting.value = next;
  }
  if (run && waits && !known) notify(run, t('notify.waiting'));
  if (run && !isLive(run.status)) notify(run, t(`notify.${run.status}`));
}

/** @param {any} run @param {string} title */
function notify(run, title) {
  if (!notifies.peek() || !document.hidden) return;
  // Several hidden tabs give one notification: those of the same tag replace each other.
  const notification = new Notification(title, { body: run.title, tag: `${run.run_id} ${run.status}`, silent: run.status === 'completed' });
  notification.onclick = () => {
    window.focus();
    location.hash = `/runs/${run.run_id}`;
    notification.close();
  };
}

/** @param {boolean} marked */
const picture = (marked) => `data:image/svg+xml,${encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3355c8"/>`
  + `<path d="M11 9l11 7-11 7z" fill="#fff"/>${marked ? '<circle cx="25" cy="7" r="7" fill="#d97706"/>' : ''}</svg>`)}`;

effect(() => {
  const count = needed.value;
  document.title = [count > 0 ? `(${count})` : '', [pageTitle.value, t('app.name')].filter(Boolean).join(' · ')].filter(Boolean).join(' ');
  document.querySelector('link[rel=icon]')?.setAttribute('href', picture(count > 0));
});

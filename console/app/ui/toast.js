/** Short messages that disappear by themselves. */
import { html, signal } from '../html.js';
import { t } from '../i18n.js';
import { IconButton } from './button.js';
import { problemText } from './problem.js';

/** @type {import('../../vendor/vendor.js').Signal<{id: number, text: string, tone: string}[]>} */
const toasts = signal([]);
let lastId = 0;

/** @param {number} id */
const close = (id) => { toasts.value = toasts.value.filter((toast) => toast.id !== id); };

/** Shows a message. @param {string} text @param {'plain' | 'err'} [tone] */
export function toast(text, tone = 'plain') {
  const id = ++lastId;
  // Four at most.
  toasts.value = [...toasts.value.slice(-3), { id, text, tone }];
  setTimeout(() => close(id), tone === 'err' ? 10_000 : 4000);
}

/** Shows an error. @param {unknown} problem */
export const toastProblem = (problem) => toast(problemText(problem), 'err');

/** Renders the messages. Belongs in the page once. */
export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${toasts.value.map(({ id, text, tone }) => html`
    <div key=${id} class="toast toast-${tone}"><span>${text}</span><${IconButton} icon="close" label=${t('close')} onClick=${() => close(id)} /></div>`)}</div>`;
}

/** Short messages that go away by themselves. */
import { html, signal } from '../html.js';
import { t } from '../i18n.js';
import { IconButton } from './button.js';
import { wordsOf } from './misc.js';

/** @type {import('../../vendor/vendor.js').Signal<{id: number, text: string, tone: string}[]>} */
const shown = signal([]);
let last = 0;

/** @param {number} id */
const close = (id) => { shown.value = shown.value.filter((one) => one.id !== id); };

/** Says something that needs no answer. @param {string} text @param {'plain' | 'err'} [tone] */
export function toast(text, tone = 'plain') {
  const id = ++last;
  // Nobody reads five of them.
  shown.value = [...shown.value.slice(-3), { id, text, tone }];
  setTimeout(() => close(id), tone === 'err' ? 10_000 : 4000);
}

/** Says what went wrong. @param {unknown} problem */
export const toastProblem = (problem) => toast(wordsOf(problem), 'err');

/** Where they are shown; once in the page. */
export function Toasts() {
  return html`<div class="toasts" role="status" aria-live="polite">${shown.value.map(({ id, text, tone }) => html`
    <div key=${id} class="toast toast-${tone}"><span>${text}</span><${IconButton} icon="close" label=${t('close')} onClick=${() => close(id)} /></div>`)}</div>`;
}

// Small things that the parts of this view share.

import { duration, now } from '../../format.js';
import { html, useState } from '../../html.js';

/** Time that has passed since a moment; it goes on by itself. @param {{ since: string }} props */
export function Elapsed({ since }) {
  // Whole seconds: tenths that jump by ten look broken.
  const ms = Math.floor(Math.max(0, now.value - Date.parse(since)) / 1000) * 1000;
  return html`<span class="elapsed">${duration(ms)}</span>`;
}

/** Time until a moment. @param {{ until: string }} props */
export function Countdown({ until }) {
  const ms = Math.ceil(Math.max(0, Date.parse(until) - now.value) / 1000) * 1000;
  return html`<span class="elapsed" data-soon=${ms <= 30_000}>${duration(ms)}</span>`;
}

/** @type {WeakMap<object, Record<string, any>>} */
const kept = new WeakMap();

/** State of an item that outlives its row, which is taken out of the page when it is scrolled away.
 * @template T
 * @param {object} item
 * @param {string} name
 * @param {T} initial
 * @returns {[T, (value: T) => void]} */
export function useKept(item, name, initial) {
  const all = kept.get(item) ?? {};
  const [, redraw] = useState(0);
  const set = (/** @type {T} */ value) => {
    kept.set(item, { ...kept.get(item), [name]: value });
    redraw((turn) => turn + 1);
  };
  return [name in all ? all[name] : initial, set];
}

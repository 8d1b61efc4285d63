/** State of conversation items that survives the removal of their rows from the document. */
import { useState } from '../../html.js';

/** @type {WeakMap<object, Record<string, any>>} */
const states = new WeakMap();

/** Like `useState`, but keyed by the item: rows are unmounted when they are scrolled out of view.
 * @template T
 * @param {object} item
 * @param {string} name
 * @param {T} initial
 * @returns {[T, (value: T) => void]} */
export function useItemState(item, name, initial) {
  const state = states.get(item) ?? {};
  const [, redraw] = useState(0);
  const set = (/** @type {T} */ value) => {
    states.set(item, { ...states.get(item), [name]: value });
    redraw((count) => count + 1);
  };
  return [name in state ? state[name] : initial, set];
}

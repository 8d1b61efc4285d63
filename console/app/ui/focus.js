/** Keyboard focus, moved explicitly: the browser honors the `autofocus` attribute only once per page load. */
import { useLayoutEffect } from '../html.js';

/** Focuses an element when its component appears, if `isWanted`. @param {{current: HTMLElement | null}} ref @param {boolean} [isWanted] */
export function useInitialFocus(ref, isWanted = true) {
  useLayoutEffect(() => {
    if (isWanted) ref.current?.focus({ preventScroll: true });
  }, []);
}

/** Whether no element has the focus, as after the removal of the focused one. */
export const isFocusLost = () => document.activeElement === null || document.activeElement === document.body;

/** Focuses a region without a frame around it: the user did not move there, and keys such as the arrows shall work.
 * @param {string} selector */
export function focusRegion(selector) {
  const element = /** @type {HTMLElement | null} */ (document.querySelector(selector));
  if (!element) return;
  element.dataset.quiet = 'true';
  element.addEventListener('blur', () => { delete element.dataset.quiet; }, { once: true });
  element.focus({ preventScroll: true });
}

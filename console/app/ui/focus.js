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

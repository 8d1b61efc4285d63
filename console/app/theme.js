/** Light or dark theme. Follows the system unless the user chooses one. */
import { effect, signal } from './html.js';
import { readStorage, writeStorage } from './storage.js';

/** @typedef {'system' | 'light' | 'dark'} Theme */

/** @type {Theme[]} */
export const THEMES = ['system', 'light', 'dark'];

/** @type {import('../vendor/vendor.js').Signal<Theme>} */
export const theme = signal(THEMES.find((name) => name === readStorage('theme')) ?? 'system');

/** @param {Theme} chosen */
export function setTheme(chosen) {
  writeStorage('theme', chosen === 'system' ? null : chosen);
  theme.value = chosen;
}

effect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

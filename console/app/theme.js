/** Light or dark: as the system has it, unless somebody chose. */
import { effect, signal } from './html.js';
import { recall, remember } from './storage.js';

/** @typedef {'system' | 'light' | 'dark'} Theme */

/** @type {Theme[]} */
export const THEMES = ['system', 'light', 'dark'];

/** What was chosen. @type {import('../vendor/vendor.js').Signal<Theme>} */
export const theme = signal(THEMES.find((one) => one === recall('theme')) ?? 'system');

/** @param {Theme} chosen */
export function chooseTheme(chosen) {
  remember('theme', chosen === 'system' ? null : chosen);
  theme.value = chosen;
}

effect(() => {
  if (theme.value === 'system') delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme.value;
});

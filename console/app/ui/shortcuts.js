/** Keyboard shortcuts and the dialog that lists them. */
import { html, signal, useEffect } from '../html.js';
import { t } from '../i18n.js';
import { Dialog } from './dialog.js';
import { Kbd } from './badge.js';

/** @typedef {{key: string, label: string, shown?: string, run: (event: KeyboardEvent) => void, when?: () => boolean}} Shortcut */

/** The registered shortcuts, latest last. @type {import('../../vendor/vendor.js').Signal<Shortcut[][]>} */
const layers = signal([]);

const isHelpOpen = signal(false);

export const showShortcutHelp = () => { isHelpOpen.value = true; };

/**
 * Registers shortcuts while a component is mounted. `key` is a `KeyboardEvent.key`; keys with Ctrl, Alt or Meta are ignored.
 * @param {Shortcut[]} shortcuts @param {unknown[]} [inputs] as of `useEffect`
 */
export function useShortcuts(shortcuts, inputs = []) {
  useEffect(() => {
    layers.value = [...layers.peek(), shortcuts];
    return () => { layers.value = layers.peek().filter((layer) => layer !== shortcuts); };
  }, inputs);
}

/** The shortcuts that apply now, without those that move within a list. @returns {Shortcut[]} */
export const activeShortcuts = () => layers.peek().toReversed().flat().filter(({ key, when }) => !/^(?:j|k|Arrow|Enter)/.test(key) && (when?.() ?? true));

/** Whether the user is typing in a field. @param {EventTarget | null} target */
const isTextInput = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isTextInput(event.target)) return;
  // Dialogs handle their own keys.
  if (document.querySelector('dialog[open]')) return;
  for (const shortcut of layers.value.toReversed().flat()) {
    if (shortcut.key === event.key && (shortcut.when?.() ?? true)) {
      event.preventDefault();
      shortcut.run(event);
      return;
    }
  }
  if (event.key === '?') showShortcutHelp();
});

/** Renders the list of shortcuts while it is open. Belongs in the page once. */
export function ShortcutHelp() {
  if (!isHelpOpen.value) return null;
  const rows = new Map(layers.value.flat().map((shortcut) => [shortcut.label, shortcut.shown ?? shortcut.key]));
  return html`<${Dialog} title=${t('shortcuts.title')} onClose=${() => { isHelpOpen.value = false; }} class="dialog-small">
    <dl class="keys">${[...rows, [t('palette.title'), 'Ctrl K'], [t('shortcuts.help'), '?']].map(([label, key]) => html`<div><dt>${label}</dt><dd><${Kbd}>${key}<//></dd></div>`)}</dl>
  <//>`;
}

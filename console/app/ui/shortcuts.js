/** Keys that do something anywhere in a view, and a page that lists them. */
import { html, signal, useEffect } from '../html.js';
import { t } from '../i18n.js';
import { Dialog } from './dialog.js';
import { Kbd } from './misc.js';

/** @typedef {{key: string, label: string, shown?: string, run: (event: KeyboardEvent) => void, when?: () => boolean}} Shortcut */

/** What is in force, the latest last. @type {import('../../vendor/vendor.js').Signal<Shortcut[][]>} */
const layers = signal([]);

const helpShown = signal(false);

/** Shows the list of keys. */
export const showHelp = () => { helpShown.value = true; };

/**
 * Puts shortcuts in force while a component is shown. `key` is the browser's name of the key; keys with Ctrl, Alt or Meta are not ours.
 * @param {Shortcut[]} shortcuts @param {unknown[]} [inputs] as for an effect
 */
export function useShortcuts(shortcuts, inputs = []) {
  useEffect(() => {
    layers.value = [...layers.peek(), shortcuts];
    return () => { layers.value = layers.peek().filter((one) => one !== shortcuts); };
  }, inputs);
}

/** Whether somebody is writing. @param {EventTarget | null} target */
const isWriting = (target) => target instanceof HTMLElement && (target.isContentEditable || /^(INPUT|TEXTAREA|SELECT)$/.test(target.tagName));

addEventListener('keydown', (event) => {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isWriting(event.target)) return;
  // A dialog has its own keys.
  if (document.querySelector('dialog[open]')) return;
  for (const shortcut of layers.value.toReversed().flat()) {
    if (shortcut.key === event.key && (shortcut.when?.() ?? true)) {
      event.preventDefault();
      shortcut.run(event);
      return;
    }
  }
  if (event.key === '?') showHelp();
});

/** The list of the keys in force, when somebody asks for it; once in the page. */
export function ShortcutHelp() {
  if (!helpShown.value) return null;
  const rows = new Map(layers.value.flat().map((one) => [one.label, one.shown ?? one.key]));
  return html`<${Dialog} title=${t('keys.title')} onClose=${() => { helpShown.value = false; }} class="dialog-small">
    <dl class="keys">${[...rows, [t('keys.help'), '?']].map(([label, key]) => html`<div><dt>${label}</dt><dd><${Kbd}>${key}<//></dd></div>`)}</dl>
  <//>`;
}

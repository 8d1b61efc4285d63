/** The command palette: goes to views, runs and actions by typing (Ctrl+K). */
import { request, withQuery } from '../api.js';
import { html, signal, useEffect, useId, useRef, useState } from '../html.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';
import { navigate } from '../router.js';
import { Kbd } from '../ui/badge.js';
import { Dialog } from '../ui/dialog.js';
import { activeShortcuts } from '../ui/shortcuts.js';

/** @typedef {{ label: string, hint?: string, shown?: string, icon: import('../icons.js').IconName, run: () => void }} Entry */

const isOpen = signal(false);

/** The actions at the time of opening: the dialog suspends the shortcuts. @type {Entry[]} */
let actions = [];

/** How many runs are offered. */
const MAX_RUNS = 8;

addEventListener('keydown', (event) => {
  if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
  // Not on the sign-in page.
  if (!document.querySelector('.shell')) return;
  event.preventDefault();
  if (!document.querySelector('dialog[open]')) openPalette();
});

export function openPalette() {
  actions = activeShortcuts().map(({ label, shown, key, run }) => ({ label, shown: shown ?? key, icon: 'play', run: () => run(new KeyboardEvent('keydown')) }));
  isOpen.value = true;
}

/** Renders the palette while it is open. Belongs in the page once. @param {{ views: { path: string, label: string, icon: import('../icons.js').IconName }[] }} props */
export function Palette({ views }) {
  return isOpen.value ? html`<${PaletteDialog} views=${views} />` : null;
}

/** @param {Parameters<typeof Palette>[0]} props */
function PaletteDialog({ views }) {
  const id = useId();
  const [text, setText] = useState('');
  const [selected, setSelected] = useState(0);
  const runs = useRuns(text);
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const query = text.trim().toLowerCase();
  const close = () => { isOpen.value = false; };
  /** @type {Entry[]} */
  const all = [...views.map(({ path, label, icon }) => ({ label, icon, run: () => navigate(path) })), ...actions];
  const unique = all.filter(({ label }, index) => all.findIndex((other) => other.label === label) === index);
  const entries = [...unique.filter(({ label }) => label.toLowerCase().includes(query)), ...runs];
  const choose = (/** @type {Entry | undefined} */ entry) => {
    if (!entry) return;
    close();
    // After the dialog has returned the focus.
    setTimeout(entry.run);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
    if (by !== 0) setSelected((selected + by + entries.length) % Math.max(1, entries.length));
    if (event.key === 'Enter') choose(entries[selected]);
    if (by !== 0 || event.key === 'Enter') event.preventDefault();
  };
  useEffect(() => setSelected(0), [text]);
  useEffect(() => { list.current?.querySelector('[aria-selected=true]')?.scrollIntoView({ block: 'nearest' }); }, [selected]);
  return html`<${Dialog} title=${t('palette.title')} onClose=${close} class="palette">
    <input type="search" role="combobox" aria-expanded="true" aria-controls=${id} aria-activedescendant=${entries.length > 0 ? `${id}-${selected}` : undefined} aria-label=${t('palette.search')}
      placeholder=${t('palette.search')} value=${text} onInput=${(/** @type {any} */ event) => setText(event.target.value)} onKeyDown=${onKeyDown} />
    <ul class="options" role="listbox" id=${id} ref=${list} aria-label=${t('palette.title')}>${entries.map((entry, index) => html`
      <li key=${`${index} ${entry.label}`} role="option" id=${`${id}-${index}`} aria-selected=${index === selected ? 'true' : 'false'} onClick=${() => choose(entry)}>
        <${Icon} name=${entry.icon} /><span class="option-label">${entry.label}</span>${entry.hint && html`<span class="option-hint">${entry.hint}</span>`}${entry.shown && html`<${Kbd}>${entry.shown}<//>`}</li>`)}</ul>
    ${entries.length === 0 && html`<p class="hint">${t('palette.none')}</p>`}
  <//>`;
}

/** Runs that match, newest first. @param {string} text @returns {Entry[]} */
function useRuns(text) {
  const [runs, setRuns] = useState(/** @type {any[]} */ ([]));
  useEffect(() => {
    const abort = new AbortController();
    const timer = setTimeout(() => {
      request('GET', withQuery('/api/runs', { q: text.trim(), limit: MAX_RUNS }), undefined, { signal: abort.signal }).then(({ items }) => setRuns(items), () => {});
    }, text === '' ? 0 : 200);
    return () => { clearTimeout(timer); abort.abort(); };
  }, [text]);
  return runs.map((run) => ({ label: run.title || t('runs.untitled'), hint: t(`status.${run.status}`), icon: 'runs', run: () => navigate(`/runs/${run.run_id}`) }));
}

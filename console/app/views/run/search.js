/** Search within a thread, including rows that are not in the document. */
import { html, useEffect, useMemo, useRef, useState } from '../../html.js';
import { number } from '../../format.js';
import { t } from '../../i18n.js';
import { IconButton } from '../../ui/button.js';
import { useInitialFocus } from '../../ui/focus.js';
import { rowText } from './row_text.js';

/** How much is searched at once, in characters: the page stays responsive in between. */
const SLICE_CHARS = 2_000_000;

/** @typedef {import('./thread.js').ThreadRows} ThreadRows */

/** @param {{ rows: () => ThreadRows, onFound: (index: number | null) => void, onClose: () => void }} props */
export function Search({ rows, onFound, onClose }) {
  const [text, setText] = useState('');
  const [found, setFound] = useState(/** @type {number[]} */ ([]));
  const [at, setAt] = useState(0);
  const [isBusy, setBusy] = useState(false);
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  const query = useMemo(() => text.trim().toLowerCase(), [text]);
  useInitialFocus(field);
  useEffect(() => {
    const abort = new AbortController();
    setFound([]);
    setBusy(query !== '');
    if (query !== '') {
      void findRows(rows(), query, abort.signal).then((indexes) => {
        if (abort.signal.aborted) return;
        setFound(indexes);
        setBusy(false);
        // The latest is shown first: it is nearest to the end, where the reader usually is.
        setAt(indexes.length - 1);
      });
    }
    return () => abort.abort();
  }, [query]);
  useEffect(() => { onFound(found[at] ?? null); }, [found, at]);
  const step = (/** @type {1 | -1} */ by) => { if (found.length > 0) setAt((at + by + found.length) % found.length); };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter') step(event.shiftKey ? 1 : -1);
    if (event.key === 'Escape') onClose();
  };
  const count = query === '' || isBusy ? '' : found.length === 0 ? t('run.search_none') : t('run.search_count', { at: number(at + 1), total: number(found.length) });
  return html`<div class="thread-search" role="search">
    <input type="search" ref=${field} value=${text} aria-label=${t('run.search')} placeholder=${t('run.search')} onInput=${(/** @type {any} */ event) => setText(event.target.value)} onKeyDown=${onKeyDown} />
    <span class="faint" role="status">${count}</span>
    <${IconButton} icon="chevronUp" label=${t('run.search_previous')} disabled=${found.length === 0} onClick=${() => step(-1)} />
    <${IconButton} icon="chevronDown" label=${t('run.search_next')} disabled=${found.length === 0} onClick=${() => step(1)} />
    <${IconButton} icon="close" label=${t('close')} onClick=${onClose} />
  </div>`;
}

/** The indexes of the rows that contain a text. @param {ThreadRows} rows @param {string} query in lower case @param {AbortSignal} signal */
async function findRows(rows, query, signal) {
  const found = [];
  let chars = 0;
  for (let index = 0; index < rows.count && !signal.aborted; index++) {
    const text = rowText(rows.at(index).row);
    if (text.toLowerCase().includes(query)) found.push(index);
    chars += text.length;
    if (chars < SLICE_CHARS) continue;
    chars = 0;
    await new Promise((resolve) => { setTimeout(resolve, 0); });
  }
  return found;
}

/** A virtual list with rows of equal height: only the visible rows are in the document. */
import { html, useLayoutEffect, useRef, useState } from '../html.js';
import { isFocusLost } from './focus.js';

/** Extra rows rendered above and below the viewport. */
const OVERSCAN = 8;

/** Where lists were when they were last shown, by name: the scroll position, and the key of the last row that had the focus.
 * @type {Map<string, {top: number, row: string | null}>} */
const places = new Map();

/**
 * @template T
 * @param {{items: T[], rowHeight: number, keyOf: (item: T) => string, row: (item: T, index: number) => any, label: string,
 *   onEnd?: () => void, class?: string, total?: number, name?: string}} props a list with a `name` returns to its last place; `onEnd` is called, possibly repeatedly,
 *   when the end becomes visible; `total` is the full number of rows, if known
 */
export function VirtualList({ items, rowHeight, keyOf, row, label, onEnd, class: className = '', total, name }) {
  const place = useRef(name === undefined ? undefined : places.get(name));
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const latest = useRef(items);
  latest.current = items;
  const [view, setView] = useState({ top: place.current?.top ?? 0, height: 800 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    if (place.current) element.scrollTop = place.current.top;
    const remember = () => {
      if (name === undefined) return;
      const index = Number(document.activeElement?.closest('.virtual-row')?.getAttribute('data-index') ?? -1);
      const row = index >= 0 && element.contains(document.activeElement) ? keyOf(latest.current[index]) : places.get(name)?.row ?? null;
      places.set(name, { top: element.scrollTop, row });
    };
    const measure = () => setView((old) => {
      const next = { top: element.scrollTop, height: element.clientHeight };
      // Most scroll events do not change which rows are visible.
      const isSame = Math.floor(old.top / rowHeight) === Math.floor(next.top / rowHeight) && old.height === next.height;
      return isSame ? old : next;
    });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    const onScroll = () => { measure(); remember(); };
    element.addEventListener('scroll', onScroll, { passive: true });
    element.addEventListener('focusin', remember);
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', onScroll);
      element.removeEventListener('focusin', remember);
    };
  }, [rowHeight]);
  useLayoutEffect(() => {
    const row = place.current?.row;
    if (!row || !isFocusLost()) return;
    const index = items.findIndex((item) => keyOf(item) === row);
    /** @type {HTMLElement | null | undefined} */ (box.current?.querySelector(`.virtual-row[data-index="${index}"] :is(a, button)`))?.focus({ preventScroll: true });
  }, []);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - OVERSCAN);
  const end = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + OVERSCAN);
  useLayoutEffect(() => {
    if (end >= items.length - OVERSCAN) onEnd?.();
  }, [end, items.length]);
  return html`
    <div class="virtual ${className}" ref=${box} tabindex="-1">
      <div role="list" aria-label=${label} style=${{ height: `${items.length * rowHeight}px` }}>
        ${items.slice(first, end).map((item, offset) => html`
          <div role="listitem" key=${keyOf(item)} class="virtual-row" data-index=${first + offset} aria-posinset=${first + offset + 1} aria-setsize=${total ?? items.length}
            style=${{ transform: `translateY(${(first + offset) * rowHeight}px)`, height: `${rowHeight}px` }}>${row(item, first + offset)}</div>`)}
      </div>
    </div>`;
}

/**
 * Moves the focus to the first link of the next or previous row of the list in `root`, or of the first visible row.
 * @param {ParentNode} root @param {1 | -1} by
 */
export function moveFocus(root, by) {
  const box = /** @type {HTMLElement | null} */ (root.querySelector('.virtual'));
  if (!box) return;
  const rows = /** @type {HTMLElement[]} */ ([...box.querySelectorAll('.virtual-row')]);
  const index = rows.findIndex((row) => row.contains(document.activeElement));
  const firstVisible = rows.find((row) => row.getBoundingClientRect().top >= box.getBoundingClientRect().top - 1);
  const next = index < 0 ? firstVisible : rows[index + by];
  if (!next) return;
  next.scrollIntoView({ block: 'nearest' });
  /** @type {HTMLElement | null} */ (next.querySelector('a, button'))?.focus({ preventScroll: true });
}

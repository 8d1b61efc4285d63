/** A list of rows of one height, of which only those in sight are in the page: ten thousand cost no more than thirty. */
import { html, useLayoutEffect, useRef, useState } from '../html.js';

/** Rows beyond both edges of what is seen, so that a quick scroll does not show white. */
const BEYOND = 8;

/**
 * @template T
 * @param {{items: T[], rowHeight: number, keyOf: (item: T) => string, row: (item: T, index: number) => any, label: string,
 *   onEnd?: () => void, class?: string, total?: number}} props `onEnd` is called when the end comes into sight, perhaps several times;
 *   `total` is how many there are in all, where that is known. Arrow keys, `j` and `k` move the focus between the rows' first links.
 */
export function VirtualList({ items, rowHeight, keyOf, row, label, onEnd, class: more = '', total }) {
  const box = useRef(/** @type {HTMLDivElement | null} */ (null));
  const [view, setView] = useState({ top: 0, height: 800 });
  useLayoutEffect(() => {
    const element = box.current;
    if (!element) return undefined;
    const measure = () => setView((old) => {
      const next = { top: element.scrollTop, height: element.clientHeight };
      // The same rows, the same page: most scroll events change nothing.
      const same = Math.floor(old.top / rowHeight) === Math.floor(next.top / rowHeight) && old.height === next.height;
      return same ? old : next;
    });
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    element.addEventListener('scroll', measure, { passive: true });
    measure();
    return () => {
      observer.disconnect();
      element.removeEventListener('scroll', measure);
    };
  }, [rowHeight]);
  const first = Math.max(0, Math.floor(view.top / rowHeight) - BEYOND);
  const end = Math.min(items.length, Math.ceil((view.top + view.height) / rowHeight) + BEYOND);
  useLayoutEffect(() => {
    if (end >= items.length - BEYOND) onEnd?.();
  }, [end, items.length]);
  return html`
    <div class="virtual ${more}" ref=${box} tabindex="-1">
      <div role="list" aria-label=${label} style=${{ height: `${items.length * rowHeight}px` }}>
        ${items.slice(first, end).map((item, offset) => html`
          <div role="listitem" key=${keyOf(item)} class="virtual-row" data-index=${first + offset} aria-posinset=${first + offset + 1} aria-setsize=${total ?? items.length}
            style=${{ transform: `translateY(${(first + offset) * rowHeight}px)`, height: `${rowHeight}px` }}>${row(item, first + offset)}</div>`)}
      </div>
    </div>`;
}

/**
 * Moves the focus to the next or previous row of the list in `root`, or to the first one in sight.
 * @param {ParentNode} root @param {1 | -1} by
 */
export function moveFocus(root, by) {
  const box = /** @type {HTMLElement | null} */ (root.querySelector('.virtual'));
  if (!box) return;
  const rows = /** @type {HTMLElement[]} */ ([...box.querySelectorAll('.virtual-row')]);
  const at = rows.findIndex((one) => one.contains(document.activeElement));
  const inSight = rows.find((one) => one.getBoundingClientRect().top >= box.getBoundingClientRect().top - 1);
  const next = at < 0 ? inSight : rows[at + by];
  if (!next) return;
  next.scrollIntoView({ block: 'nearest' });
  /** @type {HTMLElement | null} */ (next.querySelector('a, button'))?.focus({ preventScroll: true });
}

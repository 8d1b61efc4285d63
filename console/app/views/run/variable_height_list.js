/**
 * A virtual list with rows of any height: only the visible rows are in the document. The visible content stays in place when rows above it
 * change their height, and a list that is scrolled to its end stays there as it grows.
 */
import { html, useLayoutEffect, useRef, useState } from '../../html.js';
import { RowHeights } from './row_heights.js';

/** Rows this far outside of the viewport are rendered, in pixels. */
const OVERSCAN = 600;
/** Within this distance of the end, the list follows its end, in pixels. */
const END_TOLERANCE = 24;

/** Maximum number of renders per frame for one change. */
const MAX_PASSES = 8;

/** `position` is the row at the top. @typedef {{ jumpTo: (index: number) => void, jumpToEnd: () => void, position: () => { index: number, isFollowing: boolean } }} ListHandle */

/** Scroll position and row heights, outside of the rendered tree. */
class Scroller {
  /** @param {number} estimate @param {boolean} isFollowing */
  constructor(estimate, isFollowing) {
    this.heights = new RowHeights(estimate);
    /** @type {HTMLElement | null} */
    this.viewport = null;
    this.isFollowing = isFollowing;
    this.first = 0;
    this.last = 0;
    this.lastTop = 0;
    /** The row to keep at the top until all rows above it are measured. @type {number | null} */
    this.target = null;
  }

  /** Computes the rows to render. Returns whether they have changed. */
  updateRange() {
    const { heights, viewport } = this;
    const top = this.isFollowing ? Math.max(0, heights.total - (viewport?.clientHeight ?? 800)) : viewport?.scrollTop ?? 0;
    const bottom = top + (viewport?.clientHeight ?? 800);
    const first = heights.indexAt(top - OVERSCAN);
    const last = heights.count ? heights.indexAt(bottom + OVERSCAN) : -1;
    const isChanged = first !== this.first || last !== this.last;
    [this.first, this.last] = [first, last];
    return isChanged;
  }

  /** Measures the rendered rows and corrects the scroll position. */
  measure() {
    const { viewport, heights } = this;
    const rows = viewport?.firstElementChild?.firstElementChild;
    if (!viewport || !rows || !(rows instanceof HTMLElement) || !viewport.clientHeight) return;
    const anchor = this.target ?? heights.indexAt(viewport.scrollTop);
    const oldOffset = heights.offset(anchor);
    for (const row of rows.children) {
      const index = Number(/** @type {HTMLElement} */ (row).dataset.index);
      if (index < heights.count) heights.set(index, row.getBoundingClientRect().height);
    }
    /** @type {HTMLElement} */ (rows.parentElement).style.height = `${heights.total}px`;
    rows.style.transform = `translateY(${heights.offset(this.first)}px)`;
    const shift = heights.offset(anchor) - oldOffset;
    if (this.isFollowing) this.scrollTo(heights.total);
    else if (this.target !== null) this.scrollTo(heights.offset(anchor));
    else if (shift) this.scrollTo(viewport.scrollTop + shift);
  }

  /** @param {number} top */
  scrollTo(top) {
    const { viewport } = this;
    if (!viewport) return;
    if (Math.abs(viewport.scrollTop - top) > 0.5) viewport.scrollTop = top;
    this.lastTop = viewport.scrollTop;
  }

  /** Handles a scroll event: scrolling up stops following, reaching the end starts it. */
  handleScroll() {
    const { viewport } = this;
    if (!viewport) return;
    const isAtEnd = viewport.scrollHeight - viewport.scrollTop - viewport.clientHeight < END_TOLERANCE;
    // A growing list never moves up, so a smaller offset means that the user has scrolled.
    if (viewport.scrollTop < this.lastTop - 1) this.isFollowing = isAtEnd;
    else if (isAtEnd) this.isFollowing = true;
    this.lastTop = viewport.scrollTop;
  }
}

/** @param {{ count: number, row: (index: number) => any, keyOf: (index: number) => string | number, estimate: number, label: string,
 *   follows?: boolean, handle?: { current: ListHandle | null }, onFollowing?: (isFollowing: boolean) => void, class?: string, marked?: number | null }} props `marked` is a row to highlight */
export function VariableHeightList(props) {
  const { count, row, keyOf, estimate, label, follows = false, handle, onFollowing } = props;
  const [scroller] = useState(() => new Scroller(estimate, follows));
  const [, redraw] = useState(0);
  const viewport = useRef(/** @type {HTMLElement | null} */ (null));
  const observer = useRef(/** @type {ResizeObserver | null} */ (null));
  const passes = useRef(0);
  // A render measures rows, and measuring may cause another render. This settles at once if the list's height is fixed. Otherwise further
  // renders wait for the next frame, so that the page does not freeze.
  const renderAgain = () => {
    const render = () => redraw((pass) => pass + 1);
    if (++passes.current < MAX_PASSES) return render();
    requestAnimationFrame(() => { passes.current = 0; render(); });
  };
  const notifyFollowing = (/** @type {boolean} */ before) => { if (before !== scroller.isFollowing) onFollowing?.(scroller.isFollowing); };

  scroller.heights.resize(count);
  scroller.updateRange();

  useLayoutEffect(() => {
    scroller.viewport = viewport.current;
    const onResize = () => { scroller.measure(); if (scroller.updateRange()) renderAgain(); };
    observer.current = new ResizeObserver(onResize);
    if (viewport.current) observer.current.observe(viewport.current);
    return () => observer.current?.disconnect();
  }, [scroller]);

  useLayoutEffect(() => {
    for (const element of viewport.current?.querySelectorAll(':scope > * > * > *') ?? []) observer.current?.observe(element);
    scroller.measure();
    if (scroller.updateRange()) renderAgain();
    else passes.current = 0;
  });

  if (handle) {
    handle.current = {
      position: () => ({ index: scroller.heights.indexAt(scroller.viewport?.scrollTop ?? 0), isFollowing: scroller.isFollowing }),
      jumpTo(index) {
        const before = scroller.isFollowing;
        scroller.isFollowing = false;
        scroller.target = index;
        scroller.scrollTo(scroller.heights.offset(index));
        scroller.updateRange();
        notifyFollowing(before);
        renderAgain();
      },
      jumpToEnd() {
        const before = scroller.isFollowing;
        scroller.isFollowing = true;
        scroller.target = null;
        scroller.updateRange();
        notifyFollowing(before);
        renderAgain();
      },
    };
  }

  const onScroll = () => {
    const before = scroller.isFollowing;
    scroller.handleScroll();
    notifyFollowing(before);
    if (scroller.updateRange()) renderAgain();
  };
  // User input cancels a jump.
  const clearTarget = () => { scroller.target = null; };
  const rows = [];
  for (let index = scroller.first; index <= scroller.last && index < count; index++) {
    rows.push(html`<div class="list-row" role="listitem" aria-posinset=${index + 1} aria-setsize=${count} data-index=${index} data-marked=${index === props.marked ? 'true' : undefined} key=${keyOf(index)}>
      ${row(index)}
    </div>`);
  }
  return html`<div class=${`list-viewport ${props.class ?? ''}`} ref=${viewport} tabindex="0" role="region" aria-label=${label}
      onScroll=${onScroll} onWheel=${clearTarget} onPointerDown=${clearTarget} onKeyDown=${clearTarget}>
    <div class="list-spacer" style=${{ height: `${scroller.heights.total}px` }}>
      <div class="list-rows" role="list" style=${{ transform: `translateY(${scroller.heights.offset(scroller.first)}px)` }}>${rows}</div>
    </div>
  </div>`;
}

// A list of very many rows of any height, of which only those in sight are in the page. What somebody looks at stays where it is when
// rows above it turn out higher or lower than thought; whoever is at the end stays at the end.

import { html, useLayoutEffect, useRef, useState } from '../../html.js';
import { Heights } from './row_heights.js';

/** How far beyond what is in sight rows are drawn, in pixels. */
const AHEAD = 600;
/** So near to the end counts as being there. */
const NEAR = 24;

/** How often one change may make the list be drawn within a frame. */
const MOST_PASSES = 8;

/** What somebody outside may ask of the list. @typedef {{ jumpTo: (index: number) => void, jumpToEnd: () => void }} ListHandle */

/** The list's state outside of what is drawn. */
class Scroller {
  /** @param {number} estimate @param {boolean} follows */
  constructor(estimate, follows) {
    this.heights = new Heights(estimate);
    /** @type {HTMLElement | null} */
    this.box = null;
    this.following = follows;
    this.first = 0;
    this.last = 0;
    this.lastTop = 0;
    /** The row that is to be on top, until all above it is measured. @type {number | null} */
    this.target = null;
  }

  /** Which rows are to be drawn. Gives whether these are others than before. */
  range() {
    const { heights, box } = this;
    const top = this.following ? Math.max(0, heights.total - (box?.clientHeight ?? 800)) : box?.scrollTop ?? 0;
    const bottom = top + (box?.clientHeight ?? 800);
    const first = heights.indexAt(top - AHEAD);
    const last = heights.count ? heights.indexAt(bottom + AHEAD) : -1;
    const isNew = first !== this.first || last !== this.last;
    [this.first, this.last] = [first, last];
    return isNew;
  }

  /** Measures the rows that are drawn, and puts right what that moves. */
  measure() {
    const { box, heights } = this;
    const rows = box?.firstElementChild?.firstElementChild;
    if (!box || !rows || !(rows instanceof HTMLElement) || !box.clientHeight) return;
    const anchor = this.target ?? heights.indexAt(box.scrollTop);
    const before = heights.offset(anchor);
    for (const row of rows.children) {
      const index = Number(/** @type {HTMLElement} */ (row).dataset.index);
      if (index < heights.count) heights.set(index, row.getBoundingClientRect().height);
    }
    /** @type {HTMLElement} */ (rows.parentElement).style.height = `${heights.total}px`;
    rows.style.transform = `translateY(${heights.offset(this.first)}px)`;
    const moved = heights.offset(anchor) - before;
    if (this.following) this.scrollTo(heights.total);
    else if (this.target !== null) this.scrollTo(heights.offset(anchor));
    else if (moved) this.scrollTo(box.scrollTop + moved);
  }

  /** @param {number} top */
  scrollTo(top) {
    const { box } = this;
    if (!box) return;
    if (Math.abs(box.scrollTop - top) > 0.5) box.scrollTop = top;
    this.lastTop = box.scrollTop;
  }

  /** Somebody, or this list itself, has scrolled. Gives whether it is followed now. */
  scrolled() {
    const { box } = this;
    if (!box) return;
    const isAtEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
    // Growth alone moves nothing up, so whoever is higher than before has scrolled.
    if (box.scrollTop < this.lastTop - 1) this.following = isAtEnd;
    else if (isAtEnd) this.following = true;
    this.lastTop = box.scrollTop;
  }
}

/** @param {{ count: number, row: (index: number) => any, keyOf: (index: number) => string | number, estimate: number, label: string,
 *   follows?: boolean, handle?: { current: ListHandle | null }, onFollowing?: (following: boolean) => void, class?: string }} props */
export function WindowList(props) {
  const { count, row, keyOf, estimate, label, follows = false, handle, onFollowing } = props;
  const [scroller] = useState(() => new Scroller(estimate, follows));
  const [, redraw] = useState(0);
  const box = useRef(/** @type {HTMLElement | null} */ (null));
  const observer = useRef(/** @type {ResizeObserver | null} */ (null));
  const passes = useRef(0);
  // Drawing measures, and measuring may draw again. That settles at once where the list has a height of its own; where it has none, each
  // further round is given to the next frame, so that nothing hangs.
  const again = () => {
    const draw = () => redraw((turn) => turn + 1);
    if (++passes.current < MOST_PASSES) return draw();
    requestAnimationFrame(() => { passes.current = 0; draw(); });
  };
  const tell = (/** @type {boolean} */ before) => { if (before !== scroller.following) onFollowing?.(scroller.following); };

  scroller.heights.resize(count);
  scroller.range();

  useLayoutEffect(() => {
    scroller.box = box.current;
    const settle = () => { scroller.measure(); if (scroller.range()) again(); };
    observer.current = new ResizeObserver(settle);
    if (box.current) observer.current.observe(box.current);
    return () => observer.current?.disconnect();
  }, [scroller]);

  useLayoutEffect(() => {
    for (const one of box.current?.querySelectorAll(':scope > * > * > *') ?? []) observer.current?.observe(one);
    scroller.measure();
    if (scroller.range()) again();
    else passes.current = 0;
  });

  if (handle) {
    handle.current = {
      jumpTo(index) {
        const before = scroller.following;
        scroller.following = false;
        scroller.target = index;
        scroller.scrollTo(scroller.heights.offset(index));
        scroller.range();
        tell(before);
        again();
      },
      jumpToEnd() {
        const before = scroller.following;
        scroller.following = true;
        scroller.target = null;
        scroller.range();
        tell(before);
        again();
      },
    };
  }

  const onScroll = () => {
    const before = scroller.following;
    scroller.scrolled();
    tell(before);
    if (scroller.range()) again();
  };
  // Whoever touches the list has arrived where they wanted to be.
  const onTouch = () => { scroller.target = null; };
  const rows = [];
  for (let index = scroller.first; index <= scroller.last && index < count; index++) {
    rows.push(html`<div class="window-row" role="listitem" aria-posinset=${index + 1} aria-setsize=${count} data-index=${index} key=${keyOf(index)}>
      ${row(index)}
    </div>`);
  }
  return html`<div class=${`window ${props.class ?? ''}`} ref=${box} tabindex="0" role="region" aria-label=${label}
      onScroll=${onScroll} onWheel=${onTouch} onPointerDown=${onTouch} onKeyDown=${onTouch}>
    <div class="window-all" style=${{ height: `${scroller.heights.total}px` }}>
      <div class="window-rows" role="list" style=${{ transform: `translateY(${scroller.heights.offset(scroller.first)}px)` }}>${rows}</div>
    </div>
  </div>`;
}

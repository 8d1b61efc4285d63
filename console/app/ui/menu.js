/** A button with a list of things to do. */
import { html, useId, useRef, useState } from '../html.js';
import { Icon } from '../icons.js';

/** @typedef {{label: string, icon?: import('../icons.js').IconName, onSelect?: () => void, href?: string, danger?: boolean, checked?: boolean} | null} MenuItem */

/**
 * The list is in the browser's top layer, so no scrolling part of the page cuts it off. Arrows move, Escape and a click elsewhere close.
 * @param {{label: string, items: MenuItem[], icon?: import('../icons.js').IconName, children?: any, class?: string}} props with `children`
 *   the button shows them, else the icon; `null` among the items is a line
 */
export function Menu({ label, items, icon = 'more', children, class: more = '' }) {
  const id = useId();
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [open, setOpen] = useState(false);
  const onToggle = (/** @type {ToggleEvent} */ event) => {
    setOpen(event.newState === 'open');
    if (event.newState !== 'open' || !list.current || !button.current) return;
    place(list.current, button.current.getBoundingClientRect());
    focusItem(list.current, 0);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const entries = itemsOf(list.current);
    const at = entries.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const moves = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: -1 };
    if (event.key in moves && list.current) {
      event.preventDefault();
      focusItem(list.current, moves[/** @type {keyof typeof moves} */ (event.key)]);
    } else if (event.key === 'Tab') {
      list.current?.hidePopover();
    }
    event.stopPropagation();
  };
  const select = (/** @type {NonNullable<MenuItem>} */ item) => {
    list.current?.hidePopover();
    button.current?.focus();
    item.onSelect?.();
  };
  return html`
    <button type="button" ref=${button} class="${children ? 'menu-button' : 'icon-button'} ${more}" popovertarget=${id} aria-haspopup="menu"
      aria-expanded=${open ? 'true' : 'false'} aria-label=${children ? undefined : label} title=${children ? undefined : label}>${children ?? html`<${Icon} name=${icon} />`}</button>
    <div id=${id} ref=${list} popover="auto" role="menu" aria-label=${label} class="menu" onToggle=${onToggle} onKeyDown=${onKeyDown}>
      ${open && items.map((item) => entry(item, select))}
    </div>`;
}

/** @param {MenuItem} item @param {(item: NonNullable<MenuItem>) => void} select */
function entry(item, select) {
  if (item === null) return html`<div role="separator"></div>`;
  const inside = html`<span class="menu-icon">${item.icon ? html`<${Icon} name=${item.icon} />` : item.checked && html`<${Icon} name="check" />`}</span>${item.label}`;
  const checked = item.checked === undefined ? {} : { 'aria-checked': String(item.checked) };
  const role = item.checked === undefined ? 'menuitem' : 'menuitemradio';
  return item.href === undefined
    ? html`<button type="button" role=${role} tabindex="-1" class=${item.danger ? 'danger' : ''} ...${checked} onClick=${() => select(item)}>${inside}</button>`
    : html`<a href=${item.href} role="menuitem" tabindex="-1" onClick=${() => select(item)}>${inside}</a>`;
}

/** @param {HTMLElement | null} list @returns {HTMLElement[]} */
const itemsOf = (list) => [...(list?.querySelectorAll('[role^=menuitem]') ?? [])].map((one) => /** @type {HTMLElement} */ (one));

/** @param {HTMLElement} list @param {number} index counted round */
function focusItem(list, index) {
  // The items are drawn when the state has changed, a moment after the list has opened.
  requestAnimationFrame(() => {
    const entries = itemsOf(list);
    entries.at(index % Math.max(1, entries.length))?.focus();
  });
}

/** Beneath the button, or above it where there is more room, and never out of the window. @param {HTMLElement} list @param {DOMRect} anchor */
function place(list, anchor) {
  requestAnimationFrame(() => {
    const { width, height } = list.getBoundingClientRect();
    const below = anchor.bottom + 4 + height <= innerHeight || anchor.top < innerHeight / 2;
    list.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - width - 8))}px`;
    list.style.top = `${below ? anchor.bottom + 4 : Math.max(8, anchor.top - 4 - height)}px`;
  });
}

/** A button with a popup menu. */
import { html, useId, useRef, useState } from '../html.js';
import { Icon } from '../icons.js';

/** @typedef {{label: string, icon?: import('../icons.js').IconName, onSelect?: () => void, href?: string, danger?: boolean, checked?: boolean} | null} MenuItem */

/**
 * The list is a popover, so scroll containers do not clip it. Arrow keys move; Escape and a click outside close.
 * @param {{label: string, items: MenuItem[], icon?: import('../icons.js').IconName, children?: any, class?: string}} props the
 *   button shows `children` or the icon; a `null` item is a separator
 */
export function Menu({ label, items, icon = 'more', children, class: className = '' }) {
  const id = useId();
  const button = useRef(/** @type {HTMLButtonElement | null} */ (null));
  const list = useRef(/** @type {HTMLElement | null} */ (null));
  const [open, setOpen] = useState(false);
  const onToggle = (/** @type {ToggleEvent} */ event) => {
    setOpen(event.newState === 'open');
    if (event.newState !== 'open' || !list.current || !button.current) return;
    position(list.current, button.current.getBoundingClientRect());
    focusItem(list.current, 0);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    const entries = menuItems(list.current);
    const index = entries.indexOf(/** @type {HTMLElement} */ (document.activeElement));
    const targets = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: -1 };
    if (event.key in targets && list.current) {
      event.preventDefault();
      focusItem(list.current, targets[/** @type {keyof typeof targets} */ (event.key)]);
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
    <button type="button" ref=${button} class="${children ? 'menu-button' : 'icon-button'} ${className}" popovertarget=${id} aria-haspopup="menu"
      aria-expanded=${open ? 'true' : 'false'} aria-label=${children ? undefined : label} title=${children ? undefined : label}>${children ?? html`<${Icon} name=${icon} />`}</button>
    <div id=${id} ref=${list} popover="auto" role="menu" aria-label=${label} class="menu" onToggle=${onToggle} onKeyDown=${onKeyDown}>
      ${open && items.map((item) => menuItem(item, select))}
    </div>`;
}

/** @param {MenuItem} item @param {(item: NonNullable<MenuItem>) => void} select */
function menuItem(item, select) {
  if (item === null) return html`<div role="separator"></div>`;
  const content = html`<span class="menu-icon">${item.icon ? html`<${Icon} name=${item.icon} />` : item.checked && html`<${Icon} name="check" />`}</span>${item.label}`;
  const checked = item.checked === undefined ? {} : { 'aria-checked': String(item.checked) };
  const role = item.checked === undefined ? 'menuitem' : 'menuitemradio';
  return item.href === undefined
    ? html`<button type="button" role=${role} tabindex="-1" class=${item.danger ? 'danger' : ''} ...${checked} onClick=${() => select(item)}>${content}</button>`
    : html`<a href=${item.href} role="menuitem" tabindex="-1" onClick=${() => select(item)}>${content}</a>`;
}

/** @param {HTMLElement | null} list @returns {HTMLElement[]} */
const menuItems = (list) => [...(list?.querySelectorAll('[role^=menuitem]') ?? [])].map((element) => /** @type {HTMLElement} */ (element));

/** @param {HTMLElement} list @param {number} index wraps around */
function focusItem(list, index) {
  // The items are rendered after the popover has opened.
  requestAnimationFrame(() => {
    const entries = menuItems(list);
    entries.at(index % Math.max(1, entries.length))?.focus();
  });
}

/** Places the list below the button, or above it if there is more room, within the window. @param {HTMLElement} list @param {DOMRect} anchor */
function position(list, anchor) {
  requestAnimationFrame(() => {
    const { width, height } = list.getBoundingClientRect();
    const below = anchor.bottom + 4 + height <= innerHeight || anchor.top < innerHeight / 2;
    list.style.left = `${Math.max(8, Math.min(anchor.left, innerWidth - width - 8))}px`;
    list.style.top = `${below ? anchor.bottom + 4 : Math.max(8, anchor.top - 4 - height)}px`;
  });
}

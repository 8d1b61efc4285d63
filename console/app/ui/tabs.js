/** A row of buttons of which one is selected. */
import { html } from '../html.js';
import { number } from '../format.js';

/**
 * @param {{label: string, tabs: {id: string, label: string, count?: number}[], current: string, onSelect: (id: string) => void}} props
 */
export function Tabs({ label, tabs, current, onSelect }) {
  return html`<div class="tabs" role="group" aria-label=${label}>${tabs.map(({ id, label: text, count }) => html`
    <button type="button" key=${id} aria-pressed=${id === current ? 'true' : 'false'} onClick=${() => onSelect(id)}>${text}${count ? html`<span class="count">${number(count)}</span>` : null}</button>`)}</div>`;
}

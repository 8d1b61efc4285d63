import { html } from '../html.js';

/** A loading indicator. @param {{label?: string}} props without a label it is hidden from screen readers */
export function Spinner({ label }) {
  return html`<span class="spinner" role=${label ? 'status' : undefined} aria-hidden=${label ? undefined : 'true'}>${label && html`<span class="visually-hidden">${label}</span>`}</span>`;
}

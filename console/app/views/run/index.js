/** The view of one run. */
import { html } from '../../html.js';

/** @param {{id: string}} props */
export function RunView({ id }) {
  return html`<p>${id}</p>`;
}

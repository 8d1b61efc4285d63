import { html } from '../html.js';

/** @param {{tone?: 'plain' | 'ok' | 'warn' | 'err' | 'info' | 'accent', title?: string, children?: any}} props */
export const Badge = ({ tone = 'plain', title, children }) => html`<span class="badge badge-${tone}" title=${title}>${children}</span>`;

/** A keyboard key. @param {{children?: any}} props */
export const Kbd = ({ children }) => html`<kbd>${children}</kbd>`;

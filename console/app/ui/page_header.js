/** The header of a view. */
import { html } from '../html.js';
import { Icon } from '../icons.js';
import { usePageTitle } from '../page_title.js';

/**
 * Also sets the document title.
 * @param {{title: string, children?: any, back?: {href: string, label: string}}} props
 */
export function PageHeader({ title, children, back }) {
  usePageTitle(title);
  return html`<header class="page-header">
    ${back && html`<a class="icon-button" href=${back.href} aria-label=${back.label} title=${back.label}><${Icon} name="back" /></a>`}
    <h1>${title}</h1><div class="page-actions">${children}</div></header>`;
}

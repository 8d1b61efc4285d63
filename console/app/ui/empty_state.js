import { html } from '../html.js';
import { Icon } from '../icons.js';

/** Shown in place of an empty list, with what to do about it. @param {{title: string, icon?: import('../icons.js').IconName, children?: any}} props */
export const EmptyState = ({ title, icon = 'runs', children }) => html`
  <div class="empty"><${Icon} name=${icon} size=${24} /><h2>${title}</h2>${children && html`<div>${children}</div>`}</div>`;

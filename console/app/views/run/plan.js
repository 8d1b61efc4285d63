/** The agent's plan. */
import { html } from '../../html.js';
import { t } from '../../i18n.js';
import { sanitize } from './sanitize.js';

/** @typedef {import('./run_model.js').PlanEntry} PlanEntry */

/** @param {{ entries: PlanEntry[] }} props */
export function PlanList({ entries }) {
  return html`<ol class="plan">
    ${entries.map(({ content, status }) => html`<li data-status=${status}>
      <span class="check" role="img" aria-label=${t(`run.plan.${status}`)} data-checked=${status === 'completed'}></span><span>${sanitize(content)}</span>
    </li>`)}
  </ol>`;
}

/** The number of completed entries, such as 2/5. @param {PlanEntry[]} entries */
export function planProgress(entries) {
  return `${entries.filter(({ status }) => status === 'completed').length}/${entries.length}`;
}

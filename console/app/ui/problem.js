/** Errors of the API as texts. */
import { ApiProblem } from '../api.js';
import { html } from '../html.js';
import { hasText, t } from '../i18n.js';
import { Icon } from '../icons.js';
import { Button } from './button.js';

/** An error message; nothing without a problem. @param {{problem: unknown, onRetry?: () => void}} props */
export function Problem({ problem, onRetry }) {
  if (!problem) return null;
  return html`<div class="problem" role="alert"><${Icon} name="warning" /><span>${problemText(problem)}</span>
    ${onRetry && html`<${Button} kind="quiet" onClick=${onRetry}>${t('retry')}<//>`}</div>`;
}

/** The text for an error: translated by its code, or the server's `detail` if the code is unknown. @param {unknown} problem @returns {string} */
export function problemText(problem) {
  if (!(problem instanceof ApiProblem)) return problem instanceof Error ? problem.message : String(problem);
  const text = translate(`problem.${problem.code}`, problem.detail);
  // For longer waits, `detail` contains the time of day.
  return problem.status === 429 && problem.retryAfter !== null && problem.retryAfter <= 120
    ? `${text} ${t('retry_after', { count: problem.retryAfter })}` : text;
}

/**
 * The text for a field of a form; null if the field is valid.
 * @param {unknown} problem @param {string[]} names the field's names in the API; errors of their elements, such as `labels.team`, are included
 * @returns {string | null}
 */
export function fieldErrorText(problem, ...names) {
  if (!(problem instanceof ApiProblem)) return null;
  const errors = problem.errors.filter(({ field }) => names.some((name) => isWithin(field, name)));
  if (errors.length === 0) return null;
  // A specific code of the whole response, such as `bad_working_dir`, says more than the code of its only error.
  if (problem.errors.length === 1 && hasText(`problem.${problem.code}`) && problem.code !== 'invalid_field') return translate(`problem.${problem.code}`, errors[0].detail);
  return errors.map(({ code, detail }) => translate(`field_error.${code}`, detail)).join(' ');
}

/** Whether a form has to show the problem as a whole: some error is at none of the form's fields. @param {unknown} problem @param {string[]} names */
export function hasOtherErrors(problem, names) {
  if (!problem) return false;
  if (!(problem instanceof ApiProblem) || problem.errors.length === 0) return true;
  return problem.errors.some(({ field }) => !names.some((name) => isWithin(field, name)));
}

/** @param {string} field @param {string} name */
const isWithin = (field, name) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`);

/** @param {string} key @param {string} detail */
const translate = (key, detail) => (hasText(key) ? t(key, { detail, origin: location.origin }) : detail);

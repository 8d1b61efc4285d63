/** Fields of a form: each has a label, and says beneath itself what is wrong with it. */
import { html, useId } from '../html.js';

/**
 * The frame of a field. `children` is a function that is given the attributes by which the control and its words belong together.
 * @param {{label: string, hint?: any, error?: string | null, optional?: string, children: (attributes: Record<string, any>) => any, class?: string}} props
 */
export function Field({ label, hint, error, optional, children, class: more = '' }) {
  const id = useId();
  const words = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return html`
    <div class="field ${error ? 'field-wrong' : ''} ${more}">
      <label for=${id}>${label}${optional && html` <span class="faint">${optional}</span>`}</label>
      ${children({ id, 'aria-describedby': words || undefined, 'aria-invalid': error ? 'true' : undefined })}
      ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
      ${error && html`<p class="error" id="${id}-error">${error}</p>`}
    </div>`;
}

/**
 * A line of text, or with `rows` several.
 * @param {{label: string, value: string, onInput: (value: string) => void, hint?: any, error?: string | null, optional?: string, rows?: number,
 *   class?: string, [rest: string]: any}} props
 */
export function TextField({ label, value, onInput, hint, error, optional, rows, class: more, ...rest }) {
  const heard = (/** @type {Event} */ event) => onInput(/** @type {HTMLInputElement} */ (event.currentTarget).value);
  return html`<${Field} label=${label} hint=${hint} error=${error} optional=${optional} class=${more}>${(/** @type {any} */ attributes) => (rows
    ? html`<textarea ...${attributes} ...${rest} rows=${rows} value=${value} onInput=${heard}></textarea>`
    : html`<input type="text" ...${attributes} ...${rest} value=${value} onInput=${heard} />`)}<//>`;
}

/**
 * One of several.
 * @param {{label: string, value: string, options: {value: string, label: string}[], onChange: (value: string) => void, hint?: any,
 *   error?: string | null, class?: string}} props
 */
export function Select({ label, value, options, onChange, hint, error, class: more }) {
  const heard = (/** @type {Event} */ event) => onChange(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
  return html`<${Field} label=${label} hint=${hint} error=${error} class=${more}>${(/** @type {any} */ attributes) => html`
    <select ...${attributes} value=${value} onChange=${heard}>${options.map((one) => html`<option value=${one.value} selected=${one.value === value}>${one.label}</option>`)}</select>`}<//>`;
}

/**
 * A line of text with suggestions, which nobody has to take.
 * @param {{label: string, value: string, suggestions: string[], onInput: (value: string) => void, hint?: any, error?: string | null,
 *   optional?: string, class?: string, [rest: string]: any}} props
 */
export function Combobox({ suggestions, ...rest }) {
  const id = useId();
  return html`<${TextField} ...${rest} list=${id} autocomplete="off" /><datalist id=${id}>${suggestions.map((one) => html`<option value=${one} />`)}</datalist>`;
}

/** Yes or no. @param {{label: any, checked: boolean, onChange: (checked: boolean) => void, hint?: any}} props */
export function Checkbox({ label, checked, onChange, hint }) {
  const heard = (/** @type {Event} */ event) => onChange(/** @type {HTMLInputElement} */ (event.currentTarget).checked);
  return html`<label class="checkbox"><input type="checkbox" checked=${checked} onChange=${heard} /><span>${label}${hint && html`<span class="hint">${hint}</span>`}</span></label>`;
}

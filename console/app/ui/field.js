/** Form fields with a label, a hint and an error message. */
import { html, useId, useRef } from '../html.js';
import { useInitialFocus } from './focus.js';

/**
 * The frame of a field. `children` is called with the attributes that link the control to its label and messages.
 * @param {{label: string, hint?: any, error?: string | null, optional?: string, children: (attributes: Record<string, any>) => any, class?: string}} props
 */
export function Field({ label, hint, error, optional, children, class: className = '' }) {
  const id = useId();
  const describedBy = [hint && `${id}-hint`, error && `${id}-error`].filter(Boolean).join(' ');
  return html`
    <div class="field ${error ? 'field-wrong' : ''} ${className}">
      <label for=${id}>${label}${optional && html` <span class="faint">${optional}</span>`}</label>
      ${children({ id, 'aria-describedby': describedBy || undefined, 'aria-invalid': error ? 'true' : undefined })}
      ${hint && html`<p class="hint" id="${id}-hint">${hint}</p>`}
      ${error && html`<p class="error" id="${id}-error">${error}</p>`}
    </div>`;
}

/**
 * A text input, or with `rows` a text area.
 * @param {{label: string, value: string, onInput: (value: string) => void, hint?: any, error?: string | null, optional?: string, rows?: number,
 *   hasFocus?: boolean, class?: string, [rest: string]: any}} props `hasFocus`: the field has the focus when it appears
 */
export function TextField({ label, value, onInput, hint, error, optional, rows, hasFocus = false, class: className, ...rest }) {
  const control = useRef(/** @type {any} */ (null));
  useInitialFocus(control, hasFocus);
  const handle = (/** @type {Event} */ event) => onInput(/** @type {HTMLInputElement} */ (event.currentTarget).value);
  return html`<${Field} label=${label} hint=${hint} error=${error} optional=${optional} class=${className}>${(/** @type {any} */ attributes) => (rows
    ? html`<textarea ref=${control} ...${attributes} ...${rest} rows=${rows} value=${value} onInput=${handle}></textarea>`
    : html`<input ref=${control} type="text" ...${attributes} ...${rest} value=${value} onInput=${handle} />`)}<//>`;
}

/**
 * A drop-down list.
 * @param {{label: string, value: string, options: {value: string, label: string}[], onChange: (value: string) => void, hint?: any,
 *   error?: string | null, class?: string}} props
 */
export function Select({ label, value, options, onChange, hint, error, class: className }) {
  const handle = (/** @type {Event} */ event) => onChange(/** @type {HTMLSelectElement} */ (event.currentTarget).value);
  return html`<${Field} label=${label} hint=${hint} error=${error} class=${className}>${(/** @type {any} */ attributes) => html`
    <select ...${attributes} value=${value} onChange=${handle}>${options.map((option) => html`<option value=${option.value} selected=${option.value === value}>${option.label}</option>`)}</select>`}<//>`;
}

/**
 * A text input with suggestions.
 * @param {{label: string, value: string, suggestions: string[], onInput: (value: string) => void, hint?: any, error?: string | null,
 *   optional?: string, class?: string, [rest: string]: any}} props
 */
export function Combobox({ suggestions, ...rest }) {
  const id = useId();
  return html`<${TextField} ...${rest} list=${id} autocomplete="off" /><datalist id=${id}>${suggestions.map((suggestion) => html`<option value=${suggestion} />`)}</datalist>`;
}

/** @param {{label: any, checked: boolean, onChange: (checked: boolean) => void, hint?: any}} props */
export function Checkbox({ label, checked, onChange, hint }) {
  const handle = (/** @type {Event} */ event) => onChange(/** @type {HTMLInputElement} */ (event.currentTarget).checked);
  return html`<label class="checkbox"><input type="checkbox" checked=${checked} onChange=${handle} /><span>${label}${hint && html`<span class="hint">${hint}</span>`}</span></label>`;
}

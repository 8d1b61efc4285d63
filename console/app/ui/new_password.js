/** Fields for a new password, which is typed twice. */
import { html, useState } from '../html.js';
import { t } from '../i18n.js';
import { TextField } from './field.js';

/**
 * `onChange` receives the password, or null while the two fields differ.
 * @param {{label: string, onChange: (password: string | null) => void, error?: string | null}} props
 */
export function NewPassword({ label, onChange, error }) {
  const [first, setFirst] = useState('');
  const [second, setSecond] = useState('');
  const change = (/** @type {string} */ one, /** @type {string} */ other) => {
    setFirst(one);
    setSecond(other);
    onChange(one === other ? one : null);
  };
  // Not while the second field is still being typed.
  const differs = second !== '' && !first.startsWith(second);
  return html`
    <${TextField} label=${label} type="password" autocomplete="new-password" value=${first} onInput=${(/** @type {string} */ value) => change(value, second)} required minlength="8" maxlength="1024"
      hint=${t('password.hint')} error=${error} />
    <${TextField} label=${t('password.repeat')} type="password" autocomplete="new-password" value=${second} onInput=${(/** @type {string} */ value) => change(first, value)} required maxlength="1024"
      error=${differs ? t('password.differs') : null} />`;
}

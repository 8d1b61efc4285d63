/** The dialog that changes the user's own password. */
import { request } from '../api.js';
import { saveCredentials } from '../auth.js';
import { html, useState } from '../html.js';
import { t } from '../i18n.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { TextField } from '../ui/field.js';
import { NewPassword } from '../ui/new_password.js';
import { Problem, fieldErrorText, hasOtherErrors } from '../ui/problem.js';
import { toast } from '../ui/toast.js';

const FIELDS = ['current_password', 'new_password'];

/** @param {{onClose: () => void}} props */
export function PasswordDialog({ onClose }) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState(/** @type {string | null} */ (null));
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (next === null) return;
    setBusy(true);
    try {
      // Revokes all tokens, including this one, and returns a new one.
      const { token, user } = await request('POST', '/api/auth/password', { current_password: current, new_password: next });
      saveCredentials(token, user);
      toast(t('password.done'));
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return html`<${Dialog} title=${t('password.title')} onClose=${onClose} class="dialog-small"><form class="form" onSubmit=${submit}>
    ${hasOtherErrors(problem, FIELDS) && html`<${Problem} problem=${problem} />`}
    <${TextField} label=${t('password.current')} type="password" autocomplete="current-password" value=${current} onInput=${setCurrent} required
      error=${fieldErrorText(problem, 'current_password')} />
    <${NewPassword} label=${t('password.new')} onChange=${setNext} error=${fieldErrorText(problem, 'new_password')} />
    <div class="form-actions"><${Button} kind="primary" type="submit" busy=${isBusy} disabled=${next === null}>${t('password.submit')}<//></div>
  </form><//>`;
}

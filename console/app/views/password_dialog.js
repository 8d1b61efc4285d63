/** A new password for oneself. */
import { ApiProblem, request } from '../api.js';
import { signedIn } from '../auth.js';
import { html, useState } from '../html.js';
import { t } from '../i18n.js';
import { Button } from '../ui/button.js';
import { Dialog } from '../ui/dialog.js';
import { TextField } from '../ui/field.js';
import { Problem, wordsOf } from '../ui/misc.js';
import { toast } from '../ui/toast.js';

/** @param {{onClose: () => void}} props */
export function PasswordDialog({ onClose }) {
  const [current, setCurrent] = useState('');
  const [next, setNext] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      // It ends every token, this one included, and gives a fresh one.
      const { token, user } = await request('POST', '/api/auth/password', { current_password: current, new_password: next });
      signedIn(token, user);
      toast(t('password.done'));
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const code = problem instanceof ApiProblem ? problem.code : null;
  const field = problem instanceof ApiProblem ? problem.field : null;
  const wrongCurrent = code === 'wrong_password';
  const wrongNext = field === 'new_password';
  return html`<${Dialog} title=${t('password.title')} onClose=${onClose} class="dialog-small"><form class="form" onSubmit=${submit}>
    ${!wrongCurrent && !wrongNext && html`<${Problem} problem=${problem} />`}
    <${TextField} label=${t('password.current')} type="password" autocomplete="current-password" value=${current} onInput=${setCurrent} required
      error=${wrongCurrent ? t('problem.wrong_password') : null} />
    <${TextField} label=${t('password.new')} type="password" autocomplete="new-password" value=${next} onInput=${setNext} required minlength="8" maxlength="1024"
      hint=${t('password.hint')} error=${wrongNext ? wordsOf(problem) : null} />
    <div class="form-actions"><${Button} kind="primary" type="submit" busy=${busy}>${t('password.submit')}<//></div>
  </form><//>`;
}

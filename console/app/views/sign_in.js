/** Signing in. */
import { request } from '../api.js';
import { endedBecause, signedIn } from '../auth.js';
import { pageTitle } from '../data/notifications.js';
import { html, useEffect, useState } from '../html.js';
import { LOCALES, chooseLocale, locale, t } from '../i18n.js';
import { Mark } from '../shell.js';
import { Button } from '../ui/button.js';
import { TextField } from '../ui/field.js';
import { Problem } from '../ui/misc.js';

/** A field for a name and one for a password; why the last session ended, if it was not by a sign-out. */
export function SignInView() {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [busy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  useEffect(() => { pageTitle.value = t('signin.title'); }, []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const { token, user } = await request('POST', '/api/auth/login', { username, password });
      signedIn(token, user);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return html`
    <main class="signin">
      <form class="signin-card" onSubmit=${submit}>
        <${Mark} size=${36} />
        <h1>${t('signin.heading')}</h1>
        ${endedBecause.value && !problem && html`<p class="muted" role="status">${t(endedBecause.value)}</p>`}
        <${Problem} problem=${problem} />
        <${TextField} label=${t('signin.username')} value=${username} onInput=${setUsername} autocomplete="username" autocapitalize="none"
          spellcheck=${false} required autofocus />
        <${TextField} label=${t('signin.password')} value=${password} onInput=${setPassword} type="password" autocomplete="current-password" required />
        <${Button} kind="primary" type="submit" busy=${busy}>${t('signin.submit')}<//>
        <div class="signin-languages">${Object.entries(LOCALES).map(([one, label]) => html`
          <button type="button" key=${one} lang=${one} aria-pressed=${locale.value === one ? 'true' : 'false'}
            onClick=${() => chooseLocale(/** @type {import('../i18n.js').Locale} */ (one))}>${label}</button>`)}</div>
      </form>
    </main>`;
}

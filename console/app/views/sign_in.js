/** The sign-in page. */
import { request } from '../api.js';
import { saveCredentials, signOutReason } from '../auth.js';
import { html, useEffect, useState } from '../html.js';
import { LOCALES, locale, setLocale, t } from '../i18n.js';
import { Logo } from '../icons.js';
import { usePageTitle } from '../page_title.js';
import { Button } from '../ui/button.js';
import { TextField } from '../ui/field.js';
import { Problem } from '../ui/problem.js';

export function SignInView() {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [defaultUser, setDefaultUser] = useState(/** @type {string | undefined} */ (undefined));
  usePageTitle(t('sign_in.title'));
  useEffect(() => {
    // Without an answer there is no hint; signing in reports what is wrong.
    request('GET', '/api/auth/login').then(({ default_users: names }) => setDefaultUser(names[0]), () => {});
  }, []);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      const { token, user } = await request('POST', '/api/auth/login', { username, password });
      saveCredentials(token, user);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  return html`
    <main class="signin">
      <form class="signin-card" onSubmit=${submit}>
        <${Logo} size=${36} />
        <h1>${t('sign_in.heading')}</h1>
        ${signOutReason.value && !problem && html`<p class="muted" role="status">${t(signOutReason.value)}</p>`}
        ${defaultUser && html`<p class="muted" role="note">${t('sign_in.first', { name: defaultUser })}</p>`}
        <${Problem} problem=${problem} />
        <${TextField} label=${t('sign_in.username')} value=${username} onInput=${setUsername} autocomplete="username" autocapitalize="none"
          spellcheck=${false} required hasFocus />
        <${TextField} label=${t('sign_in.password')} value=${password} onInput=${setPassword} type="password" autocomplete="current-password" required />
        <${Button} kind="primary" type="submit" busy=${isBusy}>${t('sign_in.submit')}<//>
        <div class="signin-languages">${Object.entries(LOCALES).map(([name, label]) => html`
          <button type="button" key=${name} lang=${name} aria-pressed=${locale.value === name ? 'true' : 'false'}
            onClick=${() => setLocale(/** @type {import('../i18n.js').Locale} */ (name))}>${label}</button>`)}</div>
      </form>
    </main>`;
}

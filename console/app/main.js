/** Entry point: renders the sign-in page or the view for the current route. */
import './theme.js';
import { request } from './api.js';
import { isAdmin, token, user } from './auth.js';
import { startFeed } from './data/feed.js';
import { startNotifications } from './data/notifications.js';
import { html, render, useEffect } from './html.js';
import { locale, t } from './i18n.js';
import { usePageTitle } from './page_title.js';
import { navigate, route } from './router.js';
import { Shell } from './shell.js';
import { EmptyState } from './ui/empty_state.js';
import { AuditView } from './views/admin/audit.js';
import { KeysView } from './views/admin/keys.js';
import { SettingsView } from './views/admin/settings.js';
import { UsersView } from './views/admin/users.js';
import { HealthView } from './views/health.js';
import { NewRunView } from './views/new_run.js';
import { ThreadView } from './views/run/index.js';
import { RunsView } from './views/runs.js';
import { SessionsView } from './views/sessions.js';
import { SignInView } from './views/sign_in.js';
import { UsageView } from './views/usage.js';

/** @param {import('./router.js').Route} route */
function viewForRoute({ path, parts: [first, second], query }) {
  switch (first) {
    case undefined: return null;
    case 'runs': return second ? html`<${ThreadView} key="thread" runId=${second} />` : html`<${RunsView} />`;
    case 'new': return html`<${NewRunView} sessionId=${query.get('session')} key=${query.get('session')} />`;
    case 'sessions': return second ? html`<${ThreadView} key="thread" sessionId=${second} />` : html`<${SessionsView} />`;
    case 'usage': return html`<${UsageView} />`;
    case 'health': return html`<${HealthView} />`;
    default:
  }
  if (path === '/admin/keys') return html`<${KeysView} />`;
  if (isAdmin()) {
    switch (path) {
      case '/admin/users': return html`<${UsersView} />`;
      case '/admin/audit': return html`<${AuditView} />`;
      case '/admin/settings': return html`<${SettingsView} />`;
      default:
    }
  }
  return html`<${NotFound} />`;
}

function NotFound() {
  usePageTitle(t('page_not_found'));
  return html`<${EmptyState} title=${t('page_not_found')} icon="question"><a href="#/runs">${t('nav.runs')}</a><//>`;
}

function App() {
  const isSignedIn = token.value !== null;
  useEffect(() => {
    if (!isSignedIn) return undefined;
    // The stored role may be out of date. An invalid token signs out by itself.
    request('GET', '/api/auth/me').then(({ username, role }) => { user.value = { username, role }; }, () => null);
    const stops = [startFeed(), startNotifications()];
    return () => stops.forEach((stop) => stop());
  }, [isSignedIn]);
  useEffect(() => {
    if (route.value.parts.length === 0) navigate('/runs', { replace: true });
  }, [route.value]);
  // Keyed by locale: components may keep translated texts in their state.
  return isSignedIn ? html`<${Shell} key=${locale.value}>${viewForRoute(route.value)}<//>` : html`<${SignInView} key=${locale.value} />`;
}

render(html`<${App} />`, /** @type {HTMLElement} */ (document.getElementById('app')));

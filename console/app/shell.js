/** What stands around every view: where one can go, who one is, and whether the server is there. */
import { request } from './api.js';
import { isAdmin, signedOut, user } from './auth.js';
import { canNotify, needed, notifies, pageTitle, wantNotifications } from './data/notifications.js';
import { feedState } from './data/feed.js';
import { useLoad } from './data/fetch.js';
import { html, useEffect, useState } from './html.js';
import { Icon } from './icons.js';
import { LOCALES, chooseLocale, locale, t } from './i18n.js';
import { number } from './format.js';
import { navigate, route } from './router.js';
import { THEMES, chooseTheme, theme } from './theme.js';
import { Button } from './ui/button.js';
import { Questions } from './ui/dialog.js';
import { Menu } from './ui/menu.js';
import { ShortcutHelp, showHelp, useShortcuts } from './ui/shortcuts.js';
import { Toasts, toast } from './ui/toast.js';
import { PasswordDialog } from './views/password_dialog.js';

/** @typedef {{path: string, icon: import('./icons.js').IconName, label: string, count?: number}} Place */

/** @returns {Place[]} */
const PLACES = () => [
  { path: '/runs', icon: 'runs', label: t('nav.runs'), count: needed.value },
  { path: '/sessions', icon: 'sessions', label: t('nav.sessions') },
  { path: '/usage', icon: 'usage', label: t('nav.usage') },
  { path: '/health', icon: 'health', label: t('nav.health') },
  { path: '/admin/keys', icon: 'key', label: t('nav.keys') },
];

/** @returns {Place[]} */
const FOR_ADMINS = () => [
  { path: '/admin/users', icon: 'users', label: t('nav.users') },
  { path: '/admin/audit', icon: 'audit', label: t('nav.audit') },
  { path: '/admin/settings', icon: 'settings', label: t('nav.settings') },
];

/** @param {{path: string}} place */
const isHere = ({ path }) => route.value.path === path || route.value.path.startsWith(`${path}/`);

/** @param {Place} place */
const link = (place) => html`
  <a key=${place.path} href="#${place.path}" class="nav-link" aria-current=${isHere(place) ? 'page' : undefined}>
    <${Icon} name=${place.icon} /><span>${place.label}</span>
    ${place.count ? html`<span class="count count-warn" title=${t('nav.needed', { count: place.count })}>${number(place.count)}<span class="unseen"> ${t('nav.needed', { count: place.count })}</span></span>` : null}
  </a>`;

/** @param {{children?: any}} props */
export function Shell({ children }) {
  const [password, setPassword] = useState(false);
  useShortcuts([
    { key: 'n', label: t('keys.new'), run: () => navigate('/new') },
  ], [locale.value]);
  return html`
    <a class="skip" href="#content" onClick=${skip}>${t('nav.skip')}</a>
    <div class="shell">
      <nav class="side" aria-label=${t('nav.label')}>
        <a class="brand" href="#/runs"><${Mark} /><span>${t('app.name')}</span></a>
        <${Button} kind="primary" icon="plus" href="#/new" class="side-new">${t('nav.new')}<//>
        ${PLACES().map(link)}
        ${isAdmin() && html`<h2 class="nav-heading">${t('nav.admin')}</h2>${FOR_ADMINS().map(link)}`}
        <div class="side-foot"><${Account} onPassword=${() => setPassword(true)} /></div>
      </nav>
      <main id="content" class="content" tabindex="-1">
        <${Banners} isChanging=${password} onPassword=${() => setPassword(true)} />
        ${children}
      </main>
      <${BottomBar} onPassword=${() => setPassword(true)} />
    </div>
    ${password && html`<${PasswordDialog} onClose=${() => setPassword(false)} />`}
    <${Questions} /><${ShortcutHelp} /><${Toasts} />`;
}

/** @param {Event} event */
function skip(event) {
  // The address is the router's.
  event.preventDefault();
  document.getElementById('content')?.focus();
}

/** The console's mark. @param {{size?: number}} props */
export const Mark = ({ size = 20 }) => html`<svg class="logo" width=${size} height=${size} viewBox="0 0 32 32" aria-hidden="true"><rect width="32" height="32" rx="8" /><path d="M11 9l11 7-11 7z" /></svg>`;

/** @param {() => void} onPassword @returns {import('./ui/menu.js').MenuItem[]} */
const accountItems = (onPassword) => [
  ...THEMES.map((one) => ({ label: t(`theme.${one}`), checked: theme.value === one, onSelect: () => chooseTheme(one) })),
  null,
  ...Object.entries(LOCALES).map(([one, label]) => ({ label, checked: locale.value === one, onSelect: () => chooseLocale(/** @type {import('./i18n.js').Locale} */ (one)) })),
  null,
  ...(canNotify() ? [{ label: notifies.value ? t('notify.off') : t('notify.on'), icon: /** @type {const} */ ('bell'), onSelect: switchNotifications }] : []),
  { label: t('keys.title'), icon: 'list', onSelect: showHelp },
  { label: t('password.title'), icon: 'key', onSelect: onPassword },
  { label: t('signout'), icon: 'signout', onSelect: signOut },
];

async function switchNotifications() {
  const wanted = !notifies.peek();
  const now = await wantNotifications(wanted);
  if (wanted) toast(t(now ? 'notify.is_on' : 'notify.refused'), now ? 'plain' : 'err');
}

/** Ends the token on the server, and forgets it here whatever the server says. */
async function signOut() {
  await request('POST', '/api/auth/logout').catch(() => null);
  signedOut();
}

/** @param {{onPassword: () => void}} props */
const Account = ({ onPassword }) => html`
  <${Menu} label=${t('account')} class="account" items=${accountItems(onPassword)}>
    <${Icon} name="user" /><span class="account-name">${user.value?.username}</span>
    <span class="faint">${t(`role.${user.value?.role ?? 'user'}`)}</span>
  <//>`;

/** On a phone, within reach of a thumb. @param {{onPassword: () => void}} props */
function BottomBar({ onPassword }) {
  const [runs, sessions, ...rest] = PLACES();
  const more = [...rest, ...(isAdmin() ? FOR_ADMINS() : [])].map(({ path, icon, label }) => ({ label, icon, href: `#${path}` }));
  return html`<nav class="bottom" aria-label=${t('nav.label')}>
    ${link(runs)}${link({ path: '/new', icon: 'plus', label: t('nav.new') })}${link(sessions)}
    <${Menu} label=${t('nav.more')} class="nav-link" items=${[...more, null, ...accountItems(onPassword)]}><${Icon} name="menu" /><span>${t('nav.more')}</span><//>
  </nav>`;
}

/** What everybody has to know before anything else. @param {{isChanging: boolean, onPassword: () => void}} props */
function Banners({ isChanging, onPassword }) {
  const name = user.value?.username;
  // Only admins can ask, and it is their password that matters most.
  const own = useLoad((signal) => (isAdmin() ? request('GET', `/api/users/${encodeURIComponent(name ?? '')}`, undefined, { signal }) : Promise.resolve(null)), [name, isChanging]);
  const lost = useLate(feedState.value === 'waiting');
  return html`
    <div role="status">${lost && html`<div class="banner banner-warn"><${Icon} name="warning" />${t('feed.lost')}</div>`}</div>
    ${own.data?.default_password && html`<div class="banner"><${Icon} name="shield" /><span>${t('password.is_default')}</span>
      <${Button} kind="quiet" onClick=${onPassword}>${t('password.title')}<//></div>`}`;
}

/** Whether something has been so for a while: a connection that is back at once needs no words. @param {boolean} isSo */
function useLate(isSo) {
  const [late, setLate] = useState(false);
  useEffect(() => {
    if (!isSo) return setLate(false);
    const timer = setTimeout(() => setLate(true), 1500);
    return () => clearTimeout(timer);
  }, [isSo]);
  return late;
}

/**
 * The head of a view, which also names the tab.
 * @param {{title: string, children?: any, back?: {href: string, label: string}}} props
 */
export function PageHeader({ title, children, back }) {
  useEffect(() => { pageTitle.value = title; }, [title]);
  return html`<header class="page-header">
    ${back && html`<a class="icon-button" href=${back.href} aria-label=${back.label} title=${back.label}><${Icon} name="back" /></a>`}
    <h1>${title}</h1><div class="page-actions">${children}</div></header>`;
}

/** The frame around every view: navigation, account menu, banners and dialogs. */
import { request } from './api.js';
import { clearCredentials, isAdmin, user } from './auth.js';
import { clearDrafts } from './data/drafts.js';
import { feedState } from './data/feed.js';
import { useFetch } from './data/fetch.js';
import { notificationsEnabled, notificationsSupported, setNotificationsEnabled, waitingCount } from './data/notifications.js';
import { html, useEffect, useState } from './html.js';
import { Icon, Logo } from './icons.js';
import { LOCALES, locale, setLocale, t } from './i18n.js';
import { number } from './format.js';
import { navigate, route } from './router.js';
import { THEMES, setTheme, theme } from './theme.js';
import { Button } from './ui/button.js';
import { isFocusLost } from './ui/focus.js';
import { ConfirmDialog } from './ui/dialog.js';
import { Menu } from './ui/menu.js';
import { ShortcutHelp, showShortcutHelp, useShortcuts } from './ui/shortcuts.js';
import { Toasts, toast } from './ui/toast.js';
import { Palette, openPalette } from './views/palette.js';
import { PasswordDialog } from './views/password_dialog.js';

/** @typedef {{path: string, icon: import('./icons.js').IconName, label: string, count?: number}} NavItem */

/** @returns {NavItem[]} */
const navItems = () => [
  { path: '/runs', icon: 'runs', label: t('nav.runs'), count: waitingCount.value },
  { path: '/sessions', icon: 'sessions', label: t('nav.sessions') },
  { path: '/usage', icon: 'usage', label: t('nav.usage') },
  { path: '/health', icon: 'health', label: t('nav.health') },
  { path: '/admin/keys', icon: 'key', label: t('nav.keys') },
];

/** @returns {NavItem[]} */
const adminNavItems = () => [
  { path: '/admin/users', icon: 'users', label: t('nav.users') },
  { path: '/admin/audit', icon: 'audit', label: t('nav.audit') },
  { path: '/admin/settings', icon: 'settings', label: t('nav.settings') },
];

/** @param {{path: string}} item */
const isCurrent = ({ path }) => route.value.path === path || route.value.path.startsWith(`${path}/`);

/** @param {NavItem} item */
const navLink = (item) => html`
  <a key=${item.path} href="#${item.path}" class="nav-link" aria-current=${isCurrent(item) ? 'page' : undefined}>
    <${Icon} name=${item.icon} /><span>${item.label}</span>
    ${item.count ? html`<span class="count count-warn" title=${t('nav.waiting', { count: item.count })}>${number(item.count)}<span class="visually-hidden"> ${t('nav.waiting', { count: item.count })}</span></span>` : null}
  </a>`;

/** @param {{children?: any}} props */
export function Shell({ children }) {
  const [isChangingPassword, setChangingPassword] = useState(false);
  const changePassword = () => setChangingPassword(true);
  // A view that was opened by keyboard has replaced the focused element. Views with a better place for the focus have set it by now.
  useEffect(() => {
    if (isFocusLost()) document.getElementById('content')?.focus({ preventScroll: true });
  }, [route.value]);
  useShortcuts([
    { key: 'n', label: t('shortcuts.new_run'), run: () => navigate('/new') },
  ], [locale.value]);
  return html`
    <a class="skip" href="#content" onClick=${skipToContent}>${t('nav.skip')}</a>
    <div class="shell">
      <nav class="side" aria-label=${t('nav.label')}>
        <a class="brand" href="#/runs"><${Logo} /><span>${t('app.name')}</span></a>
        <${Button} kind="primary" icon="plus" href="#/new" class="side-new">${t('nav.new_run')}<//>
        ${navItems().map(navLink)}
        ${isAdmin() && html`<h2 class="nav-heading">${t('nav.admin')}</h2>${adminNavItems().map(navLink)}`}
        <div class="side-foot"><${AccountMenu} onPassword=${changePassword} /></div>
      </nav>
      <main id="content" class="content" tabindex="-1">
        <${Banners} isChangingPassword=${isChangingPassword} onPassword=${changePassword} />
        ${children}
      </main>
      <${BottomBar} onPassword=${changePassword} />
    </div>
    ${isChangingPassword && html`<${PasswordDialog} onClose=${() => setChangingPassword(false)} />`}
    <${Palette} views=${[{ path: '/new', icon: 'plus', label: t('nav.new_run') }, ...navItems(), ...(isAdmin() ? adminNavItems() : [])]} /><${ConfirmDialog} /><${ShortcutHelp} /><${Toasts} />`;
}

/** @param {Event} event */
function skipToContent(event) {
  // The hash belongs to the router.
  event.preventDefault();
  document.getElementById('content')?.focus();
}

/** @param {() => void} onPassword @returns {import('./ui/menu.js').MenuItem[]} */
const accountMenuItems = (onPassword) => [
  ...THEMES.map((name) => ({ label: t(`theme.${name}`), checked: theme.value === name, onSelect: () => setTheme(name) })),
  null,
  ...Object.entries(LOCALES).map(([name, label]) => ({ label, checked: locale.value === name, onSelect: () => setLocale(/** @type {import('./i18n.js').Locale} */ (name)) })),
  null,
  ...(notificationsSupported() ? [{ label: notificationsEnabled.value ? t('notify.off') : t('notify.on'), icon: /** @type {const} */ ('bell'), onSelect: toggleNotifications }] : []),
  { label: t('palette.title'), icon: 'search', onSelect: openPalette },
  { label: t('shortcuts.title'), icon: 'list', onSelect: showShortcutHelp },
  { label: t('password.title'), icon: 'key', onSelect: onPassword },
  { label: t('sign_out'), icon: 'signout', onSelect: signOut },
];

async function toggleNotifications() {
  const requested = !notificationsEnabled.peek();
  const enabled = await setNotificationsEnabled(requested);
  if (requested) toast(t(enabled ? 'notify.is_on' : 'notify.refused'), enabled ? 'plain' : 'err');
}

/** Revokes the token, and signs out here even if that fails. */
async function signOut() {
  await request('POST', '/api/auth/logout').catch(() => null);
  clearDrafts();
  clearCredentials();
}

/** @param {{onPassword: () => void}} props */
const AccountMenu = ({ onPassword }) => html`
  <${Menu} label=${t('account')} class="account" items=${accountMenuItems(onPassword)}>
    <${Icon} name="user" /><span class="account-name">${user.value?.username}</span>
    <span class="faint">${t(`role.${user.value?.role ?? 'user'}`)}</span>
  <//>`;

/** Navigation on phones. @param {{onPassword: () => void}} props */
function BottomBar({ onPassword }) {
  const [runs, sessions, ...rest] = navItems();
  const more = [...rest, ...(isAdmin() ? adminNavItems() : [])].map(({ path, icon, label }) => ({ label, icon, href: `#${path}` }));
  return html`<nav class="bottom" aria-label=${t('nav.label')}>
    ${navLink(runs)}${navLink({ path: '/new', icon: 'plus', label: t('nav.new_run') })}${navLink(sessions)}
    <${Menu} label=${t('nav.more')} class="nav-link" items=${[...more, null, ...accountMenuItems(onPassword)]}><${Icon} name="menu" /><span>${t('nav.more')}</span><//>
  </nav>`;
}

/** Warnings shown above every view. @param {{isChangingPassword: boolean, onPassword: () => void}} props */
function Banners({ isChangingPassword, onPassword }) {
  const name = user.value?.username;
  // Only admins can read user records; their default password is also the most dangerous one.
  const self = useFetch((signal) => (isAdmin() ? request('GET', `/api/users/${encodeURIComponent(name ?? '')}`, undefined, { signal }) : Promise.resolve(null)), [name, isChangingPassword]);
  const isLost = useDelayed(feedState.value === 'reconnecting');
  return html`
    <div role="status">${isLost && html`<div class="banner banner-warn"><${Icon} name="warning" />${t('connection.lost')}</div>`}</div>
    ${self.data?.default_password && html`<div class="banner"><${Icon} name="shield" /><span>${t('password.is_default')} <span class="wide-only">${t('password.is_default_more')}</span></span>
      <${Button} kind="quiet" onClick=${onPassword}>${t('password.title')}<//></div>`}`;
}

/** True once `condition` has been true for 1.5 s: short interruptions show no banner. @param {boolean} condition */
function useDelayed(condition) {
  const [isDelayed, setDelayed] = useState(false);
  useEffect(() => {
    if (!condition) return setDelayed(false);
    const timer = setTimeout(() => setDelayed(true), 1500);
    return () => clearTimeout(timer);
  }, [condition]);
  return isDelayed;
}

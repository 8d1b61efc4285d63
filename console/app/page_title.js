/** The document title and favicon, with the number of runs that need input. */
import { waitingCount } from './data/notifications.js';
import { effect, signal, useEffect } from './html.js';
import { t } from './i18n.js';

/** The title of the current view, without the count. @type {import('../vendor/vendor.js').Signal<string>} */
const pageTitle = signal('');

/** Sets the title while a view is shown. @param {string} title */
export function usePageTitle(title) {
  useEffect(() => { pageTitle.value = title; }, [title]);
}

/** @param {boolean} hasBadge */
const favicon = (hasBadge) => `data:image/svg+xml,${encodeURIComponent(
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#3355c8"/>`
  + `<path d="M11 9l11 7-11 7z" fill="#fff"/>${hasBadge ? '<circle cx="25" cy="7" r="7" fill="#d97706"/>' : ''}</svg>`)}`;

effect(() => {
  const count = waitingCount.value;
  document.title = [count > 0 ? `(${count})` : '', [pageTitle.value, t('app.name')].filter(Boolean).join(' · ')].filter(Boolean).join(' ');
  document.querySelector('link[rel=icon]')?.setAttribute('href', favicon(count > 0));
});

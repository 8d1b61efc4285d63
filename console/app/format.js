/** Numbers, dates and durations in the user's locale. */
import { signal } from './html.js';
import { languageTag, t } from './i18n.js';

/** The current time in milliseconds. Updated every second while the page is visible. */
export const now = signal(Date.now());

/** @type {ReturnType<typeof setInterval> | undefined} */
let timer;
function updateClock() {
  clearInterval(timer);
  if (document.hidden) return;
  now.value = Date.now();
  timer = setInterval(() => { now.value = Date.now(); }, 1000);
}
document.addEventListener('visibilitychange', updateClock);
updateClock();

/** @type {Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>} */
const formatters = new Map();

/** A cached formatter: creating one is slow, and lists need thousands. @template T @param {string} name @param {(tag: string) => T} create @returns {T} */
function formatter(name, create) {
  const key = `${languageTag()} ${name}`;
  let cached = formatters.get(key);
  if (cached === undefined) formatters.set(key, cached = /** @type {any} */ (create(languageTag())));
  return /** @type {any} */ (cached);
}

/** An integer. @param {number} value */
export const number = (value) => formatter('number', (tag) => new Intl.NumberFormat(tag)).format(value);

/** A number in compact notation, such as 12.3K. @param {number} value */
export const compact = (value) =>
  formatter('compact', (tag) => new Intl.NumberFormat(tag, { notation: 'compact', maximumFractionDigits: 1 })).format(value);

/** A size in bytes, in a binary unit. @param {number} value */
export function bytes(value) {
  const exponent = Math.min(4, Math.max(0, Math.floor(Math.log2(Math.max(1, value)) / 10)));
  const text = formatter('tenths', (tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: 1 })).format(value / 1024 ** exponent);
  return `${text} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][exponent]}`;
}

/** US dollars; four decimals for amounts below one cent. @param {number} value */
export function money(value) {
  const digits = value !== 0 && Math.abs(value) < 0.01 ? 4 : 2;
  return formatter(`money${digits}`, (tag) => new Intl.NumberFormat(tag, {
    style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', minimumFractionDigits: 2, maximumFractionDigits: digits,
  })).format(value);
}

/** A duration in at most two units: 0.4 s, 12 s, 3 min 5 s, 2 h 4 min. @param {number} ms in milliseconds */
export function duration(ms) {
  const seconds = Math.max(0, ms) / 1000;
  if (seconds < 10) return t('time.s', { n: formatter('tenths', (tag) => new Intl.NumberFormat(tag, { maximumFractionDigits: 1 })).format(seconds) });
  const whole = Math.floor(seconds);
  if (whole < 60) return t('time.s', { n: whole });
  const pairs = whole < 3600 ? [['time.min', Math.floor(whole / 60)], ['time.s', whole % 60]]
    : whole < 86400 ? [['time.h', Math.floor(whole / 3600)], ['time.min', Math.floor(whole / 60) % 60]]
      : [['time.d', Math.floor(whole / 86400)], ['time.h', Math.floor(whole / 3600) % 24]];
  return pairs.filter(([, count], index) => index === 0 || count !== 0).map(([unit, count]) => t(String(unit), { n: count })).join(' ');
}

/** A time relative to now, in one unit. @param {string | number} time RFC 3339 or milliseconds @param {number} [at] in milliseconds */
export function relativeTime(time, at = now.value) {
  const seconds = Math.round((new Date(time).getTime() - at) / 1000);
  const units = /** @type {const} */ ([['day', 86400], ['hour', 3600], ['minute', 60]]);
  const relative = formatter('relative', (tag) => new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'narrow' }));
  if (Math.abs(seconds) < 60) return t('time.now');
  if (Math.abs(seconds) > 30 * 86400) return date(time);
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return t('time.now');
}

/** @param {string | number} time */
export const date = (time) => formatter('date', (tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'medium' })).format(new Date(time));

/** A day on a chart's axis. @param {string | number} time midnight, UTC */
export const shortDay = (time) =>
  formatter('day', (tag) => new Intl.DateTimeFormat(tag, { month: 'short', day: 'numeric', timeZone: 'UTC' })).format(new Date(time));

/** Date and time, to the second. @param {string | number} time */
export const dateTime = (time) =>
  formatter('dateTime', (tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'medium' })).format(new Date(time));

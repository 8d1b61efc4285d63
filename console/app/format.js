/** Numbers and times as people of the chosen language write them. */
import { signal } from './html.js';
import { languageTag, t } from './i18n.js';

/** The time now in milliseconds, once a second while the page is seen. What ticks reads it. */
export const now = signal(Date.now());

/** @type {ReturnType<typeof setInterval> | undefined} */
let ticking;
function tick() {
  clearInterval(ticking);
  if (document.hidden) return;
  now.value = Date.now();
  ticking = setInterval(() => { now.value = Date.now(); }, 1000);
}
document.addEventListener('visibilitychange', tick);
tick();

/** @type {Map<string, Intl.NumberFormat | Intl.DateTimeFormat | Intl.RelativeTimeFormat>} */
const made = new Map();

/** Formatters are dear to make, and a list asks for thousands. @template T @param {string} name @param {(tag: string) => T} make @returns {T} */
function formatter(name, make) {
  const key = `${languageTag()} ${name}`;
  let found = made.get(key);
  if (found === undefined) made.set(key, found = /** @type {any} */ (make(languageTag())));
  return /** @type {any} */ (found);
}

/** A whole number. @param {number} value */
export const number = (value) => formatter('number', (tag) => new Intl.NumberFormat(tag)).format(value);

/** A number in few signs, such as 12.3K. @param {number} value */
export const compact = (value) =>
  formatter('compact', (tag) => new Intl.NumberFormat(tag, { notation: 'compact', maximumFractionDigits: 1 })).format(value);

/** Dollars, with as many places as a small sum needs. @param {number} value */
export function money(value) {
  const digits = value !== 0 && Math.abs(value) < 0.01 ? 4 : 2;
  return formatter(`money${digits}`, (tag) => new Intl.NumberFormat(tag, {
    style: 'currency', currency: 'USD', currencyDisplay: 'narrowSymbol', minimumFractionDigits: 2, maximumFractionDigits: digits,
  })).format(value);
}

/** A size. @param {number} value in bytes */
export function bytes(value) {
  const units = ['B', 'KiB', 'MiB', 'GiB'];
  const power = Math.min(units.length - 1, Math.floor(Math.log2(Math.max(1, value)) / 10));
  return `${number(Math.round(value / 1024 ** power * 10) / 10)} ${units[power]}`;
}

/** A span in two units at most: 0.4 s, 12 s, 3 min 5 s, 2 h 4 min. @param {number} ms in milliseconds */
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

/** How long ago, in one unit. @param {string | number} time RFC 3339 or milliseconds @param {number} [at] in milliseconds */
export function ago(time, at = now.value) {
  const seconds = Math.round((new Date(time).getTime() - at) / 1000);
  const units = /** @type {const} */ ([['day', 86400], ['hour', 3600], ['minute', 60]]);
  const relative = formatter('ago', (tag) => new Intl.RelativeTimeFormat(tag, { numeric: 'auto', style: 'narrow' }));
  if (Math.abs(seconds) < 60) return t('time.now');
  if (Math.abs(seconds) > 30 * 86400) return date(time);
  for (const [unit, size] of units) {
    if (Math.abs(seconds) >= size) return relative.format(Math.trunc(seconds / size), unit);
  }
  return t('time.now');
}

/** A day. @param {string | number} time */
export const date = (time) => formatter('date', (tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'medium' })).format(new Date(time));

/** A day of a chart. @param {string | number} time midnight, UTC */
export const shortDay = (time) =>
  formatter('day', (tag) => new Intl.DateTimeFormat(tag, { month: 'short', day: 'numeric', timeZone: 'UTC' })).format(new Date(time));

/** Day and time, to the second. @param {string | number} time */
export const moment = (time) =>
  formatter('moment', (tag) => new Intl.DateTimeFormat(tag, { dateStyle: 'medium', timeStyle: 'medium' })).format(new Date(time));

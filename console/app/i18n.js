/**
 * Texts in the reader's language. A text is looked up by its key; `{name}` in it is replaced by the parameter of that name, and with a
 * parameter `count` the key's form for that number is taken: `runs.count.one`, `runs.count.other`.
 */
import { effect, signal } from './html.js';
import { recall, remember } from './storage.js';
import en from './i18n/en.js';
import zh from './i18n/zh.js';
import runEn from './i18n/run.en.js';
import runZh from './i18n/run.zh.js';

/** @typedef {'en' | 'zh'} Locale */

/** @type {Record<Locale, Record<string, string>>} */
const TEXTS = { en: { ...en, ...runEn }, zh: { ...zh, ...runZh } };

/** What a browser calls them. */
const TAGS = { en: 'en', zh: 'zh-CN' };

/** The languages that there are, by their own names. */
export const LOCALES = { en: 'English', zh: '中文' };

/** The first of the browser's languages that we have. @returns {Locale} */
function preferred() {
  const wanted = [recall('locale'), ...navigator.languages].filter((tag) => typeof tag === 'string');
  for (const tag of wanted) {
    if (tag.toLowerCase().startsWith('zh')) return 'zh';
    if (tag.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

/** The language in use. @type {import('../vendor/vendor.js').Signal<Locale>} */
export const locale = signal(preferred());

/** The language in use as a tag for `Intl` and `lang`. */
export const languageTag = () => TAGS[locale.value];

effect(() => {
  document.documentElement.lang = languageTag();
});

/** @param {Locale} chosen */
export function chooseLocale(chosen) {
  remember('locale', chosen);
  locale.value = chosen;
}

/**
 * The text for a key. A key that is missing is shown as it is: a test finds it.
 * @param {string} key @param {Record<string, string | number>} [params] @returns {string}
 */
export function t(key, params = {}) {
  const texts = TEXTS[locale.value];
  const form = typeof params.count === 'number' ? `${key}.${new Intl.PluralRules(languageTag()).select(params.count)}` : key;
  const text = texts[form] ?? texts[`${key}.other`] ?? texts[key] ?? key;
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in params ? localized(params[name]) : whole));
}

/** Whether there is a text for a key. @param {string} key */
export const has = (key) => key in TEXTS[locale.value];

/** @param {string | number} value */
const localized = (value) => (typeof value === 'number' ? new Intl.NumberFormat(languageTag()).format(value) : value);

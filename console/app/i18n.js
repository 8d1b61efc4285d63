/**
 * Texts in the user's language. `{name}` in a text is replaced by the parameter of that name. The parameter `count` selects the plural form.
 */
import { effect, signal } from './html.js';
import { readStorage, writeStorage } from './storage.js';
import en from './i18n/en.js';
import zh from './i18n/zh.js';

/** @typedef {'en' | 'zh'} Locale */
/** A text, or one form per plural category. @typedef {string | Partial<Record<Intl.LDMLPluralRule, string>>} Text */
/** @typedef {Record<string, Text>} Texts */

/** @type {Record<Locale, Texts>} */
const TEXTS = { en, zh };

/** BCP 47 tags. */
export const LANGUAGE_TAGS = { en: 'en', zh: 'zh-CN' };

/** Supported languages, each named in itself. */
export const LOCALES = { en: 'English', zh: '中文' };

/** The stored choice, else the first supported language of the browser. @returns {Locale} */
function preferredLocale() {
  const tags = [readStorage('locale'), ...navigator.languages].filter((tag) => typeof tag === 'string');
  for (const tag of tags) {
    if (tag.toLowerCase().startsWith('zh')) return 'zh';
    if (tag.toLowerCase().startsWith('en')) return 'en';
  }
  return 'en';
}

/** @type {import('../vendor/vendor.js').Signal<Locale>} */
export const locale = signal(preferredLocale());

/** The current language as a tag for `Intl` and `lang`. */
export const languageTag = () => LANGUAGE_TAGS[locale.value];

effect(() => {
  document.documentElement.lang = languageTag();
});

/** @param {Locale} chosen */
export function setLocale(chosen) {
  writeStorage('locale', chosen);
  locale.value = chosen;
}

/**
 * The text for a key. A missing key is returned unchanged; a unit test finds it.
 * @param {string} key @param {Record<string, string | number>} [params] @returns {string}
 */
export function t(key, params = {}) {
  const text = TEXTS[locale.value][key] ?? key;
  const template = typeof text === 'string' ? text : pluralForm(text, Number(params.count));
  return template.replace(/\{(\w+)\}/g, (placeholder, name) => (name in params ? formatParam(params[name]) : placeholder));
}

/** @param {string} key */
export const hasText = (key) => Object.hasOwn(TEXTS[locale.value], key);

/** @param {Exclude<Text, string>} forms @param {number} count */
const pluralForm = (forms, count) => forms[new Intl.PluralRules(languageTag()).select(count)] ?? forms.other ?? '';

/** @param {string | number} value */
const formatParam = (value) => (typeof value === 'number' ? new Intl.NumberFormat(languageTag()).format(value) : value);

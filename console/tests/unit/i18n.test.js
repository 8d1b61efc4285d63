import './browser_globals.js';
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import en from '../../app/i18n/en.js';
import zh from '../../app/i18n/zh.js';

const { LANGUAGE_TAGS, locale, t } = await import('../../app/i18n.js');

/** @typedef {import('../../app/i18n.js').Text} Text */

const APP = fileURLToPath(new URL('../../app', import.meta.url));
const API = JSON.parse(readFileSync(new URL('../../../docs/openapi.json', import.meta.url), 'utf8')).components.schemas;
const DICTIONARIES = { en, zh };

/** Source files by name, without the dictionaries. */
const sources = new Map(readdirSync(APP, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js') && !name.startsWith('i18n/'))
  .map((name) => [name, readFileSync(join(APP, name), 'utf8')]));

/** @param {Text} text @returns {string[]} */
const formsOf = (text) => (typeof text === 'string' ? [text] : Object.values(text));

/** @param {string} form */
const placeholdersOf = (form) => [...new Set(form.match(/\{\w+\}/g))].sort();

test('all dictionaries have the same keys in the same order', () => {
  assert.deepEqual(Object.keys(zh), Object.keys(en));
});

test('all dictionaries have the same placeholders and agree on which texts are plural', () => {
  for (const [key, text] of Object.entries(en)) {
    assert.equal(typeof zh[key], typeof text, key);
    const expected = placeholdersOf(formsOf(text)[0]);
    for (const dictionary of Object.values(DICTIONARIES)) {
      for (const form of formsOf(dictionary[key])) assert.deepEqual(placeholdersOf(form), expected, key);
    }
  }
});

test('a plural text has exactly the forms of its language', () => {
  for (const [name, dictionary] of Object.entries(DICTIONARIES)) {
    const categories = new Intl.PluralRules(LANGUAGE_TAGS[/** @type {'en' | 'zh'} */ (name)]).resolvedOptions().pluralCategories.toSorted();
    for (const [key, text] of Object.entries(dictionary)) {
      if (typeof text !== 'string') assert.deepEqual(Object.keys(text).sort(), categories, `${name}: ${key}`);
    }
  }
});

test('a count selects the plural form', () => {
  assert.equal(t('runs.tokens', { count: 1 }), '1 token');
  assert.equal(t('runs.tokens', { count: 0 }), '0 tokens');
  assert.equal(t('runs.tokens', { count: 1234 }), '1,234 tokens');
  assert.equal(t('users.budget_tokens', { count: 1, value: '1' }), '1 token');
  locale.value = 'zh';
  assert.equal(t('runs.tokens', { count: 1 }), '1 个 token');
  locale.value = 'en';
});

test('texts whose placeholder is a count are plural', () => {
  for (const [key, text] of Object.entries(en)) {
    if (typeof text === 'string') assert.ok(!text.includes('{count}'), key);
  }
});

test('agent and token stay untranslated in Chinese', () => {
  for (const [key, text] of Object.entries(zh)) {
    for (const form of formsOf(text)) assert.ok(!/代理|智能体|您/.test(form), `${key}: ${form}`);
    // 令牌 is an authentication token, never an LLM token.
    for (const form of formsOf(text)) assert.ok(!form.includes('令牌') || key.startsWith('problem.token_'), `${key}: ${form}`);
  }
});

test('every cause, notice, field error and error code of the API has a text', () => {
  const missing = (/** @type {string} */ prefix, /** @type {string[]} */ codes) => codes.filter((code) => !(`${prefix}.${code}` in en));
  const causes = /** @type {string[]} */ (API.Cause.enum);
  assert.deepEqual(missing('cause', causes), ['ok']);
  // These notices consist of the agent's or a later server's own words.
  assert.deepEqual(missing('notice', API.NoticeCode.enum), ['agent_warning', 'other']);
  assert.deepEqual(missing('field_error', API.FaultCode.enum), []);
  // The console does not call `/api/chat` and `/v1`, and its requests are well-formed.
  const unreachable = ['malformed_json', 'body_missing', 'body_unreadable', 'unknown_model', 'unsupported_parameter', 'method_not_allowed', 'not_json', ...causes];
  const codes = /** @type {string[]} */ (API.Problem.properties.code.enum).filter((code) => !unreachable.includes(code));
  assert.deepEqual(missing('problem', codes), []);
});

test('every key used in the code exists', () => {
  const used = [...sources].flatMap(([name, text]) => [...text.matchAll(/\bt\('([^']+)'/g)].map(([, key]) => ({ name, key })));
  assert.ok(used.length > 100);
  assert.deepEqual(used.filter(({ key }) => !(key in en)), []);
});

test('every key prefix used in a template exists', () => {
  const prefixes = [...sources].flatMap(([name, text]) => [...text.matchAll(/\bt\(`([^`$]+)\$/g)].map(([, prefix]) => ({ name, prefix })));
  assert.deepEqual(prefixes.filter(({ prefix }) => !Object.keys(en).some((key) => key.startsWith(prefix))), []);
});

test('every text is used', () => {
  const code = [...sources.values()].join('\n');
  const prefixes = [...code.matchAll(/`([\w.]+[._])\$\{/g)].map(([, prefix]) => prefix);
  const isUsed = (/** @type {string} */ key) => code.includes(`'${key}'`) || prefixes.some((prefix) => key.startsWith(prefix));
  assert.deepEqual(Object.keys(en).filter((key) => !isUsed(key)), []);
});

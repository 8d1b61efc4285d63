// Every text is there in both languages, and nothing is asked for that is not there.
import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

import en from '../../app/i18n/en.js';
import runEn from '../../app/i18n/run.en.js';
import runZh from '../../app/i18n/run.zh.js';
import zh from '../../app/i18n/zh.js';

const APP = fileURLToPath(new URL('../../app', import.meta.url));
const ENGLISH = { ...en, ...runEn };
const CHINESE = { ...zh, ...runZh };

/** Languages differ in how many forms a number has, so a key is one without its form. English has all of them. @param {string} key */
function withoutForm(key) {
  const base = key.replace(/\.(one|other)$/, '');
  return `${base}.one` in ENGLISH ? base : key;
}

/** @param {Record<string, string>} texts */
const keysOf = (texts) => [...new Set(Object.keys(texts).map(withoutForm))].sort();

/** Each source file's text by its name. */
const sources = new Map(readdirSync(APP, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.js') && !name.startsWith('i18n'))
  .map((name) => [name, readFileSync(join(APP, name), 'utf8')]));

test('both languages have the same texts', () => {
  assert.deepEqual(keysOf(CHINESE), keysOf(ENGLISH));
});

test('the two tables of a language share no key', () => {
  assert.deepEqual(Object.keys(en).filter((key) => key in runEn), []);
  assert.deepEqual(Object.keys(zh).filter((key) => key in runZh), []);
});

test('a text has the same places for parameters in both languages', () => {
  const places = (/** @type {string} */ text) => [...new Set(text.match(/\{\w+\}/g))].sort();
  for (const [key, text] of Object.entries(CHINESE)) assert.deepEqual(places(text), places(ENGLISH[key]), key);
});

test('every key that the code names is there', () => {
  const known = new Set(keysOf(ENGLISH));
  const named = [...sources].flatMap(([name, text]) => [...text.matchAll(/\bt\('([^']+)'/g)].map(([, key]) => ({ name, key })));
  assert.ok(named.length > 100);
  assert.deepEqual(named.filter(({ key }) => !known.has(key)), []);
});

test('every key that the code puts together has a beginning that is there', () => {
  const known = Object.keys(ENGLISH);
  const begun = [...sources].flatMap(([name, text]) => [...text.matchAll(/\bt\(`([^`$]+)\$/g)].map(([, start]) => ({ name, start })));
  assert.deepEqual(begun.filter(({ start }) => !known.some((key) => key.startsWith(start))), []);
});

test('no text is kept that nobody shows', () => {
  const whole = [...sources.values()].join('\n');
  const begun = [...whole.matchAll(/`([\w.]+[._])\$\{/g)].map(([, start]) => start);
  const isShown = (/** @type {string} */ key) => whole.includes(`'${key}'`) || begun.some((start) => key.startsWith(start));
  assert.deepEqual(keysOf(ENGLISH).filter((key) => !isShown(key)), []);
});

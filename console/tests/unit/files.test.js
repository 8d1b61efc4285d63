import './browser_globals.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { crumbsOf, decodeText, encodeText, nameOf } = await import('../../app/data/files.js');

const encode = (/** @type {string} */ text) => new TextEncoder().encode(text);

test('a path consists of directories that can be opened', () => {
  assert.deepEqual(crumbsOf(''), []);
  assert.deepEqual(crumbsOf('src/a b/c.js'), [{ name: 'src', path: 'src' }, { name: 'a b', path: 'src/a b' }, { name: 'c.js', path: 'src/a b/c.js' }]);
  assert.deepEqual([nameOf('src/a.js'), nameOf('a.js')], ['a.js', 'a.js']);
});

test('a text that is edited keeps its line ends and its byte order mark', () => {
  for (const text of ['one\ntwo\n', 'one\r\ntwo\r\n', 'one', '', '\ufeffone\r\ntwo']) {
    const { text: shown, newline } = decodeText(encode(text), false);
    assert.ok(newline !== null, JSON.stringify(text));
    // As a text field returns it.
    assert.equal(encodeText(shown.replaceAll('\r\n', '\n'), newline), text);
  }
});

test('a text that a text field would change cannot be edited', () => {
  for (const bytes of [encode('one\r\ntwo\n'), encode('one\rtwo'), encode('one\r\r\ntwo'), new Uint8Array([97, 0xff, 98])]) assert.equal(decodeText(bytes, false).newline, null);
  assert.equal(decodeText(encode('the beginning'), true).newline, null);
  assert.equal(decodeText(new Uint8Array([97, 0xff, 98]), false).text, 'a\ufffdb');
});

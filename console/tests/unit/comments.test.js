import './browser_globals.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { commentsMessage, commentsOf, changeComment, isBelow, openComment, placeOf, removeComments, writtenComments } = await import('../../app/data/comments.js');
const { parseDiff } = await import('../../app/views/run/parse_diff.js');

const LINES = parseDiff('@@ -1,3 +1,4 @@\n same\n-old\r\n+new\n+more\n last\n@@ -20 +21 @@\n-far\n+away\n');

test('the place of a comment is in the new version, or in the old one for removed lines only', () => {
  assert.deepEqual(placeOf(LINES.slice(1, 2)), { side: 'new', start: 1, end: 1, quote: [' same'] });
  assert.deepEqual(placeOf(LINES.slice(2, 3)), { side: 'old', start: 2, end: 2, quote: ['-old'] });
  assert.deepEqual(placeOf(LINES.slice(2, 5)), { side: 'new', start: 2, end: 3, quote: ['-old', '+new', '+more'] });
  assert.equal(placeOf(LINES.slice(0, 1)), null);
});

test('a range over two hunks shows that lines are missing between them', () => {
  assert.deepEqual(placeOf(LINES.slice(5)), { side: 'new', start: 4, end: 21, quote: [' last', '…', '-far', '+away'] });
});

test('of a long range the beginning and the end are quoted', () => {
  const lines = Array.from({ length: 1000 }, (_, index) => ({ kind: 'new', text: `${index}${'x'.repeat(2000)}`, newNumber: index + 1 }));
  const place = placeOf(lines);
  assert.equal(place?.quote.length, 41);
  assert.ok(place?.quote.every((line) => line.length <= 501));
  assert.deepEqual([place?.quote[0].slice(0, 2), place?.quote[20], place?.quote[40].slice(0, 4)], ['+0', '…', '+999']);
});

test('a comment is shown below its last line', () => {
  const comment = { id: 1, scope: '', path: 'a', quote: [], text: '', saved: null, isOpen: false };
  const shownBelow = (/** @type {any} */ place) => LINES.filter((line) => isBelow({ ...comment, ...place }, line)).map(({ text }) => text);
  assert.deepEqual(shownBelow({ side: 'new', start: 2, end: 3 }), ['more']);
  assert.deepEqual(shownBelow({ side: 'old', start: 2, end: 2 }), ['old\r']);
});

test('comments are collected, changed and sent as one plain text', () => {
  const place = { scope: 's', path: 'src/a.js', side: /** @type {const} */ ('new'), start: 2, end: 3, quote: ['-old', '+new'] };
  openComment('ses_1', place);
  openComment('ses_1', { ...place, path: 'b.js', side: 'old', start: 7, end: 7, quote: ['-gone'] });
  // The first was left empty.
  assert.deepEqual(commentsOf('ses_1').map(({ path }) => path), ['b.js']);
  assert.deepEqual(writtenComments('ses_1'), []);
  changeComment('ses_1', commentsOf('ses_1')[0].id, { text: ' Why?\n' });
  openComment('ses_1', place);
  changeComment('ses_1', commentsOf('ses_1')[1].id, { text: 'Rename it.' });
  const written = writtenComments('ses_1');
  assert.equal(commentsMessage(written, ''), 'Please address these comments on the changes:\n\nb.js, removed line 7:\n> -gone\nWhy?\n\nsrc/a.js, lines 2–3:\n> -old\n> +new\nRename it.');
  assert.match(commentsMessage(written, 'Look here.'), /^Look here\.\n\nb\.js/);
  assert.deepEqual(commentsOf('ses_2'), []);
  removeComments('ses_1', written.map(({ id }) => id));
  assert.deepEqual(commentsOf('ses_1'), []);
});

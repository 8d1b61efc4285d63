/** Rendering of untrusted text. Rules: C2, W7. */
import './browser_globals.js';
import assert from 'node:assert/strict';
import { test } from 'node:test';

const { parseAnsi } = await import('../../app/views/run/ansi.js');
const { countChanges, parseDiff, sideBySide } = await import('../../app/views/run/parse_diff.js');
const { RowHeights } = await import('../../app/views/run/row_heights.js');
const { highlight, highlightLines, languageOf } = await import('../../app/views/run/highlight.js');
const { renderMarkdown, safeUrl } = await import('../../app/views/run/markdown.js');
const { CappedText } = await import('../../app/views/run/text_buffers.js');
const { sanitize, sanitizeLine, summarize } = await import('../../app/views/run/sanitize.js');

/** Attempts to inject markup, scripts and links. */
const HOSTILE = [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '[x](javascript:alert(1))', '[x](JaVaScRiPt:alert(1))', '[x](&#106;avascript:alert(1))',
  '[x](data:text/html,x)', '[x](vbscript:x)', '![x](http://evil.test/x.png)', '<javascript:alert(1)>', '[x]\n\n[x]: javascript:alert(1)', '<a href="javascript:1">x</a>',
  '**<b onclick=x>**', '`<script>`', '```html\n<script>\n```', '| <img src=x> |\n| --- |\n| <svg onload=x> |', '[x](//evil.test)', '[x](/api/auth/logout)', '[x](file:///etc/passwd)',
  '<style>*{}</style>', '<!-- x -->', '<?php x ?>', '&lt;script&gt;', '[a](http://x" onmouseover="alert(1))', '> <iframe src=x>', '- <object data=x>', '# <h1 id=x>',
];

/** Collects the element types, component names, props and text of a tree. @param {any} child @param {{ types: string[], props: any[], text: string }} [into] */
function walk(child, into = { types: [], props: [], text: '' }) {
  if (Array.isArray(child)) child.forEach((item) => walk(item, into));
  else if (typeof child === 'string' || typeof child === 'number') into.text += child;
  else if (child?.type) {
    into.types.push(typeof child.type === 'string' ? child.type : child.type.name);
    const { children, ...props } = child.props;
    into.props.push(props);
    if (props.code) into.text += props.code;
    walk(children, into);
  }
  return into;
}

const ALLOWED = new Set(['p', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'strong', 'em', 'del', 'code', 'br', 'hr', 'a', 'blockquote', 'span', 'div', 'table',
  'thead', 'tbody', 'tr', 'th', 'td', 'CodeBlock', 'k', 'Fragment']);

test('markdown produces only known elements and safe links', () => {
  for (const text of HOSTILE) {
    const { types, props } = walk(renderMarkdown(text));
    for (const type of types) assert.ok(ALLOWED.has(type), `${type} of ${text}`);
    for (const attributes of props) {
      for (const name of Object.keys(attributes)) assert.ok(!/^on|^style$|^src|html/i.test(name), `${name} of ${text}`);
      if (attributes.href !== undefined) {
        assert.match(attributes.href, /^(https?:|mailto:)/);
        assert.deepEqual([attributes.target, attributes.rel], ['_blank', 'noopener noreferrer']);
      }
    }
  }
});

test('HTML and rejected links are shown as source text', () => {
  assert.equal(walk(renderMarkdown('<script>alert(1)</script>')).text, '<script>alert(1)</script>');
  assert.equal(walk(renderMarkdown('a <b>bold</b> move')).text, 'a <b>bold</b> move');
  assert.equal(walk(renderMarkdown('[x](javascript:alert(1))')).text, '[x](javascript:alert(1))');
  assert.equal(walk(renderMarkdown('1 < 2 &amp; 3 &#62; 2 &unknown;')).text, '1 < 2 & 3 > 2 &unknown;');
  assert.equal(walk(renderMarkdown('rm \u202egpj.x')).text, 'rm <U+202E>gpj.x');
});

test('markdown renders lists, tables, code and emphasis', () => {
  const { types, text } = walk(renderMarkdown('# T\n\n**b** *e* ~~d~~ `c`\n\n1. one\n2. two\n\n- [x] done\n\n> q\n\n| a | b |\n| - | -: |\n| 1 | 2 |\n\n```rust\nfn x() {}\n```\n\n---\nhttps://example.org'));
  for (const type of ['h3', 'strong', 'em', 'del', 'code', 'ol', 'ul', 'li', 'blockquote', 'table', 'CodeBlock', 'hr', 'a']) assert.ok(types.includes(type), type);
  assert.ok(text.includes('fn x() {}'));
});

test('deep nesting is rendered without a stack overflow', () => {
  assert.ok(walk(renderMarkdown(`${'> '.repeat(2_000)}deep`)).text.includes('deep'));
  assert.ok(walk(renderMarkdown(`${'*a '.repeat(3_000)}`)).text.length > 3_000);
});

test('only http, https and mailto URLs become links', () => {
  assert.equal(safeUrl('https://example.org/a?b#c'), 'https://example.org/a?b#c');
  assert.equal(safeUrl('mailto:a@example.org'), 'mailto:a@example.org');
  for (const href of [`${'javascript'}:1`, ' javascript:1', 'java\tscript:1', 'data:x', '//x', '/x', 'x', 'file:///x', 'blob:x', 'http://', 'https://[']) assert.equal(safeUrl(href), undefined, href);
});

test('control and invisible characters are made visible', () => {
  assert.equal(sanitize('\u001b[2Jx\u0007\u009b31m\r'), '␛[2Jx␇<U+009B>31m␍');
  assert.equal(sanitize('rm \u202egpj.x'), 'rm <U+202E>gpj.x');
  assert.equal(sanitize('a\r\nb\tc'), 'a\nb\tc');
  assert.equal(sanitizeLine('a\r\nb\tc'), 'a␍␊b␉c');
  assert.equal(sanitize('\u{e0041}\u200b\ufeff'), '<U+E0041><U+200B><U+FEFF>');
  for (const plain of ['hello', '你好，世界', 'שלום', 'مرحبا', '👩‍👩‍👧 e\u0301', '─│✓']) assert.equal(sanitize(plain), plain);
  assert.equal(summarize('one\ntwo\tthree', 100), 'one two three');
  assert.equal(summarize('漢字漢字漢', 4), '漢字漢…');
  assert.equal(summarize('ab👋cd', 4), 'ab…');
});

test('ANSI colors become styles, and all other escape sequences are removed', () => {
  assert.deepEqual(parseAnsi('a\u001b[1;31mb\u001b[0mc'), [{ text: 'a', style: {} }, { text: 'b', style: { bold: true, fg: 1 } }, { text: 'c', style: {} }]);
  assert.deepEqual(parseAnsi('\u001b[38;5;196mx\u001b[48;2;1;2;3my\u001b[39mz').map(({ style }) => style), [{ fg: '#ff0000' }, { fg: '#ff0000', bg: '#010203' }, { bg: '#010203' }]);
  assert.deepEqual(parseAnsi('\u001b[97mx')[0].style, { fg: 15 });
  const text = (/** @type {string} */ output) => parseAnsi(output).map((span) => span.text).join('');
  assert.equal(text('\u001b]8;;http://evil.test\u0007link\u001b]8;;\u0007 \u001b]0;title\u001b\\x\u001b[2J\u001b[10;10Hy\u001b(Bz'), 'link xyz');
  assert.equal(text('10%\r50%\r100%\ndone\r\n'), '100%\ndone\n');
  assert.equal(text('\u001b]52;c;unfinished\nnext'), '\nnext');
  assert.equal(text('bell\u0007 \u202e \u001b'), 'bell␇ <U+202E> ␛');
  assert.equal(text('<img src=x>'), '<img src=x>');
  assert.deepEqual(parseAnsi('\u001b[38;5;999mx\u001b[38;2;300;0;0my').map(({ style }) => style), [{}, {}]);
});

test('malformed and very long output is parsed in linear time', () => {
  const began = performance.now();
  parseAnsi('\u001b['.repeat(50_000));
  parseAnsi(`${'x'.repeat(100_000)}\r`);
  parseAnsi('\u001b]'.repeat(50_000));
  sanitize('\u202e'.repeat(100_000));
  assert.ok(performance.now() - began < 2_000);
});

test('diff lines are numbered', () => {
  const lines = parseDiff('--- a/x\n+++ b/x\n@@ -3,3 +3,3 @@ fn\n same\n--- old\n+++ new\n same\n\\ No newline at end of file\n@@ -9 +9,0 @@\n-gone\n');
  assert.deepEqual(lines.map(({ kind, text, oldNumber, newNumber }) => [kind, text, oldNumber, newNumber]), [
    ['hunk', '@@ -3,3 +3,3 @@ fn', undefined, undefined], ['same', 'same', 3, 3], ['old', '-- old', 4, undefined], ['new', '++ new', undefined, 4], ['same', 'same', 5, 5],
    ['note', '\\ No newline at end of file', undefined, undefined], ['hunk', '@@ -9 +9,0 @@', undefined, undefined], ['old', 'gone', 9, undefined],
  ]);
  assert.deepEqual(countChanges(lines), { added: 1, removed: 2 });
  assert.deepEqual(parseDiff('no diff at all').map(({ kind }) => kind), ['note']);
});

test('side by side, removed lines are paired with their replacements', () => {
  const pairs = sideBySide(parseDiff('@@ -1,3 +1,4 @@\n-a\n-b\n+A\n+B\n+C\n same'));
  assert.deepEqual(pairs.slice(1).map(({ left, right }) => [left?.text, right?.text]), [['a', 'A'], ['b', 'B'], [undefined, 'C'], ['same', 'same']]);
});

test('highlighting does not change the code', () => {
  for (const code of ['fn main() { println!("<b>&amp;</b>"); } // \'x\'', '<script>alert("1" && 2)</script>', '']) {
    for (const language of ['rust', 'html', 'bash', 'no such language']) assert.equal(highlight(code, language).map(({ text }) => text).join(''), code);
  }
  const lines = highlightLines('/* one\ntwo */\nfn x() {}', 'rust');
  assert.deepEqual(lines.map((line) => line.map(({ text }) => text).join('')), ['/* one', 'two */', 'fn x() {}']);
  assert.equal(lines[1][0].className, 'hljs-comment');
  assert.deepEqual([languageOf('/a/b.rs'), languageOf('Dockerfile'), languageOf('x.unknown')], ['rs', 'dockerfile', undefined]);
});

test('a very long output keeps its start and end', () => {
  const output = new CappedText();
  for (let piece = 0; piece < 400; piece++) output.append(`${String(piece).padStart(4, '0')}${'x'.repeat(9_996)}`);
  const { head, tail } = output.parts();
  assert.equal(output.length, 4_000_000);
  assert.equal(head.length, 512 * 1024);
  assert.ok(tail.length >= 64 * 1024 && tail.length < 64 * 1024 + 10_000);
  assert.equal(head.length + tail.length + output.omitted, output.length);
  assert.ok(head.startsWith('0000') && tail.includes('0399'));
});

test('row offsets match the sum of measured and estimated heights', () => {
  const heights = new RowHeights(10);
  /** @type {number[]} */
  const plain = [];
  let random = 7;
  for (let step = 0; step < 3_000; step++) {
    random = (random * 1103515245 + 12345) % 2147483648;
    if (step % 3 === 0) {
      plain.push(10);
      heights.resize(plain.length);
    } else if (plain.length) {
      const index = random % plain.length;
      plain[index] = random % 97;
      heights.set(index, plain[index]);
    }
  }
  const offset = (/** @type {number} */ index) => plain.slice(0, index).reduce((sum, height) => sum + height, 0);
  for (const index of [0, 1, 63, 64, 65, 500, plain.length]) assert.equal(heights.offset(index), offset(index));
  for (let y = -5; y < heights.total + 50; y += 997) {
    const index = heights.indexAt(y);
    assert.ok(index === 0 || heights.offset(index) <= y);
    assert.ok(index === plain.length - 1 || heights.offset(index + 1) > y);
  }
  heights.resize(5);
  assert.equal(heights.total, offset(5));
});

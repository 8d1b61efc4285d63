// The page names every module that it will need, so that a browser asks for all of them at once, and not for each when it has read another.
import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const CONSOLE = fileURLToPath(new URL('../..', import.meta.url));
const PAGE = `${CONSOLE}/index.html`;

/** All modules that are reached from one, itself included. @param {string} start @returns {string[]} */
function reachedFrom(start) {
  const found = new Set([start]);
  for (const name of found) {
    if (name.startsWith('vendor/')) continue;
    const text = readFileSync(`${CONSOLE}/${name}`, 'utf8');
    for (const [, path] of text.matchAll(/(?:^|\n)(?:import|export)\b[^;]*?from '(\.[^']+)'/g)) found.add(posix.join(posix.dirname(name), path));
    for (const [, path] of text.matchAll(/(?:^|\n)import '(\.[^']+)'/g)) found.add(posix.join(posix.dirname(name), path));
  }
  return [...found].filter((name) => name !== start).sort();
}

test('the page preloads its modules, no more and no fewer', () => {
  const page = readFileSync(PAGE, 'utf8');
  const links = reachedFrom('app/main.js').map((name) => `    <link rel="modulepreload" href="console/version/${name}">\n`).join('');
  const wanted = page.replace(/(?: {4}<link rel="modulepreload"[^\n]*\n)*( {4}<script)/, (_, script) => links + script);
  if (process.env.UPDATE_PAGE) writeFileSync(PAGE, wanted);
  assert.equal(readFileSync(PAGE, 'utf8'), wanted, 'write it with `UPDATE_PAGE=1 node --test console/tests/unit/preloads.test.js`');
});

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { test } from 'node:test';

import { CONSOLE, importsOf, reachableFrom } from './import_graph.js';

const PAGE = `${CONSOLE}/index.html`;

/** A cycle in the import graph, as the path from a module back to itself; empty without one. @param {string[]} modules @returns {string[]} */
function findCycle(modules) {
  const finished = new Set();
  /** @param {string} name @param {string[]} path @returns {string[]} */
  const visit = (name, path) => {
    if (path.includes(name)) return [...path.slice(path.indexOf(name)), name];
    if (finished.has(name)) return [];
    for (const next of importsOf(name)) {
      const cycle = visit(next, [...path, name]);
      if (cycle.length > 0) return cycle;
    }
    finished.add(name);
    return [];
  };
  return modules.map((name) => visit(name, [])).find((cycle) => cycle.length > 0) ?? [];
}

test('modules do not import each other in a cycle', () => {
  const modules = reachableFrom('app/main.js');
  assert.ok(modules.length > 50, `${modules.length} modules`);
  for (const name of modules) assert.ok(existsSync(`${CONSOLE}/${name}`), `${name} does not exist`);
  assert.deepEqual(findCycle(modules), []);
});

test('every module is reachable from main.js', () => {
  const reachable = new Set(reachableFrom('app/main.js'));
  const modules = readdirSync(`${CONSOLE}/app`, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.js')).map((name) => `app/${name}`);
  assert.deepEqual(modules.filter((name) => !reachable.has(name)), []);
});

test('data modules do not import ui or views, and ui does not import views', () => {
  for (const name of reachableFrom('app/main.js')) {
    const forbidden = name.startsWith('app/data/') ? /^app\/(ui|views)\// : name.startsWith('app/ui/') ? /^app\/views\// : null;
    if (forbidden) assert.deepEqual(importsOf(name).filter((path) => forbidden.test(path)), [], name);
  }
});

// Browsers load all preloaded modules at once, instead of each after the module that imports it.
test('index.html preloads exactly the modules that main.js needs', () => {
  const page = readFileSync(PAGE, 'utf8');
  const modules = reachableFrom('app/main.js').filter((name) => name !== 'app/main.js');
  const links = modules.map((name) => `    <link rel="modulepreload" href="console/version/${name}">\n`).join('');
  const expected = page.replace(/(?: {4}<link rel="modulepreload"[^\n]*\n)*( {4}<script)/, (_, script) => links + script);
  if (process.env.UPDATE_PAGE) writeFileSync(PAGE, expected);
  assert.equal(readFileSync(PAGE, 'utf8'), expected, 'update it with `UPDATE_PAGE=1 node --test console/tests/unit/imports.test.js`');
});

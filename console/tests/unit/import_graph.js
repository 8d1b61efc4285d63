/** The import graph of the console's modules. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The console's directory. */
export const CONSOLE = fileURLToPath(new URL('../..', import.meta.url));

/** The modules that a module imports, as paths within the console. Type-only imports in comments are not included. @param {string} name @returns {string[]} */
export function importsOf(name) {
  if (name.startsWith('vendor/')) return [];
  const text = readFileSync(`${CONSOLE}/${name}`, 'utf8');
  const paths = [
    ...[...text.matchAll(/(?:^|\n)(?:import|export)\b[^;]*?from '(\.[^']+)'/g)].map(([, path]) => path),
    ...[...text.matchAll(/(?:^|\n)import '(\.[^']+)'/g)].map(([, path]) => path),
  ];
  return paths.map((path) => posix.join(posix.dirname(name), path));
}

/** All modules reachable from a module, including itself. @param {string} start @returns {string[]} */
export function reachableFrom(start) {
  const modules = new Set([start]);
  for (const name of modules) for (const path of importsOf(name)) modules.add(path);
  return [...modules].sort();
}

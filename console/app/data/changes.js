/** Lists of changed files, and patches. */
import { request, withQuery } from '../api.js';

export const PAGE_SIZE = 100;

/**
 * The first `limit` changed files, with the totals.
 * @param {string} path of the list in the API @param {number | null} turn only the changes of this turn @param {number} limit @param {AbortSignal} [signal]
 */
export async function fetchChanges(path, turn, limit, signal) {
  /** @type {any} */
  let all = null;
  let cursor = null;
  do {
    const page = await request('GET', withQuery(path, { turn, limit: PAGE_SIZE, cursor }), undefined, { signal });
    all = { ...page, items: [...(all?.items ?? []), ...page.items] };
    cursor = page.next_cursor;
  } while (cursor !== null && all.items.length < limit);
  return all;
}

/**
 * Splits a patch by git into the parts of its files, by path. A renamed file has its new path.
 * @param {string} patch @returns {Map<string, string>}
 */
export function splitPatch(patch) {
  /** @type {Map<string, string>} */
  const parts = new Map();
  // Lines of a hunk begin with another character, and those of binary content have no spaces.
  for (const part of patch.split(/^(?=diff --git )/m)) {
    const path = pathOf(part);
    if (path !== null) parts.set(path, part);
  }
  return parts;
}

/** The path of a part, from its header; null if there is none. @param {string} part */
function pathOf(part) {
  const hunk = part.search(/^(?:@@ |GIT binary patch)/m);
  const header = hunk < 0 ? part : part.slice(0, hunk);
  const named = (/** @type {RegExp} */ pattern) => {
    const name = pattern.exec(header)?.[1];
    return name === undefined ? null : unquote(name.replace(/\t$/, ''));
  };
  const side = (/** @type {RegExp} */ pattern) => {
    const name = named(pattern);
    return name === null || name === '/dev/null' ? null : name.slice(2);
  };
  return named(/^rename to (.*)$/m) ?? side(/^\+\+\+ (.*)$/m) ?? side(/^--- (.*)$/m) ?? samePath(header);
}

/** The path of a part without content lines, such as an empty or binary file: it is in the first line twice. @param {string} header */
function samePath(header) {
  const line = /^diff --git (.*)$/m.exec(header)?.[1];
  if (line === undefined) return null;
  const name = unquote(line.slice((line.length + 1) / 2));
  return name.startsWith('b/') ? name.slice(2) : null;
}

/** @type {Record<string, number>} */
const ESCAPES = { a: 7, b: 8, t: 9, n: 10, v: 11, f: 12, r: 13, '"': 34, '\\': 92 };

/** Reads a name that git has put in quotes because of special characters. @param {string} name */
function unquote(name) {
  if (!/^".*"$/.test(name)) return name;
  /** @type {number[]} */
  const bytes = [];
  for (const [, octal, escape, plain] of name.slice(1, -1).matchAll(/\\([0-7]{3})|\\(.)|([^\\]+)/g)) {
    if (octal !== undefined) bytes.push(Number.parseInt(octal, 8));
    else if (escape !== undefined) bytes.push(ESCAPES[escape] ?? escape.charCodeAt(0));
    else bytes.push(...new TextEncoder().encode(plain));
  }
  return new TextDecoder().decode(new Uint8Array(bytes));
}

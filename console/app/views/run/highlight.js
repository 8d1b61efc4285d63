// Colours of code. The library's answer is markup; here it becomes runs of text again, so that no markup goes into the page.

import { hljs } from '../../../vendor/vendor.js';

/** A run of text and what it is, as a class; empty for plain text. @typedef {{ text: string, className: string }} Run */

/** Longer code than this, in characters, stays plain: colours are a comfort and must not cost a frame. */
const MOST = 40_000;

/** @type {Record<string, string>} */
const ENTITIES = { '&lt;': '<', '&gt;': '>', '&amp;': '&', '&quot;': '"', '&#x27;': "'" };

/** @param {string} code @param {string | undefined} language a name, or a file's ending @returns {Run[]} */
export function highlight(code, language) {
  if (!language || code.length > MOST || !hljs.getLanguage(language)) return [{ text: code, className: '' }];
  return runsOf(hljs.highlight(code, { language, ignoreIllegals: true }).value);
}

/** The same, split into lines. @param {string} code @param {string | undefined} language @returns {Run[][]} */
export function highlightLines(code, language) {
  /** @type {Run[][]} */
  const lines = [[]];
  for (const { text, className } of highlight(code, language)) {
    text.split('\n').forEach((piece, index) => {
      if (index) lines.push([]);
      if (piece) lines[lines.length - 1].push({ text: piece, className });
    });
  }
  return lines;
}

/** The language of a file, by the end of its name. @param {string} path */
export function languageOf(path) {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  const ending = name.slice(name.lastIndexOf('.') + 1);
  return hljs.getLanguage(ending) ? ending : undefined;
}

/** @param {string} markup of nothing but `span` elements and text @returns {Run[]} */
function runsOf(markup) {
  /** @type {Run[]} */
  const runs = [];
  /** @type {string[]} */
  const inside = [];
  for (const [whole, className] of markup.matchAll(/<span class="([^"]*)">|<\/span>|[^<]+/g)) {
    if (className !== undefined) inside.push(className);
    else if (whole === '</span>') inside.pop();
    else runs.push({ text: whole.replace(/&(?:lt|gt|amp|quot|#x27);/g, (entity) => ENTITIES[entity]), className: inside.at(-1) ?? '' });
  }
  return runs;
}

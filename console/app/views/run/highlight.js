/** Syntax highlighting. highlight.js returns HTML, which is parsed back into spans of text: no HTML is inserted into the page. */
import { hljs } from '../../../vendor/vendor.js';

/** `className` is empty for plain text. @typedef {{ text: string, className: string }} Span */

/** Longer code is not highlighted, in characters: it would block the page. */
const MAX_LENGTH = 40_000;

/** @type {Record<string, string>} */
const ENTITIES = { '&lt;': '<', '&gt;': '>', '&amp;': '&', '&quot;': '"', '&#x27;': "'" };

/** @param {string} code @param {string | undefined} language a name or file extension @returns {Span[]} */
export function highlight(code, language) {
  if (!language || code.length > MAX_LENGTH || !hljs.getLanguage(language)) return [{ text: code, className: '' }];
  return parseSpans(hljs.highlight(code, { language, ignoreIllegals: true }).value);
}

/** Highlights code and splits it into lines. @param {string} code @param {string | undefined} language @returns {Span[][]} */
export function highlightLines(code, language) {
  /** @type {Span[][]} */
  const lines = [[]];
  for (const { text, className } of highlight(code, language)) {
    text.split('\n').forEach((piece, index) => {
      if (index) lines.push([]);
      if (piece) lines[lines.length - 1].push({ text: piece, className });
    });
  }
  return lines;
}

/** The language of a file, by its extension. @param {string} path */
export function languageOf(path) {
  const name = path.slice(path.lastIndexOf('/') + 1).toLowerCase();
  const extension = name.slice(name.lastIndexOf('.') + 1);
  return hljs.getLanguage(extension) ? extension : undefined;
}

/** @param {string} markup consists of `span` elements and text @returns {Span[]} */
function parseSpans(markup) {
  /** @type {Span[]} */
  const spans = [];
  /** @type {string[]} */
  const classNames = [];
  for (const [whole, className] of markup.matchAll(/<span class="([^"]*)">|<\/span>|[^<]+/g)) {
    if (className !== undefined) classNames.push(className);
    else if (whole === '</span>') classNames.pop();
    else spans.push({ text: whole.replace(/&(?:lt|gt|amp|quot|#x27);/g, (entity) => ENTITIES[entity]), className: classNames.at(-1) ?? '' });
  }
  return spans;
}

/**
 * Renders Markdown. Each token of the lexer becomes an element, so the browser never parses HTML written by an agent: HTML in Markdown is shown
 * as text, and nothing has to be sanitized afterwards.
 */
import { Lexer } from '../../../vendor/vendor.js';
import { h, html, useMemo } from '../../html.js';
import { CodeBlock } from './code.js';
import { sanitize } from './sanitize.js';

/** A token of the lexer. @typedef {{ type: string, raw: string, [field: string]: any }} Token */
/** A child of an element. @typedef {any} Child */

/** Below this depth, lists and quotes are shown as source text. */
const MAX_DEPTH = 24;

/** A section of a message. `fence` is the opening line of the code block in which the section starts.
 * @param {{ text: string, fence?: string }} props */
export function Markdown({ text, fence = '' }) {
  const elements = useMemo(() => renderMarkdown(fence ? `${fence}\n${text}` : text), [text, fence]);
  return html`<div class="markdown">${elements}</div>`;
}

/** @param {string} text @returns {Child[]} */
export function renderMarkdown(text) {
  return blocks(tokenize(text), 0);
}

/** @param {string} text @returns {Token[]} */
function tokenize(text) {
  try {
    return new Lexer({ gfm: true, breaks: true }).lex(text);
  } catch {
    // The lexer throws on some input. Show it as text.
    return [{ type: 'html', raw: text }];
  }
}

/** @param {Token[] | undefined} tokens @param {number} depth @returns {Child[]} */
function blocks(tokens, depth) {
  return (tokens ?? []).map((token) => block(token, depth));
}

/** @param {Token} token @param {number} depth @returns {Child} */
function block(token, depth) {
  if (depth > MAX_DEPTH) return html`<p>${inlineText(token.raw)}</p>`;
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading':
      // The page itself uses h1 and h2.
      return h(`h${Math.min(token.depth + 2, 6)}`, null, inlines(token.tokens, depth));
    case 'paragraph':
      return html`<p>${inlines(token.tokens, depth)}</p>`;
    case 'code':
      return html`<${CodeBlock} code=${token.text} language=${(token.lang ?? '').trim().split(/[\s,{]/)[0]} />`;
    case 'blockquote':
      return html`<blockquote>${blocks(token.tokens, depth + 1)}</blockquote>`;
    case 'list':
      return list(token, depth);
    case 'table':
      return table(token, depth);
    case 'hr':
      return html`<hr />`;
    case 'text':
      return token.tokens ? inlines(token.tokens, depth) : inlineText(token.text);
    case 'checkbox':
      return html`<span class="check" role="img" aria-label=${token.checked ? '[x]' : '[ ]'} data-checked=${Boolean(token.checked)}></span>`;
    case 'html':
      return html`<p class="source">${inlineText(token.raw.trimEnd())}</p>`;
    default:
      return inline(token, depth);
  }
}

/** @param {Token} token @param {number} depth */
function list(token, depth) {
  const items = token.items.map((/** @type {any} */ item) => html`<li class=${item.task ? 'task' : ''}>${blocks(item.tokens, depth + 1)}</li>`);
  return token.ordered ? html`<ol start=${token.start || 1}>${items}</ol>` : html`<ul>${items}</ul>`;
}

/** @param {Token} token @param {number} depth */
function table(token, depth) {
  const cell = (/** @type {string} */ tag) => (/** @type {any} */ { tokens, align }) => (
    h(tag, { class: align ? `align-${align}` : '' }, inlines(tokens, depth))
  );
  return html`<div class="table" tabindex="0"><table>
    <thead><tr>${token.header.map(cell('th'))}</tr></thead>
    <tbody>${token.rows.map((/** @type {any[]} */ row) => html`<tr>${row.map(cell('td'))}</tr>`)}</tbody>
  </table></div>`;
}

/** @param {Token[] | undefined} tokens @param {number} depth @returns {Child[]} */
function inlines(tokens, depth) {
  return (tokens ?? []).map((token) => inline(token, depth + 1));
}

/** @param {Token} token @param {number} depth @returns {Child} */
function inline(token, depth) {
  if (depth > MAX_DEPTH) return inlineText(token.raw);
  switch (token.type) {
    case 'strong':
      return html`<strong>${inlines(token.tokens, depth)}</strong>`;
    case 'em':
      return html`<em>${inlines(token.tokens, depth)}</em>`;
    case 'del':
      return html`<del>${inlines(token.tokens, depth)}</del>`;
    case 'codespan':
      return html`<code>${sanitize(token.text)}</code>`;
    case 'br':
      return html`<br />`;
    case 'link':
      return link(token.href, inlines(token.tokens, depth), token.raw);
    case 'image':
      // Loading an image would disclose the reader to its server.
      return link(token.href, inlineText(token.text || token.href), token.raw);
    case 'escape':
      return sanitize(token.text);
    case 'text':
      return token.tokens ? inlines(token.tokens, depth) : inlineText(token.text);
    default:
      return inlineText(token.raw);
  }
}

/** A link, or its source text if the URL is not allowed.
 * @param {string} href @param {Child} text @param {string} source */
function link(href, text, source) {
  const url = safeUrl(href);
  if (!url) return inlineText(source);
  return html`<a href=${url} title=${sanitize(url)} target="_blank" rel="noopener noreferrer">${text}</a>`;
}

/** The normalized URL if its scheme is http, https or mailto. @param {string} href @returns {string | undefined} */
export function safeUrl(href) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(href) || !URL.canParse(href)) return undefined;
  return new URL(href).href;
}

/** @type {Record<string, string>} */
const ENTITIES = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', hellip: '…', mdash: '—', ndash: '–', rarr: '→', larr: '←' };

/** Decodes HTML entities. @param {string} text */
function inlineText(text) {
  const decoded = text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hexadecimal, name) => {
    if (name) return ENTITIES[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hexadecimal, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
  return sanitize(decoded);
}

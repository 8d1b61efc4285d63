// Markdown as elements. The renderer's tokens become elements one by one, so the page never parses markup that an agent wrote: what is no
// token, HTML for one, is shown as the text that it is, and there is nothing that would have to be cleaned.

import { Lexer } from '../../../vendor/vendor.js';
import { h, html, useMemo } from '../../html.js';
import { CodeBlock } from './code.js';
import { visible } from './sanitize.js';

/** A token of the renderer: `type` tells which fields it has. @typedef {{ type: string, raw: string, [field: string]: any }} Token */
/** What an element may hold. @typedef {any} Child */

/** Deeper than this, lists and quotes are shown as they were written. */
const DEEPEST = 24;

/** A section of a message. `fence` opens the block of code in whose middle it begins.
 * @param {{ text: string, fence?: string }} props */
export function Markdown({ text, fence = '' }) {
  const elements = useMemo(() => markdown(fence ? `${fence}\n${text}` : text), [text, fence]);
  return html`<div class="markdown">${elements}</div>`;
}

/** What markdown says, as elements. @param {string} text @returns {Child[]} */
export function markdown(text) {
  return blocks(tokensOf(text), 0);
}

/** @param {string} text @returns {Token[]} */
function tokensOf(text) {
  try {
    return new Lexer({ gfm: true, breaks: true }).lex(text);
  } catch {
    // It gives up on what it cannot read. The text is still a text.
    return [{ type: 'html', raw: text }];
  }
}

/** @param {Token[] | undefined} tokens @param {number} depth @returns {Child[]} */
function blocks(tokens, depth) {
  return (tokens ?? []).map((token) => block(token, depth));
}

/** @param {Token} token @param {number} depth @returns {Child} */
function block(token, depth) {
  if (depth > DEEPEST) return html`<p>${words(token.raw)}</p>`;
  switch (token.type) {
    case 'space':
    case 'def':
      return null;
    case 'heading':
      // The page has headings of its own above these.
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
      return token.tokens ? inlines(token.tokens, depth) : words(token.text);
    case 'checkbox':
      return html`<span class="check" role="img" aria-label=${token.checked ? '[x]' : '[ ]'} data-checked=${Boolean(token.checked)}></span>`;
    case 'html':
      return html`<p class="as-written">${words(token.raw.trimEnd())}</p>`;
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
  if (depth > DEEPEST) return words(token.raw);
  switch (token.type) {
    case 'strong':
      return html`<strong>${inlines(token.tokens, depth)}</strong>`;
    case 'em':
      return html`<em>${inlines(token.tokens, depth)}</em>`;
    case 'del':
      return html`<del>${inlines(token.tokens, depth)}</del>`;
    case 'codespan':
      return html`<code>${visible(token.text)}</code>`;
    case 'br':
      return html`<br />`;
    case 'link':
      return link(token.href, inlines(token.tokens, depth), token.raw);
    case 'image':
      // A picture from elsewhere would tell its server who looks at what, so it is a link.
      return link(token.href, words(token.text || token.href), token.raw);
    case 'escape':
      return visible(token.text);
    case 'text':
      return token.tokens ? inlines(token.tokens, depth) : words(token.text);
    default:
      return words(token.raw);
  }
}

/** A link to another page, or, if its address is anything but that, what was written.
 * @param {string} href @param {Child} text @param {string} written */
function link(href, text, written) {
  const address = safeAddress(href);
  if (!address) return words(written);
  return html`<a href=${address} title=${visible(address)} target="_blank" rel="noopener noreferrer">${text}</a>`;
}

/** The address if it leads to a page or a mailbox. @param {string} href @returns {string | undefined} */
export function safeAddress(href) {
  if (!/^(?:https?:\/\/|mailto:)/i.test(href) || !URL.canParse(href)) return undefined;
  return new URL(href).href;
}

/** @type {Record<string, string>} */
const NAMED = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', hellip: '…', mdash: '—', ndash: '–', rarr: '→', larr: '←' };

/** Text in which entities stand for letters, as markdown has it. @param {string} text */
function words(text) {
  const plain = text.replace(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|([a-z]{2,8}));/gi, (whole, decimal, hexadecimal, name) => {
    if (name) return NAMED[name] ?? whole;
    const code = decimal ? Number(decimal) : parseInt(hexadecimal, 16);
    return code > 0 && code <= 0x10ffff ? String.fromCodePoint(code) : whole;
  });
  return visible(plain);
}

/** Code blocks, terminal output and plain text. */
import { h, html, useMemo, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { CopyButton } from '../../ui/button.js';
import { parseAnsi } from './ansi.js';
import { highlight } from './highlight.js';
import { sanitize } from './sanitize.js';

/** How much of a long text is shown at first, in characters. */
export const CHUNK = 20_000;

/** @param {{ code: string, language: string | undefined }} props */
export function CodeBlock({ code, language }) {
  const spans = useMemo(() => highlight(sanitize(code), language), [code, language]);
  return html`<figure class="code">
    <figcaption><span>${language ? sanitize(language).slice(0, 32) : ''}</span><${CopyButton} text=${() => code} /></figcaption>
    <pre tabindex="0"><code>${spans.map(({ text, className }) => (className ? html`<span class=${className}>${text}</span>` : text))}</code></pre>
  </figure>`;
}

/** A long text of which more is shown on request. `omitted` characters between `text` and `tail` are not available.
 * @param {{ text: string, render: (text: string) => any, omitted?: number, tail?: string }} props */
function ChunkedText({ text, render, omitted = 0, tail = '' }) {
  const [shown, setShown] = useState(CHUNK);
  const end = chunkEnd(text, shown);
  const rest = text.length - end;
  const chunk = useMemo(() => render(text.slice(0, end)), [text, end, render]);
  const renderedTail = useMemo(() => (rest === 0 && tail ? render(tail.slice(-CHUNK)) : null), [rest, tail, render]);
  return html`<div class="steps">
    ${chunk}
    ${rest > 0 && html`<p class="steps-more">
      <button type="button" class="text-button" onClick=${() => setShown(shown + CHUNK * Math.max(1, Math.floor(shown / CHUNK)))}>
        ${t('run.show_rest', { count: rest })}
      </button>
    </p>`}
    ${rest === 0 && omitted > 0 && html`<p class="steps-more">${t('run.omitted', { count: omitted + Math.max(0, tail.length - CHUNK) })}</p>`}
    ${renderedTail}
  </div>`;
}

/** The end of the chunk near `index`: at a line break if there is one shortly before, never inside a surrogate pair.
 * @param {string} text @param {number} index */
function chunkEnd(text, index) {
  if (text.length <= index) return text.length;
  const line = text.lastIndexOf('\n', index);
  if (line > index - 2_000 && line > 0) return line + 1;
  const code = text.charCodeAt(index);
  return code >= 0xdc00 && code <= 0xdfff ? index + 1 : index;
}

/** Text with ANSI escape sequences. @param {{ text: string, omitted?: number, tail?: string }} props */
export function TerminalOutput({ text, omitted, tail }) {
  return html`<${ChunkedText} text=${text} render=${renderAnsi} omitted=${omitted} tail=${tail} />`;
}

/** @param {string} text */
function renderAnsi(text) {
  return html`<pre class="terminal" tabindex="0">${parseAnsi(text).map(({ text: content, style }) => {
    const classes = [];
    const inline = { ...(typeof style.fg === 'string' && { color: style.fg }), ...(typeof style.bg === 'string' && { backgroundColor: style.bg }) };
    if (typeof style.fg === 'number') classes.push(`fg-${style.fg}`);
    if (typeof style.bg === 'number') classes.push(`bg-${style.bg}`);
    for (const name of /** @type {const} */ (['bold', 'dim', 'italic', 'underline', 'inverse', 'strike'])) if (style[name]) classes.push(name);
    return classes.length || Object.keys(inline).length ? h('span', { class: classes.join(' '), style: inline }, content) : content;
  })}</pre>`;
}

/** Monospaced text without interpretation of escape sequences. @param {{ text: string, omitted?: number, tail?: string, language?: string }} props */
export function PlainText({ text, omitted, tail, language }) {
  const render = useMemo(() => (/** @type {string} */ chunk) => html`<pre class="plain" tabindex="0">${
    highlight(sanitize(chunk), language).map(({ text: content, className }) => (className ? html`<span class=${className}>${content}</span>` : content))
  }</pre>`, [language]);
  return html`<${ChunkedText} text=${text} render=${render} omitted=${omitted} tail=${tail} />`;
}

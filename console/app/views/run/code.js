// Text of programs: code with colours, output of terminals, and what is too long to be shown at once.

import { h, html, useMemo, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { CopyButton } from '../../ui/button.js';
import { ansi } from './ansi.js';
import { highlight } from './highlight.js';
import { visible } from './sanitize.js';

/** How much of a long text is shown at first, and how much more with each step, in characters. */
export const STEP = 20_000;

/** @param {{ code: string, language: string | undefined }} props */
export function CodeBlock({ code, language }) {
  const runs = useMemo(() => highlight(visible(code), language), [code, language]);
  return html`<figure class="code">
    <figcaption><span>${language ? visible(language).slice(0, 32) : ''}</span><${CopyButton} text=${() => code} /></figcaption>
    <pre tabindex="0"><code>${runs.map(({ text, className }) => (className ? html`<span class=${className}>${text}</span>` : text))}</code></pre>
  </figure>`;
}

/** Text that is shown in steps if it is long. `render` makes of the part what is to be seen.
 * @param {{ text: string, render: (text: string) => any, omitted?: number, tail?: string }} props */
export function Steps({ text, render, omitted = 0, tail = '' }) {
  const [shown, setShown] = useState(STEP);
  const end = boundary(text, shown);
  const rest = text.length - end;
  const part = useMemo(() => render(text.slice(0, end)), [text, end, render]);
  const last = useMemo(() => (rest === 0 && tail ? render(tail.slice(-STEP)) : null), [rest, tail, render]);
  return html`<div class="steps">
    ${part}
    ${rest > 0 && html`<p class="steps-more">
      <button type="button" class="text-button" onClick=${() => setShown(shown + STEP * Math.max(1, Math.floor(shown / STEP)))}>
        ${t('run.showMore', { rest })}
      </button>
    </p>`}
    ${rest === 0 && omitted > 0 && html`<p class="steps-more">${t('run.omitted', { count: omitted + Math.max(0, tail.length - STEP) })}</p>`}
    ${last}
  </div>`;
}

/** Where to cut near `at`: after a line's end if there is one not far before, and never between the halves of a pair.
 * @param {string} text @param {number} at */
function boundary(text, at) {
  if (text.length <= at) return text.length;
  const line = text.lastIndexOf('\n', at);
  if (line > at - 2_000 && line > 0) return line + 1;
  const letter = text.charCodeAt(at);
  return letter >= 0xdc00 && letter <= 0xdfff ? at + 1 : at;
}

/** What a program wrote for a terminal. @param {{ text: string, omitted?: number, tail?: string }} props */
export function Terminal({ text, omitted, tail }) {
  return html`<${Steps} text=${text} render=${terminal} omitted=${omitted} tail=${tail} />`;
}

/** @param {string} text */
function terminal(text) {
  return html`<pre class="terminal" tabindex="0">${ansi(text).map(({ text: run, style }) => {
    const classes = [];
    const own = { ...(typeof style.fg === 'string' && { color: style.fg }), ...(typeof style.bg === 'string' && { backgroundColor: style.bg }) };
    if (typeof style.fg === 'number') classes.push(`fg-${style.fg}`);
    if (typeof style.bg === 'number') classes.push(`bg-${style.bg}`);
    for (const name of /** @type {const} */ (['bold', 'dim', 'italic', 'underline', 'inverse', 'strike'])) if (style[name]) classes.push(name);
    return classes.length || Object.keys(own).length ? h('span', { class: classes.join(' '), style: own }, run) : run;
  })}</pre>`;
}

/** Any text in the letters of code, with nothing in it obeyed. @param {{ text: string, omitted?: number, tail?: string, language?: string }} props */
export function Plain({ text, omitted, tail, language }) {
  const render = useMemo(() => (/** @type {string} */ part) => html`<pre class="plain" tabindex="0">${
    highlight(visible(part), language).map(({ text: run, className }) => (className ? html`<span class=${className}>${run}</span>` : run))
  }</pre>`, [language]);
  return html`<${Steps} text=${text} render=${render} omitted=${omitted} tail=${tail} />`;
}

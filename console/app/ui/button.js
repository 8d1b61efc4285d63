/** Buttons. */
import { html, useEffect, useState } from '../html.js';
import { Icon } from '../icons.js';
import { t } from '../i18n.js';
import { Spinner } from './misc.js';

/**
 * A button with a text. While `busy` it cannot be pressed again and keeps its width. With `href` it is a link that looks like one.
 * @param {{kind?: 'plain' | 'primary' | 'danger' | 'quiet', icon?: import('../icons.js').IconName, busy?: boolean, disabled?: boolean,
 *   href?: string, type?: string, children?: any, class?: string, onClick?: (event: MouseEvent) => void, [rest: string]: any}} props
 */
export function Button({ kind = 'plain', icon, busy = false, disabled = false, href, type = 'button', children, class: more = '', ...rest }) {
  const inside = html`${busy ? html`<${Spinner} />` : icon && html`<${Icon} name=${icon} />`}<span>${children}</span>`;
  const style = `button button-${kind} ${more}`;
  return href === undefined
    ? html`<button type=${type} class=${style} disabled=${disabled || busy} aria-busy=${busy ? 'true' : undefined} ...${rest}>${inside}</button>`
    : html`<a href=${href} class=${style} ...${rest}>${inside}</a>`;
}

/**
 * A button with an icon alone; `label` says what it does to those who do not see it, and to those who point at it.
 * @param {{icon: import('../icons.js').IconName, label: string, onClick?: (event: MouseEvent) => void, class?: string, [rest: string]: any}} props
 */
export function IconButton({ icon, label, class: more = '', ...rest }) {
  return html`<button type="button" class="icon-button ${more}" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}

/**
 * Copies a text, and says for a moment that it has.
 * @param {{text: string | (() => string), label?: string, withText?: boolean}} props
 */
export function CopyButton({ text, label = t('copy'), withText = false }) {
  const [done, setDone] = useState(false);
  useEffect(() => {
    if (!done) return undefined;
    const timer = setTimeout(() => setDone(false), 1600);
    return () => clearTimeout(timer);
  }, [done]);
  const copy = async () => {
    setDone(await copyText(typeof text === 'function' ? text() : text));
  };
  return html`
    ${withText
      ? html`<${Button} kind="quiet" icon=${done ? 'check' : 'copy'} onClick=${copy}>${done ? t('copied') : label}<//>`
      : html`<${IconButton} icon=${done ? 'check' : 'copy'} label=${done ? t('copied') : label} onClick=${copy} />`}
    <span class="unseen" role="status">${done ? t('copied') : ''}</span>`;
}

/** Copies a text; `false` where the browser does not let us. @param {string} text @returns {Promise<boolean>} */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Forbidden, or the page has not the focus. The old way may still do.
    }
  }
  // Over plain http from another machine there is no clipboard, so a field is selected for a moment and copied from.
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'unseen';
  document.body.append(field);
  field.select();
  const done = document.execCommand('copy');
  field.remove();
  return done;
}

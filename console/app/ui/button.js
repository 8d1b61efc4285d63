/** Buttons. */
import { html, useEffect, useState } from '../html.js';
import { Icon } from '../icons.js';
import { t } from '../i18n.js';
import { Spinner } from './spinner.js';

/**
 * A button with a label. While `busy` it is disabled and keeps its width. With `href` it is rendered as a link.
 * @param {{kind?: 'plain' | 'primary' | 'danger' | 'quiet', icon?: import('../icons.js').IconName, busy?: boolean, disabled?: boolean,
 *   href?: string, type?: string, children?: any, class?: string, onClick?: (event: MouseEvent) => void, [rest: string]: any}} props
 */
export function Button({ kind = 'plain', icon, busy = false, disabled = false, href, type = 'button', children, class: className = '', ...rest }) {
  const content = html`${busy ? html`<${Spinner} />` : icon && html`<${Icon} name=${icon} />`}<span>${children}</span>`;
  const style = `button button-${kind} ${className}`;
  return href === undefined
    ? html`<button type=${type} class=${style} disabled=${disabled || busy} aria-busy=${busy ? 'true' : undefined} ...${rest}>${content}</button>`
    : html`<a href=${href} class=${style} ...${rest}>${content}</a>`;
}

/**
 * An icon-only button. `label` is its accessible name and tooltip.
 * @param {{icon: import('../icons.js').IconName, label: string, onClick?: (event: MouseEvent) => void, class?: string, [rest: string]: any}} props
 */
export function IconButton({ icon, label, class: className = '', ...rest }) {
  return html`<button type="button" class="icon-button ${className}" aria-label=${label} title=${label} ...${rest}><${Icon} name=${icon} /></button>`;
}

/**
 * A button that copies a text and confirms it for a moment.
 * @param {{text: string | (() => string), label?: string, withText?: boolean}} props
 */
export function CopyButton({ text, label = t('copy'), withText = false }) {
  const [isCopied, setCopied] = useState(false);
  useEffect(() => {
    if (!isCopied) return undefined;
    const timer = setTimeout(() => setCopied(false), 1600);
    return () => clearTimeout(timer);
  }, [isCopied]);
  const copy = async () => {
    setCopied(await copyText(typeof text === 'function' ? text() : text));
  };
  return html`
    ${withText
      ? html`<${Button} kind="quiet" icon=${isCopied ? 'check' : 'copy'} onClick=${copy}>${isCopied ? t('copied') : label}<//>`
      : html`<${IconButton} icon=${isCopied ? 'check' : 'copy'} label=${isCopied ? t('copied') : label} onClick=${copy} />`}
    <span class="visually-hidden" role="status">${isCopied ? t('copied') : ''}</span>`;
}

/** Copies a text. @param {string} text @returns {Promise<boolean>} false if the browser blocks it */
export async function copyText(text) {
  if (navigator.clipboard) {
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // Not permitted, or the page is not focused. Try the legacy way.
    }
  }
  // The clipboard API needs a secure context. Without it, copy from a temporary text field.
  const field = document.createElement('textarea');
  field.value = text;
  field.className = 'visually-hidden';
  document.body.append(field);
  field.select();
  const isDone = document.execCommand('copy');
  field.remove();
  return isDone;
}

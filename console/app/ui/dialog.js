/** Dialogs. The browser's own: it keeps the focus inside, gives it back, and closes on Escape. */
import { html, signal, useEffect, useId, useRef } from '../html.js';
import { t } from '../i18n.js';
import { Button, IconButton } from './button.js';

/**
 * @param {{title: string, onClose: () => void, children?: any, actions?: any, class?: string}} props `onClose` is called for each way of
 *   leaving; whoever shows the dialog then no longer does.
 */
export function Dialog({ title, onClose, children, actions, class: more = '' }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  useEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    return () => dialog?.close();
  }, []);
  const onClick = (/** @type {MouseEvent} */ event) => {
    // Only the scrim around it is the dialog element itself.
    if (event.target === ref.current) onClose();
  };
  return html`
    <dialog ref=${ref} class="dialog ${more}" aria-labelledby=${id} onClick=${onClick}
        onCancel=${(/** @type {Event} */ event) => { event.preventDefault(); onClose(); }}>
      <div class="dialog-inside">
        <header><h2 id=${id}>${title}</h2><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></header>
        <div class="dialog-body">${children}</div>
        ${actions && html`<footer>${actions}</footer>`}
      </div>
    </dialog>`;
}

/** @typedef {{title: string, text: string, action: string, danger?: boolean, answer: (yes: boolean) => void}} Question */

/** What is asked at the moment. @type {import('../../vendor/vendor.js').Signal<Question | null>} */
const asked = signal(null);

/**
 * Asks before something that cannot be taken back.
 * @param {{title: string, text: string, action: string, danger?: boolean}} question @returns {Promise<boolean>}
 */
export function confirm(question) {
  asked.value?.answer(false);
  return new Promise((resolve) => {
    asked.value = { ...question, answer: (yes) => { asked.value = null; resolve(yes); } };
  });
}

/** Where such questions are shown; once in the page. */
export function Questions() {
  const question = asked.value;
  if (question === null) return null;
  const { title, text, action, danger, answer } = question;
  return html`<${Dialog} title=${title} onClose=${() => answer(false)} class="dialog-small"
    actions=${html`<${Button} onClick=${() => answer(false)}>${t('cancel')}<//>
      <${Button} kind=${danger ? 'danger' : 'primary'} autofocus onClick=${() => answer(true)}>${action}<//>`}><p>${text}</p><//>`;
}

/** Dialogs, using the native element: the browser traps and restores the focus and closes it on Escape. The initial focus is set here. */
import { html, signal, useId, useLayoutEffect, useRef } from '../html.js';
import { t } from '../i18n.js';
import { Button, IconButton } from './button.js';

/**
 * @param {{title: string, onClose: () => void, children?: any, actions?: any, class?: string}} props `onClose` has to stop rendering the dialog
 */
export function Dialog({ title, onClose, children, actions, class: className = '' }) {
  const ref = useRef(/** @type {HTMLDialogElement | null} */ (null));
  const id = useId();
  // Before the next key press, which belongs to the dialog.
  useLayoutEffect(() => {
    const dialog = ref.current;
    dialog?.showModal();
    /** @type {HTMLElement | null | undefined} */ (dialog?.querySelector('[data-initial-focus], .dialog-body :is(input, select, textarea)'))?.focus();
    return () => dialog?.close();
  }, []);
  const onClick = (/** @type {MouseEvent} */ event) => {
    // A click on the backdrop targets the dialog element itself.
    if (event.target === ref.current) onClose();
  };
  return html`
    <dialog ref=${ref} class="dialog ${className}" aria-labelledby=${id} onClick=${onClick}
        onCancel=${(/** @type {Event} */ event) => { event.preventDefault(); onClose(); }}>
      <div class="dialog-inside">
        <header><h2 id=${id}>${title}</h2><${IconButton} icon="close" label=${t('close')} onClick=${onClose} /></header>
        <div class="dialog-body">${children}</div>
        ${actions && html`<footer>${actions}</footer>`}
      </div>
    </dialog>`;
}

/** Asks before an action. With `danger` the button that dismisses has the focus, so that a stray Enter confirms nothing.
 * @typedef {{title: string, text: string, action: string, dismiss?: string, danger?: boolean}} Confirmation */

/** The open confirmation. @type {import('../../vendor/vendor.js').Signal<(Confirmation & {resolve: (confirmed: boolean) => void}) | null>} */
const pending = signal(null);

/** Asks the user to confirm an action. @param {Confirmation} confirmation @returns {Promise<boolean>} */
export function confirm(confirmation) {
  pending.value?.resolve(false);
  return new Promise((done) => {
    pending.value = { ...confirmation, resolve: (confirmed) => { pending.value = null; done(confirmed); } };
  });
}

/** Renders the dialog of {@link confirm}. Belongs in the page once. */
export function ConfirmDialog() {
  if (pending.value === null) return null;
  const { title, text, action, dismiss = t('cancel'), danger, resolve } = pending.value;
  return html`<${Dialog} title=${title} onClose=${() => resolve(false)} class="dialog-small"
    actions=${html`<${Button} data-initial-focus=${danger ? '' : undefined} onClick=${() => resolve(false)}>${dismiss}<//>
      <${Button} kind=${danger ? 'danger' : 'primary'} data-initial-focus=${danger ? undefined : ''} onClick=${() => resolve(true)}>${action}<//>`}><p>${text}</p><//>`;
}

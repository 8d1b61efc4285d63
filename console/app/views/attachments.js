/** Images and files that are pasted, dropped or chosen. */
import { MAX_BYTES, MAX_PARTS, sizeOf, toPart } from '../data/attachments.js';
import { bytes } from '../format.js';
import { html, useRef } from '../html.js';
import { t } from '../i18n.js';
import { Icon } from '../icons.js';
import { IconButton } from '../ui/button.js';
import { toast } from '../ui/toast.js';

/** @typedef {import('../data/attachments.js').Part} Part */

/**
 * Adds files to a list of parts. Says why, if a file cannot be added.
 * @param {Part[]} parts @param {Iterable<File>} files @param {{ images?: boolean, files?: boolean }} capabilities of the agent @returns {Promise<Part[]>}
 */
export async function addFiles(parts, files, capabilities) {
  const all = [...parts];
  for (const file of files) {
    const total = all.reduce((sum, part) => sum + sizeOf(part), file.size);
    if (all.length >= MAX_PARTS || total > MAX_BYTES) {
      toast(t('attach.too_large', { count: MAX_PARTS, size: bytes(MAX_BYTES) }), 'err');
      break;
    }
    const part = await toPart(file, all.map(({ name }) => name));
    if (capabilities[part.type === 'image' ? 'images' : 'files'] === false) toast(t(part.type === 'image' ? 'attach.no_images' : 'attach.no_files'), 'err');
    else all.push(part);
  }
  return all;
}

/** Handlers of an element that takes files. @param {(files: File[]) => void} onFiles */
export function fileHandlers(onFiles) {
  const take = (/** @type {Event} */ event, /** @type {DataTransfer | null} */ data) => {
    const files = [...data?.files ?? []];
    if (files.length === 0) return;
    event.preventDefault();
    onFiles(files);
  };
  return {
    onPaste: (/** @type {ClipboardEvent} */ event) => take(event, event.clipboardData),
    onDrop: (/** @type {DragEvent} */ event) => take(event, event.dataTransfer),
    onDragOver: (/** @type {DragEvent} */ event) => { if (event.dataTransfer?.types.includes('Files')) event.preventDefault(); },
  };
}

/** The parts with a button to remove each. @param {{ parts: Part[], onChange: (parts: Part[]) => void }} props */
export function AttachmentList({ parts, onChange }) {
  if (parts.length === 0) return null;
  return html`<ul class="attachments" aria-label=${t('attach.list')}>${parts.map((part, index) => html`<li key=${part.name}><${Icon} name="file" /><span>${part.name}</span>
    <span class="faint">${bytes(sizeOf(part))}</span><${IconButton} icon="close" label=${t('attach.remove', { name: part.name })} onClick=${() => onChange(parts.filter((_, at) => at !== index))} /></li>`)}</ul>`;
}

/** A button that opens the browser's file dialog. @param {{ onFiles: (files: File[]) => void }} props */
export function AttachButton({ onFiles }) {
  const input = useRef(/** @type {HTMLInputElement | null} */ (null));
  const onChange = () => {
    onFiles([...input.current?.files ?? []]);
    if (input.current) input.current.value = '';
  };
  return html`<${IconButton} icon="attach" label=${t('attach.add')} onClick=${() => input.current?.click()} />
    <input ref=${input} type="file" multiple hidden onChange=${onChange} />`;
}

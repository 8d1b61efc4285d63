/** One file of a run: its content, and an editor. */
import { readDraft, writeDraft } from '../../data/drafts.js';
import { MAX_SHOWN, downloadFile, encodeText, hasChanged, loadContent, nameOf, writeFile } from '../../data/files.js';
import { useFetch } from '../../data/fetch.js';
import { bytes } from '../../format.js';
import { html, useEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Button, CopyButton } from '../../ui/button.js';
import { confirm } from '../../ui/dialog.js';
import { useInitialFocus } from '../../ui/focus.js';
import { Problem } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';
import { toast, toastProblem } from '../../ui/toast.js';
import { PlainText } from './code.js';
import { languageOf } from './highlight.js';
import { sanitizeLine } from './sanitize.js';
import { save } from './share.js';

/** An unsaved text, with the `ETag` of the file that it is to replace. @typedef {{ text: string, etag: string }} Draft */

/** A text as a text field has it. @param {string} text */
const fieldText = (text) => text.replaceAll('\r\n', '\n');

/** @param {{ run: import('./live_run.js').LiveRun, entry: import('../../data/files.js').Entry, canWrite: boolean, onClose: () => void, onSaved: () => void }} props */
export function FileView({ run, entry, canWrite, onClose, onSaved }) {
  const draftName = `file ${run.id} ${entry.path}`;
  const [draft, setDraftState] = useState(/** @type {Draft | null} */ (readDraft(draftName) ?? null));
  const heading = useRef(/** @type {HTMLElement | null} */ (null));
  useInitialFocus(heading);
  const { data: content, problem, reload } = useFetch((signal) => loadContent(run.id, entry, signal), [run.id, entry.path]);
  const setDraft = (/** @type {Draft | null} */ value) => {
    writeDraft(draftName, value ?? undefined);
    setDraftState(value);
    if (value === null) heading.current?.focus();
  };
  const isText = content?.kind === 'text';
  const canEdit = canWrite && isText && content.newline !== null;
  return html`<section class="box file-view" aria-label=${sanitizeLine(entry.path)}>
    <div class="changes-bar file-bar"><h2 ref=${heading} tabindex="-1">${sanitizeLine(nameOf(entry.path))}</h2><span class="grow"></span>
      ${isText && !content.isCut && draft === null && html`<${CopyButton} text=${content.text} label=${t('copy')} withText />`}
      ${canEdit && draft === null && html`<${Button} kind="quiet" icon="edit" onClick=${() => setDraft({ text: fieldText(content.text), etag: content.etag })}>${t('files.edit')}<//>`}
      <${Button} kind="quiet" icon="download" onClick=${() => downloadFile(run.id, entry.path).then((blob) => save(blob, nameOf(entry.path)), toastProblem)}>${t('files.download')}<//>
      <${Button} kind="quiet" icon="close" onClick=${onClose}>${t('close')}<//></div>
    <${Problem} problem=${problem} onRetry=${reload} />
    ${content === null && !problem && html`<p class="pad"><${Spinner} label=${t('loading')} /></p>`}
    ${content && (draft !== null && isText && content.newline !== null ? html`<${Editor} runId=${run.id} path=${entry.path} newline=${content.newline} original=${fieldText(content.text)} draft=${draft} setDraft=${setDraft} canWrite=${canWrite}
      onSaved=${() => { setDraft(null); reload(); onSaved(); }} />` : html`<${Shown} content=${content} path=${entry.path} />`)}
  </section>`;
}

/** @param {{ content: import('../../data/files.js').Content, path: string }} props */
function Shown({ content, path }) {
  if (content.kind === 'image') return html`<p class="pad file-image"><img src=${content.url} alt=${sanitizeLine(nameOf(path))} /></p>`;
  if (content.kind === 'binary') return html`<p class="hint pad">${t('files.binary')}</p>`;
  if (content.text === '') return html`<p class="hint pad">${t('files.empty')}</p>`;
  return html`<${PlainText} text=${content.text} language=${languageOf(path)} />${content.isCut && html`<p class="hint pad">${t('files.cut', { size: bytes(MAX_SHOWN) })}</p>`}`;
}

/** @param {{ runId: string, path: string, newline: '\n' | '\r\n', original: string, draft: Draft, setDraft: (draft: Draft | null) => void, canWrite: boolean, onSaved: () => void }} props */
function Editor({ runId, path, newline, original, draft, setDraft, canWrite, onSaved }) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  useEffect(() => field.current?.focus(), []);
  const submit = async () => {
    if (isBusy || !canWrite) return;
    setBusy(true);
    setProblem(null);
    try {
      const isConfirmed = !await hasChanged(runId, path, draft.etag)
        || await confirm({ title: t('files.changed_title'), text: t('files.changed_text', { name: sanitizeLine(nameOf(path)) }), action: t('files.overwrite'), danger: true });
      if (isConfirmed) {
        await writeFile(runId, path, encodeText(draft.text, newline));
        toast(t('files.saved'));
        return onSaved();
      }
    } catch (error) {
      setProblem(error);
    }
    return setBusy(false);
  };
  const cancel = async () => {
    if (draft.text === original || await confirm({ title: t('files.discard_title'), text: sanitizeLine(path), action: t('files.discard'), danger: true })) setDraft(null);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (!(event.ctrlKey || event.metaKey) || (event.key !== 's' && event.key !== 'Enter')) return;
    event.preventDefault();
    void submit();
  };
  // Tab leaves the field: a keyboard trap would be worse than the missing indentation.
  return html`<form class="file-editor" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); void submit(); }} onKeyDown=${onKeyDown}>
    <textarea ref=${field} class="mono" aria-label=${t('files.content', { name: sanitizeLine(nameOf(path)) })} value=${draft.text} spellcheck=${false} autocomplete="off" autocapitalize="off" wrap="off" rows="20"
      onInput=${(/** @type {any} */ event) => setDraft({ ...draft, text: event.target.value })}></textarea>
    <${Problem} problem=${problem} />
    <div class="comment-actions"><${Button} onClick=${() => void cancel()}>${t('cancel')}<//><${Button} kind="primary" type="submit" busy=${isBusy} disabled=${!canWrite}>${t('save')}<//></div>
  </form>`;
}

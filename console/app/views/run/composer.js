/** The message field: sends to a live run, or continues the session of an ended one. */
import { acceptsMessages, agentCapabilities, loadAgentCapabilities } from '../../data/agent_capabilities.js';
import { commentsMessage, removeComments, writtenComments } from '../../data/comments.js';
import { readDraft, writeDraft } from '../../data/drafts.js';
import { isLive } from '../../data/run_status.js';
import { html, useEffect, useId, useRef, useState } from '../../html.js';
import { request } from '../../api.js';
import { t } from '../../i18n.js';
import { Button, IconButton } from '../../ui/button.js';
import { confirm } from '../../ui/dialog.js';
import { problemText } from '../../ui/problem.js';
import { useShortcuts } from '../../ui/shortcuts.js';
import { toast } from '../../ui/toast.js';
import { AttachButton, AttachmentList, addFiles, fileHandlers } from '../attachments.js';
import { confirmCancel } from '../run_actions.js';
import { CommandList, matchingCommands } from './slash_commands.js';

/** On touch screens, Enter on the keyboard starts a new line, since there is no Shift+Enter; messages are sent with the button. */
const isTouchScreen = matchMedia('(pointer: coarse)');

const newIdempotencyKey = () => crypto.randomUUID?.() ?? String(Math.random());

/** @param {{ run: import('./live_run.js').LiveRun, onContinue: (id: string) => void }} props `onContinue` receives the new run of the session */
export function Composer({ run, onContinue }) {
  useEffect(() => void loadAgentCapabilities(), []);
  const [text, setText] = useState('');
  const [mode, setMode] = useState('queue');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [parts, setParts] = useState(/** @type {import('../../data/attachments.js').Part[]} */ ([]));
  const [selected, setSelected] = useState(0);
  const [isListClosed, setListClosed] = useState(false);
  const listId = useId();
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  // The key of a message is kept until it is accepted, so that a retry after a lost response does not send it twice.
  const sent = useRef({ message: '', key: newIdempotencyKey() });
  useShortcuts([{ key: 'm', label: t('shortcuts.message'), run: () => field.current?.focus() }]);

  // The record of a run that has just been started arrives shortly. Until then, that of the previous one keeps the field in place.
  const kept = useRef(run.record.value);
  const record = run.record.value ?? kept.current;
  kept.current = record;
  const draftName = record ? `message ${record.session_id}` : null;
  useEffect(() => { if (draftName) setText(readDraft(draftName) ?? ''); }, [draftName]);
  const { status } = run;
  const isRunLive = isLive(status);
  const capabilities = agentCapabilities.value?.get(record?.agent_type) ?? {};
  const isEnabled = record !== null && acceptsMessages(record.agent_type, status);
  const comments = record ? writtenComments(record.session_id) : [];
  const isEmpty = !text.trim() && parts.length === 0 && comments.length === 0;
  const offered = isListClosed ? [] : matchingCommands(run.model.commands, text);
  const choose = (/** @type {{ name: string }} */ { name }) => { update(`/${name} `); field.current?.focus(); };
  const addParts = async (/** @type {File[]} */ files) => {
    if (isRunLive) toast(t('attach.not_live'), 'err');
    else setParts(await addFiles(parts, files, capabilities));
  };
  const update = (/** @type {string} */ value) => {
    setSelected(0);
    setListClosed(false);
 if (draftName) writeDraft(draftName, value === '' ? undefined : value); setText(value); };

  useEffect(() => {
    // Fit the height to the text, up to the limit in the style sheet.
    if (!field.current) return;
    field.current.style.height = 'auto';
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [text, isEnabled]);

  const send = async () => {
    if (isEmpty || isBusy || !record) return;
    setBusy(true);
    setProblem(null);
    const message = comments.length > 0 ? commentsMessage(comments, text) : text;
    if (sent.current.message !== message) sent.current = { message, key: newIdempotencyKey() };
    const { key } = sent.current;
    try {
      const response = isRunLive ? await run.sendMessage(message, mode, key) : await continueSession(record, message, parts, key);
      update('');
      setParts([]);
      removeComments(record.session_id, comments.map(({ id }) => id));
      sent.current = { message: '', key: newIdempotencyKey() };
      if (!isRunLive) onContinue(response.run_id);
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
    field.current?.focus();
  };
  const stop = async () => {
    if (await confirmCancel(record ?? {})) await run.cancel().catch(setProblem);
  };
  const discardComments = async () => {
    const confirmed = await confirm({ title: t('comments.discard_title'), text: t('comments.count', { count: comments.length }), action: t('comments.discard'), danger: true });
    if (confirmed && record) removeComments(record.session_id, comments.map(({ id }) => id));
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (offered.length > 0 && !event.isComposing) {
      const by = event.key === 'ArrowDown' ? 1 : event.key === 'ArrowUp' ? -1 : 0;
      if (by !== 0) setSelected((selected + by + offered.length) % offered.length);
      else if (event.key === 'Tab' || (event.key === 'Enter' && text !== `/${offered[selected].name}`)) choose(offered[selected]);
      else if (event.key === 'Escape') setListClosed(true);
      if (by !== 0 || ['Tab', 'Escape'].includes(event.key) || (event.key === 'Enter' && text !== `/${offered[selected].name}`)) return event.preventDefault();
    }
    if (event.key === 'Escape') field.current?.blur();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || isTouchScreen.matches) return;
    event.preventDefault();
    void send();
  };

  if (!isEnabled) return html`<p class="composer-closed faint">${record ? t(status === 'stopping' ? 'run.stopping' : isRunLive ? 'run.no_messages' : 'run.no_resume') : ''}</p>`;
  const modes = ['queue', ...(capabilities.steer ? ['steer'] : []), ...(capabilities.interrupt ? ['interrupt'] : [])];
  const label = t(isRunLive ? 'run.message' : 'run.continue');
  return html`<form class="composer" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); void send(); }}>
    ${problem && html`<p class="line" data-level="error" role="alert">${problemText(problem)}</p>`}
    ${offered.length > 0 && html`<${CommandList} id=${listId} commands=${offered} selected=${selected} onChoose=${choose} />`}
    <div class="composer-box" ...${fileHandlers((files) => void addParts(files))}>
      <${AttachmentList} parts=${parts} onChange=${setParts} />
      <div role="status">${comments.length > 0 && html`<p class="comments-note"><span>${t('comments.count', { count: comments.length })}</span> <span class="faint">${t('comments.hint')}</span>
        <${IconButton} icon="trash" label=${t('comments.discard')} onClick=${() => void discardComments()} /></p>`}</div>
      <textarea ref=${field} rows="1" enterkeyhint=${isTouchScreen.matches ? 'enter' : 'send'} value=${text} aria-label=${label} placeholder=${label}
        ...${offered.length > 0 ? { role: 'combobox', 'aria-expanded': 'true', 'aria-controls': listId, 'aria-activedescendant': `${listId}-${selected}` } : {}}
        onInput=${(/** @type {any} */ event) => update(event.target.value)} onKeyDown=${onKeyDown}></textarea>
      <div class="composer-foot">
        ${isRunLive && modes.length > 1 && html`<div class="modes" role="radiogroup" aria-label=${t('run.modes')}>
          ${modes.map((name) => html`<label title=${t(`run.mode.${name}_hint`)}><input type="radio" name="mode" value=${name} checked=${mode === name} onChange=${() => setMode(name)} />
            <span>${t(`run.mode.${name}`)}</span></label>`)}</div>`}
        ${!isRunLive && html`<${AttachButton} onFiles=${addParts} />`}
        ${!isRunLive && html`<span class="faint">${t('run.continue_hint')}</span>`}
        <span class="grow"></span>
        ${isRunLive && html`<${Button} kind="quiet" icon="stop" onClick=${() => void stop()}>${t('runs.cancel')}<//>`}
        <${IconButton} icon="send" label=${t('run.send')} type="submit" class="send" disabled=${isEmpty || isBusy} />
      </div>
    </div>
  </form>`;
}

/** Starts a run in the same session, with the settings of the last one that a session does not keep itself.
 * @param {import('./live_run.js').RunRecord} record @param {string} text @param {import('../../data/attachments.js').Part[]} parts @param {string} idempotencyKey */
function continueSession(record, text, parts, idempotencyKey) {
  const { session_id, model, permission_mode, permission_rules, timeout_secs, max_cost_usd, max_tokens, max_turns, on_rate_limit, max_wait_secs, labels } = record;
  const metadata = { session_id, permission_mode, timeout_secs, max_cost_usd, max_tokens, max_turns, on_rate_limit, max_wait_secs, labels, ...(model && { model }), ...(permission_rules && { permission_rules }) };
  return request('POST', '/api/runs', { input: { ...(text.trim() && { text }), ...(parts.length > 0 && { parts }) }, metadata }, { headers: { 'Idempotency-Key': idempotencyKey } });
}

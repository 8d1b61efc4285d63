// Where one writes to the agent: into a live run, or, when it has ended, to go on with its session.

import { html, signal, useEffect, useRef, useState } from '../../html.js';
import { request } from '../../api.js';
import { t } from '../../i18n.js';
import { navigate } from '../../router.js';
import { Button, IconButton } from '../../ui/button.js';
import { isLive, wordsOf } from '../../ui/misc.js';
import { useShortcuts } from '../../ui/shortcuts.js';

/** What each agent can do, by name; asked for once. @type {import('../../../vendor/vendor.js').Signal<Map<string, any> | null>} */
const agents = signal(null);
let isAsked = false;

async function loadAgents() {
  if (isAsked) return;
  isAsked = true;
  try {
    const { items } = await request('GET', '/api/agents');
    agents.value = new Map(items.map((/** @type {any} */ agent) => [agent.name, agent.capabilities]));
  } catch {
    // Without this the composer offers what every agent takes; the server says what does not go.
    isAsked = false;
  }
}

/** What is written and not sent, by run. @type {Map<string, string>} */
const drafts = new Map();

/** @param {{ run: import('./live_run.js').LiveRun }} props */
export function Composer({ run }) {
  useEffect(() => void loadAgents(), []);
  const [text, setText] = useState(drafts.get(run.id) ?? '');
  const [mode, setMode] = useState('queue');
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const field = useRef(/** @type {HTMLTextAreaElement | null} */ (null));
  /** The same message sent again, after an answer that was lost, is known by its key. */
  const key = useRef(crypto.randomUUID?.() ?? String(Math.random()));
  useShortcuts([{ key: 'm', label: t('run.keys.message'), run: () => field.current?.focus() }]);

  const record = run.record.value;
  const { status } = run;
  const live = isLive(status);
  const can = agents.value?.get(record?.agent_type) ?? {};
  const isOpen = record !== null && status !== 'stopping' && (live ? can.messages !== false : can.resume !== false);
  const write = (/** @type {string} */ value) => { drafts.set(run.id, value); setText(value); };

  useEffect(() => {
    // As high as its text, up to the bound in the style sheet.
    if (!field.current) return;
    field.current.style.height = 'auto';
    field.current.style.height = `${field.current.scrollHeight + 2}px`;
  }, [text, isOpen]);

  const send = async () => {
    if (!text.trim() || isBusy || !record) return;
    setBusy(true);
    setProblem(null);
    try {
      const next = live ? await run.send(text, mode, key.current) : await goOn(record, text, key.current);
      write('');
      key.current = crypto.randomUUID?.() ?? String(Math.random());
      if (!live) navigate(`/runs/${next.run_id}`);
    } catch (refusal) {
      setProblem(refusal);
    }
    setBusy(false);
    field.current?.focus();
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Escape') field.current?.blur();
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    void send();
  };

  if (!isOpen) return html`<p class="composer-closed faint">${record ? t(status === 'stopping' ? 'run.stopping' : live ? 'run.noMessages' : 'run.noResume') : ''}</p>`;
  const modes = ['queue', ...(can.steer ? ['steer'] : []), ...(can.interrupt ? ['interrupt'] : [])];
  return html`<form class="composer" onSubmit=${(/** @type {Event} */ event) => { event.preventDefault(); void send(); }}>
    ${problem && html`<p class="line" data-level="error" role="alert">${wordsOf(problem)}</p>`}
    <div class="composer-box">
      <textarea ref=${field} rows="1" value=${text} aria-label=${t(live ? 'run.message' : 'run.goOn')} placeholder=${t(live ? 'run.message' : 'run.goOn')}
        onInput=${(/** @type {any} */ event) => write(event.target.value)} onKeyDown=${onKeyDown}></textarea>
      <div class="composer-foot">
        ${live && modes.length > 1 && html`<div class="modes" role="radiogroup" aria-label=${t('run.modes')}>
          ${modes.map((one) => html`<label title=${t(`run.mode.${one}.why`)}><input type="radio" name="mode" value=${one} checked=${mode === one} onChange=${() => setMode(one)} />
            <span>${t(`run.mode.${one}`)}</span></label>`)}</div>`}
        ${!live && html`<span class="faint">${t('run.goOn.why')}</span>`}
        <span class="grow"></span>
        ${live && html`<${Button} kind="quiet" icon="stop" onClick=${() => run.cancel().catch(setProblem)}>${t('run.stop')}<//>`}
        <${IconButton} icon="send" label=${t('run.send')} type="submit" class="send" disabled=${!text.trim() || isBusy} />
      </div>
    </div>
  </form>`;
}

/** A further run of the session, with what was asked of this one as far as a run of a session takes it over.
 * @param {import('./live_run.js').RunRecord} record @param {string} text @param {string} key */
function goOn(record, text, key) {
  const { session_id, model, permission_mode, permission_rules, timeout_secs, labels } = record;
  const metadata = { session_id, permission_mode, timeout_secs, labels, ...(model && { model }), ...(permission_rules && { permission_rules }) };
  return request('POST', '/api/runs', { input: { text }, metadata }, { more: { 'Idempotency-Key': key } });
}

/** The form that starts a run. */
import { request } from '../api.js';
import { readDraft, writeDraft } from '../data/drafts.js';
import { fetchAll, useFetch } from '../data/fetch.js';
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { t } from '../i18n.js';
import { navigate } from '../router.js';
import { Kbd } from '../ui/badge.js';
import { Button } from '../ui/button.js';
import { Combobox, Select, TextField } from '../ui/field.js';
import { PageHeader } from '../ui/page_header.js';
import { Problem, fieldErrorText, hasOtherErrors } from '../ui/problem.js';
import { Spinner } from '../ui/spinner.js';
import { AgentCards } from './agent_cards.js';
import { AttachButton, AttachmentList, addFiles, fileHandlers } from './attachments.js';
import { API_FIELDS, initialForm, loadChoices, profileValues, saveChoices, toRequestBody } from './new_run_form.js';

/** @typedef {import('./new_run_form.js').Form} Form */

/** @param {{sessionId: string | null}} props with a session id, the run continues that session */
export function NewRunView({ sessionId }) {
  const agents = useFetch(loadAgents, []);
  const session = useFetch((signal) => (sessionId ? request('GET', `/api/sessions/${encodeURIComponent(sessionId)}`, undefined, { signal }) : Promise.resolve(null)), [sessionId]);
  const isReady = agents.data !== null && (sessionId === null || session.data !== null);
  const title = sessionId ? t('new_run.continue') : t('nav.new_run');
  return html`<div class="view view-scroll"><${PageHeader} title=${title} />
    <div class="column">
      <${Problem} problem=${agents.problem ?? session.problem} onRetry=${agents.reload} />
      ${isReady ? html`<${NewRunForm} agents=${agents.data} session=${session.data} />` : !agents.problem && !session.problem && html`<${Spinner} label=${t('loading')} />`}
    </div></div>`;
}

/** @param {AbortSignal} signal */
async function loadAgents(signal) {
  const [health, agents] = await Promise.all([request('GET', '/health/agents', undefined, { signal }), fetchAll('/api/agents', signal)]);
  return agents.map((agent) => ({ ...health.items.find((/** @type {any} */ { agent_type }) => agent_type === agent.agent_type), ...agent }));
}

/** An idempotency key: a double click or a retry after a lost response creates one run. */
const newIdempotencyKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join('-');

/** @param {{agents: any[], session: any}} props */
function NewRunForm({ agents, session }) {
  const draftName = `new_run ${session?.session_id ?? ''}`;
  const [form, setForm] = useState(() => ({ ...initialForm(agents, session), ...readDraft(draftName) }));
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const idempotencyKey = useRef(newIdempotencyKey());
  const element = useRef(/** @type {HTMLFormElement | null} */ (null));
  const choices = useMemo(loadChoices, []);
  const agent = agents.find(({ agent_type }) => agent_type === form.agentType);
  const profiles = useFetch((signal) => fetchAll('/api/profiles', signal), []);
  const latest = useRef(form);
  latest.current = form;
  const set = (/** @type {Partial<Form>} */ change) => {
    idempotencyKey.current = newIdempotencyKey();
    const next = { ...latest.current, ...change };
    latest.current = next;
    writeDraft(draftName, next);
    setForm(next);
  };
  const addParts = async (/** @type {File[]} */ files) => {
    const parts = await addFiles(latest.current.parts, files, agent?.capabilities ?? {});
    set({ parts });
  };
  const canAsk = agent?.capabilities.permissions !== false;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setProblem(null);
    try {
      const run = await request('POST', '/api/runs', toRequestBody(form, session, canAsk), { headers: { 'Idempotency-Key': idempotencyKey.current } });
      saveChoices(form);
      writeDraft(draftName, undefined);
      navigate(`/runs/${run.run_id}`);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) element.current?.requestSubmit();
  };
  useEffect(() => {
    if (problem) /** @type {HTMLElement | null} */ (element.current?.querySelector('[aria-invalid=true], [role=alert]'))?.focus();
  }, [problem]);
  const errorOf = (/** @type {keyof Form} */ field) => fieldErrorText(problem, ...API_FIELDS[field]);
  const isAdvancedInvalid = ADVANCED_FIELDS.some((field) => errorOf(field) !== null);
  return html`<form class="form" ref=${element} onSubmit=${submit} onKeyDown=${onKeyDown} ...${fileHandlers((files) => void addParts(files))}>
    <${TextField} label=${t('new_run.prompt')} placeholder=${t('new_run.prompt_hint')} value=${form.prompt} onInput=${(/** @type {string} */ prompt) => set({ prompt })} rows=${6} required hasFocus error=${errorOf('prompt')} />
    <div class="attach-row"><${AttachButton} onFiles=${addParts} /><${AttachmentList} parts=${form.parts} onChange=${(/** @type {Form['parts']} */ parts) => set({ parts })} />
      ${errorOf('parts') && html`<p class="error" role="alert">${errorOf('parts')}</p>`}</div>
    ${profiles.data?.length ? html`<${Select} label=${t('new_run.profile')} value=${form.profile} error=${errorOf('profile')}
      onChange=${(/** @type {string} */ name) => set(profileValues(profiles.data?.find((profile) => profile.name === name)))} options=${[{ value: '', label: t('new_run.no_profile') }, ...profiles.data.map(({ name, description }) => ({ value: name, label: description ? `${name}: ${description}` : name }))]} />` : null}
    ${session ? html`<p class="hint">${t('new_run.session', { id: session.session_id })}</p>`
      : html`<${AgentCards} agents=${agents} chosen=${form.agentType} onChoose=${(/** @type {string} */ agentType) => set({ agentType, model: choices.models[agentType] ?? '' })} error=${errorOf('agentType')} />`}
    <div class="two">
      <${Combobox} label=${t('new_run.model')} optional=${t('optional')} placeholder=${t('new_run.model_hint')} value=${form.model} onInput=${(/** @type {string} */ model) => set({ model })}
        suggestions=${choices.recentModels[form.agentType] ?? []} disabled=${agent?.capabilities.models === false} error=${errorOf('model')} spellcheck=${false} />
      <${Combobox} label=${t('new_run.working_dir')} optional=${t('optional')} placeholder=${t('new_run.working_dir_hint')} value=${form.workingDir} onInput=${(/** @type {string} */ workingDir) => set({ workingDir })}
        suggestions=${choices.recentDirs} disabled=${session !== null} error=${errorOf('workingDir')} spellcheck=${false} />
    </div>
    ${!session && html`<div class="two">
      <${Select} label=${t('new_run.workspace')} value=${form.workspace} onChange=${(/** @type {Form['workspace']} */ workspace) => set({ workspace })} error=${errorOf('workspace')}
        hint=${form.workspace === 'worktree' ? t('new_run.worktree_hint') : undefined} options=${[{ value: '', label: t('new_run.workspace.directory') }, { value: 'worktree', label: t('new_run.workspace.worktree') }]} />
      ${form.workspace === 'worktree' && html`<${TextField} label=${t('new_run.ref')} optional=${t('optional')} placeholder=${t('new_run.ref_hint')} value=${form.ref} onInput=${(/** @type {string} */ ref) => set({ ref })}
        error=${errorOf('ref')} maxlength="200" spellcheck=${false} autocomplete="off" />`}
    </div>`}
    <${PermissionModes} chosen=${canAsk ? form.mode : 'auto'} canAsk=${canAsk} onChoose=${(/** @type {Form['mode']} */ mode) => set({ mode })} error=${errorOf('mode')} />
    <details class="advanced" open=${isAdvancedInvalid || undefined}>
      <summary>${t('new_run.advanced')}</summary>
      <div class="form">
        <div class="two">
          <${TextField} label=${t('new_run.timeout')} type="number" min="0.1" max="10080" step="any" inputmode="decimal" value=${form.timeout} onInput=${(/** @type {string} */ timeout) => set({ timeout })} hint=${t('new_run.timeout_hint')} error=${errorOf('timeout')} required />
          <${TextField} label=${t('new_run.idle_timeout')} optional=${t('optional')} type="number" min="0.1" max="10080" step="any" inputmode="decimal" value=${form.idleTimeout} onInput=${(/** @type {string} */ idleTimeout) => set({ idleTimeout })} hint=${t('new_run.idle_timeout_hint')} error=${errorOf('idleTimeout')} />
        </div>
        <div class="three">
          ${/** @type {const} */ ([['maxCost', 'new_run.max_cost', 'any'], ['maxTokens', 'new_run.max_tokens', '1'], ['maxTurns', 'new_run.max_turns', '1']]).map(([field, label, step]) => html`<${TextField} key=${field}
            label=${t(label)} optional=${t('optional')} type="number" min=${step === 'any' ? '0.0001' : '1'} step=${step} inputmode="decimal" value=${form[field]} onInput=${(/** @type {string} */ value) => set({ [field]: value })} error=${errorOf(field)} />`)}
        </div>
        <p class="hint">${t('new_run.limits_hint')}</p>
        <div class="two">
          <${TextField} label=${t('new_run.labels')} optional=${t('optional')} value=${form.labels} onInput=${(/** @type {string} */ labels) => set({ labels })} rows=${2} placeholder="team=web" hint=${t('new_run.labels_hint')} error=${errorOf('labels')} class="mono" spellcheck=${false} />
          <${TextField} label=${t('new_run.args')} optional=${t('optional')} value=${form.args} onInput=${(/** @type {string} */ args) => set({ args })} rows=${2} hint=${t('new_run.args_hint')} error=${errorOf('args')} class="mono" spellcheck=${false} />
        </div>
        <${TextField} label=${t('new_run.env')} optional=${t('optional')} value=${form.env} onInput=${(/** @type {string} */ env) => set({ env })} rows=${2} placeholder="NAME=value" hint=${t('new_run.env_hint')} error=${errorOf('env')} class="mono" spellcheck=${false} autocomplete="off" />
        ${session && html`<${Select} label=${t('new_run.on_busy')} value=${form.onBusy} onChange=${(/** @type {string} */ onBusy) => set({ onBusy })} error=${errorOf('onBusy')}
          options=${['queue', 'reject', 'interrupt'].map((value) => ({ value, label: t(`new_run.on_busy.${value}`) }))} />`}
      </div>
    </details>
    ${hasOtherErrors(problem, Object.values(API_FIELDS).flat()) && html`<${Problem} problem=${problem} />`}
    <div class="form-actions"><${Button} kind="primary" type="submit" icon="play" busy=${isBusy}>${t('new_run.start')}<//><span class="faint wide-only"><${Kbd}>Ctrl<//> <${Kbd}>⏎<//></span></div>
  </form>`;
}

/** Fields under "Advanced options". */
const ADVANCED_FIELDS = /** @type {const} */ (['maxCost', 'maxTokens', 'maxTurns', 'timeout', 'idleTimeout', 'labels', 'args', 'env', 'onBusy']);

/** @param {{chosen: string, canAsk: boolean, onChoose: (mode: Form['mode']) => void, error: string | null}} props */
function PermissionModes({ chosen, canAsk, onChoose, error }) {
  const modes = /** @type {const} */ (['auto', 'ask', 'read_only']);
  return html`<fieldset class="cards"><legend>${t('new_run.mode')}</legend>
    <div class="card-row">${modes.map((mode) => html`
      <label key=${mode} class="card ${chosen === mode ? 'card-chosen' : ''}"><input type="radio" name="mode" value=${mode} checked=${chosen === mode}
        disabled=${!canAsk && mode !== 'auto'} onChange=${() => onChoose(mode)} /><span class="card-title">${t(`mode.${mode}`)}</span><span class="hint">${t(`mode.${mode}.text`)}</span></label>`)}</div>
    <p class="hint">${canAsk ? t('mode.no_sandbox') : t('mode.cannot_ask')}</p>
    ${error && html`<p class="error" role="alert">${error}</p>`}
  </fieldset>`;
}

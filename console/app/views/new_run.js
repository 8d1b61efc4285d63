/** Starting a run. */
import { request } from '../api.js';
import { all, useLoad } from '../data/fetch.js';
import { html, useEffect, useMemo, useRef, useState } from '../html.js';
import { t } from '../i18n.js';
import { navigate } from '../router.js';
import { PageHeader } from '../shell.js';
import { Button } from '../ui/button.js';
import { Combobox, Select, TextField } from '../ui/field.js';
import { Kbd, Problem, Spinner, wordsOf } from '../ui/misc.js';
import { AgentCards } from './agent_cards.js';
import { bodyOf, firstForm, fieldAtFault, recallChoices, rememberChoices } from './new_run_form.js';

/** @typedef {import('./new_run_form.js').Form} Form */

/** @param {{session: string | null}} props a run of a conversation, or the first of a new one */
export function NewRunView({ session }) {
  const agents = useLoad(loadAgents, []);
  const going = useLoad((signal) => (session ? request('GET', `/api/sessions/${encodeURIComponent(session)}`, undefined, { signal }) : Promise.resolve(null)), [session]);
  const isReady = agents.data !== null && (session === null || going.data !== null);
  const title = session ? t('new.continue') : t('nav.new');
  return html`<div class="view view-scroll"><${PageHeader} title=${title} />
    <div class="column">
      <${Problem} problem=${agents.problem ?? going.problem} onRetry=${agents.reload} />
      ${isReady ? html`<${NewRunForm} agents=${agents.data} session=${going.data} />` : !agents.problem && !going.problem && html`<${Spinner} label=${t('loading')} />`}
    </div></div>`;
}

/** @param {AbortSignal} signal */
async function loadAgents(signal) {
  const [{ agents: health }, known] = await Promise.all([request('GET', '/health/agents', undefined, { signal }), all('/api/agents', signal)]);
  return known.map((agent) => ({ ...health.find((/** @type {any} */ one) => one.name === agent.name), ...agent }));
}

/** A name for this attempt, so that pressing twice, or a broken connection, makes one run. */
const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (part) => part.toString(16)).join('-');

/** @param {{agents: any[], session: any}} props */
function NewRunForm({ agents, session }) {
  const [form, setForm] = useState(() => firstForm(agents, session));
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  const attempt = useRef(newKey());
  const element = useRef(/** @type {HTMLFormElement | null} */ (null));
  const choices = useMemo(recallChoices, []);
  const set = (/** @type {Partial<Form>} */ change) => {
    attempt.current = newKey();
    setForm((old) => ({ ...old, ...change }));
  };
  const agent = agents.find(({ name }) => name === form.agent);
  const asks = agent?.capabilities.permissions !== false;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (busy) return;
    setBusy(true);
    setProblem(null);
    try {
      const made = await request('POST', '/api/runs', bodyOf(form, session, asks), { more: { 'Idempotency-Key': attempt.current } });
      rememberChoices(form);
      navigate(`/runs/${made.run_id}`);
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) element.current?.requestSubmit();
  };
  const wrong = fieldAtFault(problem);
  useEffect(() => {
    if (problem) /** @type {HTMLElement | null} */ (element.current?.querySelector('[aria-invalid=true], [role=alert]'))?.focus();
  }, [problem]);
  const errorOf = (/** @type {string} */ field) => (wrong === field ? wordsOf(problem) : null);
  return html`<form class="form" ref=${element} onSubmit=${submit} onKeyDown=${onKeyDown}>
    <${TextField} label=${t('new.prompt')} placeholder=${t('new.prompt_hint')} value=${form.prompt} onInput=${(/** @type {string} */ prompt) => set({ prompt })} rows=${6} required autofocus error=${errorOf('prompt')} />
    ${session ? html`<p class="hint">${t('new.session', { id: session.session_id })}</p>`
      : html`<${AgentCards} agents=${agents} chosen=${form.agent} onChoose=${(/** @type {string} */ name) => set({ agent: name, model: choices.models[name] ?? '' })} error=${errorOf('agent')} />`}
    <div class="two">
      <${Combobox} label=${t('new.model')} optional=${t('optional')} placeholder=${t('new.model_hint')} value=${form.model} onInput=${(/** @type {string} */ model) => set({ model })}
        suggestions=${choices.recentModels[form.agent] ?? []} disabled=${agent?.capabilities.models === false} error=${errorOf('model')} spellcheck=${false} />
      <${Combobox} label=${t('new.folder')} optional=${t('optional')} placeholder=${t('new.folder_hint')} value=${form.folder} onInput=${(/** @type {string} */ folder) => set({ folder })}
        suggestions=${choices.folders} disabled=${session !== null} error=${errorOf('folder')} spellcheck=${false} />
    </div>
    <${Modes} chosen=${asks ? form.mode : 'auto'} asks=${asks} onChoose=${(/** @type {Form['mode']} */ mode) => set({ mode })} error=${errorOf('mode')} />
    <details class="advanced" open=${['idle', 'args', 'env', 'labels', 'onBusy', 'minutes'].includes(wrong ?? '') || undefined}>
      <summary>${t('new.advanced')}</summary>
      <div class="form">
        <div class="two">
          <${TextField} label=${t('new.minutes')} type="number" min="0.1" max="10080" step="any" inputmode="decimal" value=${form.minutes} onInput=${(/** @type {string} */ minutes) => set({ minutes })} hint=${t('new.minutes_hint')} error=${errorOf('minutes')} required />
          <${TextField} label=${t('new.idle')} optional=${t('optional')} type="number" min="0.1" max="10080" step="any" inputmode="decimal" value=${form.idle} onInput=${(/** @type {string} */ idle) => set({ idle })} hint=${t('new.idle_hint')} error=${errorOf('idle')} />
        </div>
        <div class="two">
          <${TextField} label=${t('new.labels')} optional=${t('optional')} value=${form.labels} onInput=${(/** @type {string} */ labels) => set({ labels })} rows=${2} placeholder="team=web" hint=${t('new.labels_hint')} error=${errorOf('labels')} class="mono" spellcheck=${false} />
          <${TextField} label=${t('new.args')} optional=${t('optional')} value=${form.args} onInput=${(/** @type {string} */ args) => set({ args })} rows=${2} hint=${t('new.args_hint')} error=${errorOf('args')} class="mono" spellcheck=${false} />
        </div>
        <${TextField} label=${t('new.env')} optional=${t('optional')} value=${form.env} onInput=${(/** @type {string} */ env) => set({ env })} rows=${2} placeholder="NAME=value" hint=${t('new.env_hint')} error=${errorOf('env')} class="mono" spellcheck=${false} autocomplete="off" />
        ${session && html`<${Select} label=${t('new.on_busy')} value=${form.onBusy} onChange=${(/** @type {string} */ onBusy) => set({ onBusy })} error=${errorOf('onBusy')}
          options=${['queue', 'reject', 'interrupt'].map((value) => ({ value, label: t(`new.on_busy.${value}`) }))} />`}
      </div>
    </details>
    ${problem && (wrong === null || !KNOWN.has(wrong)) && html`<${Problem} problem=${problem} />`}
    <div class="form-actions"><${Button} kind="primary" type="submit" icon="play" busy=${busy}>${t('new.start')}<//><span class="faint wide-only"><${Kbd}>Ctrl<//> <${Kbd}>⏎<//></span></div>
  </form>`;
}

/** The fields that show what is wrong with them themselves. */
const KNOWN = new Set(['prompt', 'agent', 'model', 'folder', 'mode', 'minutes', 'idle', 'labels', 'args', 'env', 'onBusy']);

/** Who decides on permissions, and what that means. @param {{chosen: string, asks: boolean, onChoose: (mode: Form['mode']) => void, error: string | null}} props */
function Modes({ chosen, asks, onChoose, error }) {
  const modes = /** @type {const} */ (['auto', 'ask', 'read_only']);
  return html`<fieldset class="cards"><legend>${t('new.mode')}</legend>
    <div class="card-row">${modes.map((mode) => html`
      <label key=${mode} class="card ${chosen === mode ? 'card-chosen' : ''}"><input type="radio" name="mode" value=${mode} checked=${chosen === mode}
        disabled=${!asks && mode !== 'auto'} onChange=${() => onChoose(mode)} /><span class="card-title">${t(`mode.${mode}`)}</span><span class="hint">${t(`mode.${mode}.text`)}</span></label>`)}</div>
    <p class="hint">${asks ? t('mode.no_sandbox') : t('mode.cannot_ask')}</p>
    ${error && html`<p class="error" role="alert">${error}</p>`}
  </fieldset>`;
}

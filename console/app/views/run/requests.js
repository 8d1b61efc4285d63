/** Forms that answer the agent's permission requests and questions, shown above the composer, oldest first. */
import { ApiProblem } from '../../api.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Kbd } from '../../ui/badge.js';
import { Button } from '../../ui/button.js';
import { confirm } from '../../ui/dialog.js';
import { focusRegion, isFocusLost, useInitialFocus } from '../../ui/focus.js';
import { problemText } from '../../ui/problem.js';
import { useShortcuts } from '../../ui/shortcuts.js';
import { Countdown } from '../../ui/time.js';
import { requestTitle } from './request_text.js';
import { sanitize } from './sanitize.js';
import { ToolInput } from './tool_input.js';

/** @typedef {import('./run_model.js').PermissionItem} PermissionItem */
/** @typedef {import('./run_model.js').QuestionItem} QuestionItem */

/** Shortcuts are ignored for this long after a form appears: the key press may have been meant for something else. */
const SHORTCUT_DELAY_MS = 400;

/** Tool kinds with a heading of their own. */
const TOOL_KINDS = new Set(['read', 'edit', 'delete', 'move', 'search', 'execute', 'fetch']);

/** @param {{ run: import('./live_run.js').LiveRun }} props */
export function Requests({ run }) {
  const requests = [...run.model.openRequests.values()];
  const [first] = requests;
  return html`
    <div class="visually-hidden" role="status" aria-live="assertive">${first ? t('run.needs_input', { what: requestTitle(first) }) : ''}</div>
    ${first && (first.kind === 'permission'
      ? html`<${PermissionForm} item=${first} run=${run} moreCount=${requests.length - 1} key=${first.key} />`
      : html`<${QuestionForm} item=${first} run=${run} moreCount=${requests.length - 1} key=${first.key} />`)}`;
}

/** Moves the focus from a form that disappears to the conversation: it must not be lost, and never reach the next form by itself.
 * @param {{ current: HTMLElement | null }} form */
function useFocusReturn(form) {
  useLayoutEffect(() => () => {
    if (isFocusLost() || form.current?.contains(document.activeElement)) focusRegion('.conversation .list-viewport');
  }, []);
}

/** Sends the answer to a request once. @param {import('./live_run.js').LiveRun} run @param {string} id */
function useAnswer(run, id) {
  const [state, setState] = useState(/** @type {{ isBusy: boolean, problem: unknown }} */ ({ isBusy: false, problem: null }));
  const send = async (/** @type {unknown} */ answer) => {
    if (state.isBusy) return;
    setState({ isBusy: true, problem: null });
    try {
      await run.answer(id, answer);
    } catch (problem) {
      // Another client was faster. The event that resolves the request is about to arrive.
      if (problem instanceof ApiProblem && problem.code === 'already_answered') return;
      setState({ isBusy: false, problem });
    }
  };
  return { ...state, send };
}

/** @param {{ item: PermissionItem, run: import('./live_run.js').LiveRun, moreCount: number }} props */
function PermissionForm({ item, run, moreCount }) {
  const { isBusy, problem, send } = useAnswer(run, item.id);
  const [reason, setReason] = useState(/** @type {string | null} */ (null));
  const shownAt = useRef(performance.now());
  useEffect(() => { shownAt.current = performance.now(); }, []);
  const form = useRef(/** @type {HTMLElement | null} */ (null));
  useFocusReturn(form);
  const isOffered = (/** @type {string} */ decision) => item.options.includes(decision);
  // Different ways to continue, which only their names tell apart.
  const distinctChoices = item.choices.filter(({ decision }) => !isOffered(decision));
  const decide = async (/** @type {string} */ decision) => {
    if (decision === 'allow_always' && !await confirm({
      title: t('run.allow_always_title'), text: t('run.allow_always_text', { tool: sanitize(item.tool) }), action: t('run.allow_always'), danger: true,
    })) return;
    await send({ decision, ...(decision === 'deny' && reason?.trim() && { message: reason.trim() }) });
  };
  const closeReason = () => {
    setReason(null);
    requestAnimationFrame(() => /** @type {HTMLElement | null} */ (form.current?.querySelector('[data-reason]'))?.focus());
  };
  // While the reason is open, letters belong to it, wherever the focus is.
  const isReady = (/** @type {string} */ decision) => isOffered(decision) && reason === null && !isBusy;
  const shortcut = (/** @type {string} */ decision) => () => { if (performance.now() - shownAt.current >= SHORTCUT_DELAY_MS) void decide(decision); };
  useShortcuts([
    { key: 'a', label: t('run.allow_once'), run: shortcut('allow_once'), when: () => isReady('allow_once') },
    { key: 'A', label: t('run.allow_always'), run: shortcut('allow_always'), when: () => isReady('allow_always') },
    { key: 'd', label: t('run.deny'), run: shortcut('deny'), when: () => isReady('deny') },
  ], [item, isBusy, reason]);
  return html`<section class="request" ref=${form} aria-label=${t('run.permission')}>
    <header><${Icon} name="shield" /><h2>${t(`run.allow.${TOOL_KINDS.has(item.toolKind) ? item.toolKind : 'any'}`)} <span class="muted">${sanitize(item.tool)}</span></h2>
      <${RequestFacts} moreCount=${moreCount} expiresAt=${item.expiresAt} /></header>
    <div class="request-body"><${ToolInput} item=${item} input=${item.input} toolKind=${item.toolKind} isExact=${true} /></div>
    ${problem && html`<p class="line" data-level="error" role="alert"><${Icon} name="warning" /><span>${problemText(problem)}</span></p>`}
    ${reason !== null && html`<${ReasonField} value=${reason} onInput=${setReason} onSubmit=${() => decide('deny')} onClose=${closeReason} />`}
    <footer>
      ${isOffered('allow_once') && html`<${Button} kind="primary" busy=${isBusy} onClick=${() => decide('allow_once')}>${t('run.allow_once')} ${reason === null && html`<${Kbd}>a<//>`}<//>`}
      ${isOffered('allow_always') && html`<${Button} disabled=${isBusy} onClick=${() => decide('allow_always')}>${t('run.allow_always')} ${reason === null && html`<${Kbd}>A<//>`}<//>`}
      ${distinctChoices.map((choice) => html`<${Button} disabled=${isBusy} onClick=${() => send({ option_id: choice.id })}>${sanitize(choice.name)}<//>`)}
      ${isOffered('deny') && html`<${Button} disabled=${isBusy} onClick=${() => decide('deny')}>${t('run.deny')} <${Kbd}>${reason === null ? 'd' : '⏎'}<//><//>`}
      ${isOffered('deny') && reason === null && html`<${Button} kind="quiet" data-reason onClick=${() => setReason('')}>${t('run.deny_with_reason')}<//>`}
    </footer>
  </section>`;
}

/** @param {{ value: string, onInput: (value: string) => void, onSubmit: () => void, onClose: () => void }} props */
function ReasonField({ value, onInput, onSubmit, onClose }) {
  const field = useRef(/** @type {HTMLInputElement | null} */ (null));
  useInitialFocus(field);
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.isComposing) return;
    if (event.key === 'Enter') onSubmit();
    if (event.key === 'Escape') onClose();
  };
  return html`<label class="request-reason"><span class="visually-hidden">${t('run.deny_reason')}</span>
    <input type="text" ref=${field} value=${value} placeholder=${t('run.deny_reason')} onInput=${(/** @type {any} */ event) => onInput(event.target.value)} onKeyDown=${onKeyDown} /></label>`;
}

/** The number of further requests, and the time until this one expires. @param {{ moreCount: number, expiresAt: string | undefined }} props */
function RequestFacts({ moreCount, expiresAt }) {
  return html`<span class="request-facts faint">${moreCount > 0 ? `${t('run.more_requests', { count: moreCount })} · ` : ''}
    ${expiresAt && html`${t('run.expires')} <${Countdown} until=${expiresAt} />`}</span>`;
}

/** @param {{ item: QuestionItem, run: import('./live_run.js').LiveRun, moreCount: number }} props */
function QuestionForm({ item, run, moreCount }) {
  const { isBusy, problem, send } = useAnswer(run, item.id);
  const [selected, setSelected] = useState(() => item.questions.map(() => /** @type {string[]} */ ([])));
  const [typed, setTyped] = useState(() => item.questions.map(() => ''));
  const replaceAt = (/** @type {any[]} */ list, /** @type {number} */ index, /** @type {any} */ value) => list.map((old, at) => (at === index ? value : old));
  const select = (/** @type {number} */ index, /** @type {string} */ option) => {
    const { multiple } = item.questions[index];
    const before = selected[index];
    const after = !multiple ? [option] : before.includes(option) ? before.filter((other) => other !== option) : [...before, option];
    setSelected(replaceAt(selected, index, after));
    if (!multiple) setTyped(replaceAt(typed, index, ''));
  };
  const answers = item.questions.map((_, index) => [...selected[index], ...(typed[index].trim() ? [typed[index].trim()] : [])]);
  const submit = (/** @type {Event} */ event) => { event.preventDefault(); void send({ answers }); };
  const form = useRef(/** @type {HTMLElement | null} */ (null));
  useFocusReturn(form);
  return html`<form class="request" ref=${form} aria-label=${t('run.question')} onSubmit=${submit}>
    <header><${Icon} name="question" /><h2>${t('run.question')}</h2><${RequestFacts} moreCount=${moreCount} expiresAt=${item.expiresAt} /></header>
    <div class="request-body">${item.questions.map((question, index) => html`<fieldset>
      <legend>${question.header ? html`<strong>${sanitize(question.header)}</strong> ` : ''}${sanitize(question.text)}</legend>
      ${(question.options ?? []).map((option) => html`<label class="choice">
        <input type=${question.multiple ? 'checkbox' : 'radio'} name=${`${item.key}-${index}`} checked=${selected[index].includes(option.name)} onChange=${() => select(index, option.name)} />
        <span>${sanitize(option.name)}${option.description && html` <span class="faint">${sanitize(option.description)}</span>`}
          ${option.preview && html`<pre class="choice-preview">${sanitize(option.preview)}</pre>`}</span></label>`)}
      <input type="text" value=${typed[index]} aria-label=${t('run.other_answer')} placeholder=${t(question.options?.length ? 'run.other_answer' : 'run.your_answer')}
        onInput=${(/** @type {any} */ event) => {
          setTyped(replaceAt(typed, index, event.target.value));
          if (!question.multiple && event.target.value) setSelected(replaceAt(selected, index, []));
        }} />
    </fieldset>`)}</div>
    ${problem && html`<p class="line" data-level="error" role="alert"><${Icon} name="warning" /><span>${problemText(problem)}</span></p>`}
    <footer><${Button} kind="primary" type="submit" busy=${isBusy} disabled=${answers.every((answer) => !answer.length)}>${t('run.answer')}<//>
      <${Button} kind="quiet" disabled=${isBusy} onClick=${() => send({ answers: item.questions.map(() => []) })}>${t('run.skip_question')}<//></footer>
  </form>`;
}

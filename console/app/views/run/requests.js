// What the agent waits to be told: cards above the composer, oldest first, with keys.

import { html, useEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Button } from '../../ui/button.js';
import { Kbd, wordsOf } from '../../ui/misc.js';
import { useShortcuts } from '../../ui/shortcuts.js';
import { ApiProblem } from '../../api.js';
import { Countdown } from './item_state.js';
import { Input } from './tool_card.js';
import { oneLine, visible } from './sanitize.js';

/** @typedef {import('./run_model.js').PermissionItem} PermissionItem */
/** @typedef {import('./run_model.js').QuestionItem} QuestionItem */

/** A card that has just come takes no key yet: the finger that comes down now was meant for something else. */
const REST_MS = 400;

/** What there is a question for; the rest is asked in general words. */
const KINDS = new Set(['read', 'edit', 'delete', 'move', 'search', 'execute', 'fetch']);

/** How a permission was decided, in words. @param {PermissionItem} item */
export function decisionWords({ decision }) {
  if (!decision) return t('run.permission.open');
  const words = `${t(`run.decision.${decision.decision}`)} · ${t(`run.by.${decision.by}`)}`;
  return decision.reason ? `${words} · ${visible(decision.reason)}` : words;
}

/** What a question was answered with. @param {QuestionItem} item @param {number} index */
export function answerWords({ answer }, index) {
  if (!answer) return t('run.question.open');
  const given = answer.answers[index] ?? [];
  return given.length ? given.map(visible).join(', ') : t('run.question.none');
}

/** One line for those who hear the page, and for the timeline. @param {PermissionItem | QuestionItem} item */
export function requestTitle(item) {
  if (item.kind === 'question') return oneLine(item.questions[0]?.text ?? '', 160);
  const what = item.input?.command ?? item.input?.cmd ?? item.input?.file_path ?? item.input?.path ?? '';
  return `${visible(item.tool)} ${oneLine(Array.isArray(what) ? what.join(' ') : String(what), 160)}`.trim();
}

/** @param {{ run: import('./live_run.js').LiveRun }} props */
export function Requests({ run }) {
  const open = [...run.model.open.values()];
  const [first] = open;
  return html`
    <div class="unseen" role="status" aria-live="assertive">${first ? t('run.needsYou', { what: requestTitle(first) }) : ''}</div>
    ${first && (first.kind === 'permission'
      ? html`<${Permission} item=${first} run=${run} more=${open.length - 1} key=${first.key} />`
      : html`<${QuestionForm} item=${first} run=${run} more=${open.length - 1} key=${first.key} />`)}`;
}

/** Sends an answer once, and keeps what went wrong. @param {import('./live_run.js').LiveRun} run @param {string} id */
function useAnswer(run, id) {
  const [state, setState] = useState(/** @type {{ isBusy: boolean, problem: unknown }} */ ({ isBusy: false, problem: null }));
  const send = async (/** @type {unknown} */ answer) => {
    if (state.isBusy) return;
    setState({ isBusy: true, problem: null });
    try {
      await run.answer(id, answer);
    } catch (problem) {
      // Somebody was faster, and the log is about to say who.
      if (problem instanceof ApiProblem && problem.code === 'already_answered') return;
      setState({ isBusy: false, problem });
    }
  };
  return { ...state, send };
}

/** @param {{ item: PermissionItem, run: import('./live_run.js').LiveRun, more: number }} props */
function Permission({ item, run, more }) {
  const { isBusy, problem, send } = useAnswer(run, item.id);
  const [reason, setReason] = useState(/** @type {string | null} */ (null));
  const since = useRef(performance.now());
  const card = useRef(/** @type {HTMLElement | null} */ (null));
  useEffect(() => { since.current = performance.now(); }, []);
  const can = (/** @type {string} */ decision) => item.options.includes(decision);
  const decide = (/** @type {string} */ decision) => send({ decision, ...(decision === 'deny' && reason?.trim() && { message: reason.trim() }) });
  const key = (/** @type {string} */ decision) => () => { if (performance.now() - since.current >= REST_MS) void decide(decision); };
  useShortcuts([
    { key: 'a', label: t('run.allowOnce'), run: key('allow_once'), when: () => can('allow_once') },
    { key: 'A', label: t('run.allowAlways'), run: key('allow_always'), when: () => can('allow_always') },
    { key: 'd', label: t('run.deny'), run: key('deny'), when: () => can('deny') },
  ], [item, isBusy, reason]);
  return html`<section class="request" ref=${card} aria-label=${t('run.permission')}>
    <header><${Icon} name="shield" /><h2>${t(`run.wants.${KINDS.has(item.toolKind) ? item.toolKind : 'any'}`)} <span class="muted">${visible(item.tool)}</span></h2>
      <${Head} more=${more} until=${item.expiresAt} /></header>
    <div class="request-body"><${Input} item=${item} input=${item.input} tool=${item.toolKind} isExact=${true} /></div>
    ${problem && html`<p class="line" data-level="error" role="alert"><${Icon} name="warning" /><span>${wordsOf(problem)}</span></p>`}
    ${reason !== null && html`<label class="request-reason"><span class="unseen">${t('run.denyReason')}</span>
      <input type="text" value=${reason} placeholder=${t('run.denyReason')} autofocus onInput=${(/** @type {any} */ event) => setReason(event.target.value)}
        onKeyDown=${(/** @type {KeyboardEvent} */ event) => { if (event.key === 'Enter' && !event.isComposing) void decide('deny'); if (event.key === 'Escape') setReason(null); }} /></label>`}
    <footer>
      ${can('allow_once') && html`<${Button} kind="primary" busy=${isBusy} onClick=${() => decide('allow_once')}>${t('run.allowOnce')} <${Kbd}>a<//><//>`}
      ${can('allow_always') && html`<${Button} disabled=${isBusy} onClick=${() => decide('allow_always')}>${t('run.allowAlways')} <${Kbd}>A<//><//>`}
      ${can('deny') && html`<${Button} disabled=${isBusy} onClick=${() => decide('deny')}>${t('run.deny')} <${Kbd}>d<//><//>`}
      ${can('deny') && reason === null && html`<${Button} kind="quiet" onClick=${() => setReason('')}>${t('run.denyWithReason')}<//>`}
    </footer>
  </section>`;
}

/** How many others wait, and how long this one does. @param {{ more: number, until: string | undefined }} props */
function Head({ more, until }) {
  return html`<span class="request-facts faint">${more > 0 ? `${t('run.more', { count: more })} · ` : ''}
    ${until && html`${t('run.expires')} <${Countdown} until=${until} />`}</span>`;
}

/** @param {{ item: QuestionItem, run: import('./live_run.js').LiveRun, more: number }} props */
function QuestionForm({ item, run, more }) {
  const { isBusy, problem, send } = useAnswer(run, item.id);
  const [chosen, setChosen] = useState(() => item.questions.map(() => /** @type {string[]} */ ([])));
  const [written, setWritten] = useState(() => item.questions.map(() => ''));
  const put = (/** @type {any[]} */ list, /** @type {number} */ index, /** @type {any} */ value) => list.map((one, at) => (at === index ? value : one));
  const choose = (/** @type {number} */ index, /** @type {string} */ option) => {
    const { multiple } = item.questions[index];
    const before = chosen[index];
    const after = !multiple ? [option] : before.includes(option) ? before.filter((one) => one !== option) : [...before, option];
    setChosen(put(chosen, index, after));
    if (!multiple) setWritten(put(written, index, ''));
  };
  const answers = item.questions.map((_, index) => [...chosen[index], ...(written[index].trim() ? [written[index].trim()] : [])]);
  const submit = (/** @type {Event} */ event) => { event.preventDefault(); void send({ answers }); };
  return html`<form class="request" aria-label=${t('run.question')} onSubmit=${submit}>
    <header><${Icon} name="question" /><h2>${t('run.question')}</h2><${Head} more=${more} until=${item.expiresAt} /></header>
    <div class="request-body">${item.questions.map((question, index) => html`<fieldset>
      <legend>${visible(question.text)}</legend>
      ${(question.options ?? []).map((option) => html`<label class="choice">
        <input type=${question.multiple ? 'checkbox' : 'radio'} name=${`${item.key}-${index}`} checked=${chosen[index].includes(option)} onChange=${() => choose(index, option)} />
        <span>${visible(option)}</span></label>`)}
      <input type="text" value=${written[index]} aria-label=${t('run.ownAnswer')} placeholder=${t(question.options?.length ? 'run.ownAnswer' : 'run.yourAnswer')}
        onInput=${(/** @type {any} */ event) => {
          setWritten(put(written, index, event.target.value));
          if (!question.multiple && event.target.value) setChosen(put(chosen, index, []));
        }} />
    </fieldset>`)}</div>
    ${problem && html`<p class="line" data-level="error" role="alert"><${Icon} name="warning" /><span>${wordsOf(problem)}</span></p>`}
    <footer><${Button} kind="primary" type="submit" busy=${isBusy} disabled=${answers.every((one) => !one.length)}>${t('run.answer')}<//>
      <${Button} kind="quiet" disabled=${isBusy} onClick=${() => send({ answers: item.questions.map(() => []) })}>${t('run.noAnswer')}<//></footer>
  </form>`;
}

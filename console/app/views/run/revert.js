/** Reverts the directory of a run to an earlier state. */
import { changedSince, revert, revertTargets } from '../../data/revert.js';
import { useFetch } from '../../data/fetch.js';
import { html, useEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Button, IconButton } from '../../ui/button.js';
import { Dialog } from '../../ui/dialog.js';
import { Menu } from '../../ui/menu.js';
import { Problem } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';
import { toastProblem } from '../../ui/toast.js';
import { sanitizeLine } from './sanitize.js';

/** What a revert has done. @typedef {{ files: number, undo: string, untouched: { path: string }[], untouched_total: number, isUndo: boolean }} Reverted */

/** How many files the dialog names. */
const MAX_NAMED = 50;

/** @param {{ run: import('./live_run.js').LiveRun, laterRuns: string[], onReverted: (done: Reverted) => void }} props `laterRuns`: those of the session, by ID */
export function Revert({ run, laterRuns, onReverted }) {
  const [target, setTarget] = useState(/** @type {number | null} */ (null));
  const targets = revertTargets(run.model.turnCount, laterRuns.length > 0);
  const items = targets.map((turn) => ({ label: turn === 0 ? t('run.revert.to_start') : t('run.revert.to_turn', { n: turn }), icon: /** @type {const} */ ('undo'), onSelect: () => setTarget(turn) }));
  const onDone = (/** @type {any} */ result) => {
    setTarget(null);
    onReverted({ ...result, isUndo: false });
  };
  return html`<span class="revert"><${Menu} label=${t('run.revert')} items=${items} class="menu-text"><${Icon} name="undo" /><span>${t('run.revert')}</span><//></span>
    ${target !== null && html`<${RevertDialog} run=${run} turn=${target} laterRuns=${laterRuns} onDone=${onDone} onClose=${() => setTarget(null)} />`}`;
}

/** @param {{ run: import('./live_run.js').LiveRun, turn: number, laterRuns: string[], onDone: (result: any) => void, onClose: () => void }} props */
function RevertDialog({ run, turn, laterRuns, onDone, onClose }) {
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const { data: paths, problem: listProblem, reload } = useFetch(() => changedSince(run.id, turn, run.model.turnCount, laterRuns), [run.id, turn]);
  const submit = async () => {
    setBusy(true);
    setProblem(null);
    try {
      onDone(await revert(run.id, { turn }));
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const dir = sanitizeLine(run.record.value?.working_dir ?? '');
  return html`<${Dialog} title=${t('run.revert.title')} onClose=${onClose} actions=${html`<${Button} data-initial-focus onClick=${onClose}>${t('cancel')}<//>
      <${Button} kind="danger" busy=${isBusy} disabled=${paths === null} onClick=${submit}>${t('run.revert')}<//>`}>
    <p>${turn === 0 ? t('run.revert.text_start', { dir }) : t('run.revert.text_turn', { dir, n: turn })}</p>
    <${Problem} problem=${listProblem} onRetry=${reload} />
    ${paths === null ? !listProblem && html`<${Spinner} label=${t('loading')} />` : html`<div>
      <p>${paths.length === 0 ? t('run.revert.none') : t('run.revert.files', { count: paths.length })}</p>
      ${paths.length > 0 && html`<ul class="path-list" tabindex="0" aria-label=${t('run.changes')}>${paths.slice(0, MAX_NAMED).map((path) => html`<li key=${path}>${sanitizeLine(path)}</li>`)}</ul>`}
      ${paths.length > MAX_NAMED && html`<p class="hint">${t('run.revert.more', { count: paths.length - MAX_NAMED })}</p>`}</div>`}
    <p class="hint">${t('run.revert.hint')}</p>
    <${Problem} problem=${problem} />
  <//>`;
}

/** What the last revert has done, and its undo. @param {{ run: import('./live_run.js').LiveRun, done: Reverted | null, isIdle: boolean, onReverted: (done: Reverted | null) => void }} props */
export function RevertResult({ run, done, isIdle, onReverted }) {
  const [isBusy, setBusy] = useState(false);
  const notice = useRef(/** @type {HTMLElement | null} */ (null));
  // The button that had the focus is gone.
  useEffect(() => { if (done?.isUndo) notice.current?.focus(); }, [done]);
  if (done === null) return html`<div role="status"></div>`;
  const undo = async () => {
    setBusy(true);
    try {
      onReverted({ ...await revert(run.id, { snapshot: done.undo }), isUndo: true });
    } catch (problem) {
      toastProblem(problem);
    }
    setBusy(false);
  };
  return html`<div role="status" class="box pad revert-result" ref=${notice} tabindex="-1">
    <div class="changes-bar"><span>${t(done.isUndo ? 'run.revert.undone' : 'run.revert.done', { count: done.files })}</span><span class="grow"></span>
      ${!done.isUndo && isIdle && html`<${Button} icon="undo" busy=${isBusy} onClick=${undo}>${t('run.revert.undo')}<//>`}
      <${IconButton} icon="close" label=${t('close')} onClick=${() => onReverted(null)} /></div>
    ${done.untouched_total > 0 && html`<p class="hint">${t('run.revert.untouched', { count: done.untouched_total })} ${done.untouched.map(({ path }) => sanitizeLine(path)).join(', ')}</p>`}
  </div>`;
}

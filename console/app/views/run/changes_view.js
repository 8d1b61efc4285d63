/** What a run, one of its turns, or its whole session has changed in the working directory. */
import { requestText, withQuery } from '../../api.js';
import { acceptsMessages } from '../../data/agent_capabilities.js';
import { PAGE_SIZE, fetchChanges, splitPatch } from '../../data/changes.js';
import { isLive } from '../../data/run_status.js';
import { useFetch } from '../../data/fetch.js';
import { number } from '../../format.js';
import { html, useEffect, useMemo, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Badge } from '../../ui/badge.js';
import { Button } from '../../ui/button.js';
import { EmptyState } from '../../ui/empty_state.js';
import { Problem } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';
import { toastProblem } from '../../ui/toast.js';
import { copyWithToast } from '../run_actions.js';
import { ChangeCounts } from './change_counts.js';
import { DiffText } from './diff.js';
import { SplitButton } from './diff_layout.js';
import { useItemState } from './item_state.js';
import { Revert, RevertResult } from './revert.js';
import { sanitizeLine } from './sanitize.js';
import { save } from './share.js';
import { WorkspaceMenu } from './workspace_menu.js';

/** Files are open at first if all changes together have at most this many lines. */
const MAX_OPEN_LINES = 600;

/** @type {Record<string, 'ok' | 'err' | 'info' | 'plain'>} */
const TONES = { added: 'ok', deleted: 'err', renamed: 'info' };

/** Whose changes are shown: those of the run, of one of its turns, or of the session. @typedef {'run' | 'session' | number} Scope */

/** @param {{ run: import('./live_run.js').LiveRun, thread: import('./thread.js').Thread }} props */
export function ChangesView({ run, thread }) {
  const [scope, setScope] = useState(/** @type {Scope} */ ('run'));
  const [limit, setLimit] = useState(PAGE_SIZE);
  const { model } = run;
  const runs = thread.list?.items.value ?? [];
  const laterRuns = runs.filter(({ run_id: id }) => id > run.id).map(({ run_id: id }) => id);
  const isIdle = !isLive(run.status) && runs.every(({ status }) => !isLive(status));
  const sessionId = thread.sessionId.value ?? '';
  const path = scope === 'session' ? `/api/sessions/${encodeURIComponent(sessionId)}/changes` : `${run.path}/changes`;
  const turn = typeof scope === 'number' ? scope : null;
  // A live run's changes are read again when it reports other ones.
  const { data, problem, reload } = useFetch((signal) => fetchChanges(path, turn, limit, signal), [path, turn, limit, model.changes?.snapshot, run.status]);
  const patch = async () => requestText(withQuery(`${path}.patch`, { turn }));
  const loadDiff = useMemo(() => (scope === 'session' ? diffsOfPatch(`${path}.patch`) : diffOfFile(path, turn)), [path, turn, data?.snapshot]);
  const last = thread.runs.value.at(-1) ?? run;
  const target = sessionId !== '' && acceptsMessages(last.record.value?.agent_type, last.status) ? { sessionId, scope: scope === 'session' ? 'session' : `${run.id} ${scope}` } : null;
  // Kept while the run is in the thread, so that the revert can be undone.
  const [reverted, setReverted] = useItemState(run, 'reverted', /** @type {import('./revert.js').Reverted | null} */ (null));
  const onReverted = (/** @type {import('./revert.js').Reverted | null} */ done) => {
    setReverted(done);
    reload();
  };
  const isOpen = data !== null && data.insertions + data.deletions <= MAX_OPEN_LINES;
  return html`<div class="changes" role="region" aria-label=${t('run.changes')} tabindex="0"><div class="changes-inner">
    <div class="changes-bar">
      <${ScopeSelect} scope=${scope} onChange=${setScope} turnCount=${model.turnCount} hasSession=${runs.length > 1} />
      ${data && html`<span><${ChangeCounts} files=${data.files} insertions=${data.insertions} deletions=${data.deletions} /></span>`}
      <span class="grow"></span><${SplitButton} />
      <${Button} kind="quiet" icon="copy" onClick=${() => void patch().then(copyWithToast, toastProblem)}>${t('run.copy_patch')}<//>
      <${Button} kind="quiet" icon="download" onClick=${() => void patch().then((text) => save(new Blob([text], { type: 'text/x-diff' }), `${scope === 'session' ? sessionId : run.id}.patch`), toastProblem)}>${t('run.download_patch')}<//>
      ${isIdle && data !== null && html`<${Revert} run=${run} laterRuns=${laterRuns} onReverted=${onReverted} />`}
      ${isIdle && html`<${WorkspaceMenu} record=${run.record.value} title=${thread.title} onRemoved=${reload} />`}
    </div>
    <${RevertResult} run=${run} done=${reverted} isIdle=${isIdle} onReverted=${onReverted} />
    <${Problem} problem=${problem} onRetry=${reload} />
    ${data === null && !problem && html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`}
    ${data !== null && !problem && data.items.length === 0 && html`<${EmptyState} title=${t('run.no_changes')} icon="file" />`}
    ${data !== null && !problem && data.items.map((/** @type {any} */ file) => html`<${File} key=${`${scope} ${file.path}`} file=${file} isInitiallyOpen=${isOpen} loadDiff=${loadDiff} target=${target} />`)}
    ${data?.next_cursor && html`<p><${Button} onClick=${() => setLimit(limit + PAGE_SIZE)}>${t('show_more')}<//></p>`}
    ${data?.skipped_total > 0 && html`<p class="hint">${t('run.skipped', { count: data.skipped_total })} ${data.skipped.map((/** @type {any} */ skipped) => sanitizeLine(skipped.path)).join(', ')}</p>`}
  </div></div>`;
}

/** @param {{ scope: Scope, onChange: (scope: Scope) => void, turnCount: number, hasSession: boolean }} props */
function ScopeSelect({ scope, onChange, turnCount, hasSession }) {
  if (turnCount === 1 && !hasSession) return null;
  const turns = turnCount > 1 ? Array.from({ length: turnCount }, (_, index) => index + 1) : [];
  const options = [['run', t('run.this_run')], ...turns.map((turn) => [String(turn), t('run.turn_number', { n: turn })]), ...(hasSession ? [['session', t('run.whole_session')]] : [])];
  const parse = (/** @type {string} */ value) => /** @type {Scope} */ (value === 'run' || value === 'session' ? value : Number(value));
  return html`<select aria-label=${t('run.changes_of')} value=${String(scope)} onChange=${(/** @type {any} */ event) => onChange(parse(event.target.value))}>
    ${options.map(([value, label]) => html`<option value=${value}>${label}</option>`)}</select>`;
}

/** Loads the diff of a file. @typedef {(path: string, signal: AbortSignal) => Promise<string>} LoadDiff */

/** @param {string} list the path of the list in the API @param {number | null} turn @returns {LoadDiff} */
const diffOfFile = (list, turn) => (path, signal) => requestText(withQuery(`${list}/${path.split('/').map(encodeURIComponent).join('/')}`, { turn }), { signal });

/** Takes the diffs from a patch, which is loaded when the first one is needed. @param {string} patchPath @returns {LoadDiff} */
function diffsOfPatch(patchPath) {
  /** @type {Promise<Map<string, string>> | null} */
  let parts = null;
  return async (path) => {
    parts ??= requestText(patchPath).then(splitPatch);
    // A failed request is sent again.
    parts.catch(() => { parts = null; });
    return (await parts).get(path) ?? '';
  };
}

/** @param {{ file: any, loadDiff: LoadDiff, isInitiallyOpen: boolean, target: import('./comments.js').CommentTarget | null }} props */
function File({ file, loadDiff, isInitiallyOpen, target }) {
  const [isOpen, setOpen] = useState(isInitiallyOpen && !file.binary);
  const [item] = useState({});
  const diff = useFetch((signal) => (isOpen && !file.binary ? loadDiff(file.path, signal) : Promise.resolve(null)), [loadDiff, file.path, isOpen]);
  useEffect(() => { if (isInitiallyOpen && !file.binary) setOpen(true); }, [isInitiallyOpen]);
  const name = sanitizeLine(file.old_path && file.old_path !== file.path ? `${file.old_path} → ${file.path}` : file.path);
  return html`<section class="box changed-file">
    <div class="changed-head">
      <button type="button" class="tool-head" aria-expanded=${isOpen} onClick=${() => setOpen(!isOpen)}>
        <${Icon} name="file" /><span class="tool-title path-title" title=${name}>${name}</span>
        <${Badge} tone=${TONES[file.status] ?? 'plain'}>${t(`run.file.${file.status}`)}<//>
        ${file.binary ? html`<span class="faint">${t('run.binary')}</span>` : html`<span class="added">+${number(file.insertions)}</span><span class="removed">−${number(file.deletions)}</span>`}
        <${Icon} name="chevron" />
      </button>
    </div>
    ${isOpen && html`<div class="tool-body">
      ${file.binary ? html`<p class="hint pad">${t('run.binary')}</p>` : html`<${Problem} problem=${diff.problem} onRetry=${diff.reload} />
      ${diff.data === null ? !diff.problem && html`<p class="pad"><${Spinner} label=${t('loading')} /></p>` : html`<${DiffText} item=${item} diff=${diff.data} path=${file.path} target=${target} />`}`}
    </div>`}
  </section>`;
}

/** What a run, or one of its turns, has changed in its working directory. */
import { request, requestText, withQuery } from '../../api.js';
import { useFetch } from '../../data/fetch.js';
import { number } from '../../format.js';
import { html, useEffect, useState } from '../../html.js';
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
import { DiffText, SplitButton } from './diff.js';
import { sanitizeLine } from './sanitize.js';
import { save } from './share.js';

/** Files are open at first if all changes together have at most this many lines. */
const MAX_OPEN_LINES = 600;
const PAGE_SIZE = 100;

/** @type {Record<string, 'ok' | 'err' | 'info' | 'plain'>} */
const TONES = { added: 'ok', deleted: 'err', renamed: 'info' };

/** @param {{ run: import('./live_run.js').LiveRun }} props */
export function ChangesView({ run }) {
  const [turn, setTurn] = useState(/** @type {number | null} */ (null));
  const [limit, setLimit] = useState(PAGE_SIZE);
  const { model } = run;
  const path = `${run.path}/changes`;
  // A live run's changes are read again when it reports other ones.
  const { data, problem, reload } = useFetch((signal) => fetchFiles(path, turn, limit, signal), [path, turn, limit, model.changes?.snapshot, run.status]);
  const patch = async () => requestText(withQuery(`${path}.patch`, { turn }));
  const isOpen = data !== null && data.insertions + data.deletions <= MAX_OPEN_LINES;
  return html`<div class="changes" role="region" aria-label=${t('run.changes')} tabindex="0"><div class="changes-inner">
    <div class="changes-bar">
      ${model.turnCount > 1 && html`<select aria-label=${t('run.turn')} value=${String(turn ?? '')} onChange=${(/** @type {any} */ event) => setTurn(Number(event.target.value) || null)}>
        <option value="">${t('run.all_turns')}</option>${Array.from({ length: model.turnCount }, (_, index) => html`<option value=${String(index + 1)}>${t('run.turn_number', { n: index + 1 })}</option>`)}</select>`}
      ${data && html`<span><${ChangeCounts} files=${data.files} insertions=${data.insertions} deletions=${data.deletions} /></span>`}
      <span class="grow"></span><${SplitButton} />
      <${Button} kind="quiet" icon="copy" onClick=${() => void patch().then(copyWithToast, toastProblem)}>${t('run.copy_patch')}<//>
      <${Button} kind="quiet" icon="download" onClick=${() => void patch().then((text) => save(new Blob([text], { type: 'text/x-diff' }), `${run.id}.patch`), toastProblem)}>${t('run.download_patch')}<//>
    </div>
    <${Problem} problem=${problem} onRetry=${reload} />
    ${data === null && !problem && html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`}
    ${data !== null && !problem && data.items.length === 0 && html`<${EmptyState} title=${t('run.no_changes')} icon="file" />`}
    ${data !== null && !problem && data.items.map((/** @type {any} */ file) => html`<${File} key=${`${turn} ${file.path}`} file=${file} isInitiallyOpen=${isOpen} version=${data.snapshot}
      path=${withQuery(`${path}/${file.path.split('/').map(encodeURIComponent).join('/')}`, { turn })} />`)}
    ${data?.next_cursor && html`<p><${Button} onClick=${() => setLimit(limit + PAGE_SIZE)}>${t('show_more')}<//></p>`}
    ${data?.skipped_total > 0 && html`<p class="hint">${t('run.skipped', { count: data.skipped_total })} ${data.skipped.map((/** @type {any} */ skipped) => sanitizeLine(skipped.path)).join(', ')}</p>`}
  </div></div>`;
}

/** The first `limit` files, with the totals. @param {string} path @param {number | null} turn @param {number} limit @param {AbortSignal} signal */
async function fetchFiles(path, turn, limit, signal) {
  /** @type {any} */
  let all = null;
  let cursor = null;
  do {
    const page = await request('GET', withQuery(path, { turn, limit: PAGE_SIZE, cursor }), undefined, { signal });
    all = { ...page, items: [...(all?.items ?? []), ...page.items] };
    cursor = page.next_cursor;
  } while (cursor !== null && all.items.length < limit);
  return all;
}

/** @param {{ file: any, path: string, version: string, isInitiallyOpen: boolean }} props */
function File({ file, path, version, isInitiallyOpen }) {
  const [isOpen, setOpen] = useState(isInitiallyOpen && !file.binary);
  const [item] = useState({});
  const diff = useFetch((signal) => (isOpen && !file.binary ? requestText(path, { signal }) : Promise.resolve(null)), [path, version, isOpen]);
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
      ${diff.data === null ? !diff.problem && html`<p class="pad"><${Spinner} label=${t('loading')} /></p>` : html`<${DiffText} item=${item} diff=${diff.data} path=${file.path} />`}`}
    </div>`}
  </section>`;
}

/** The files in the working directory of a run. */
import { crumbsOf, downloadFile, listDirectory, nameOf } from '../../data/files.js';
import { useFetch } from '../../data/fetch.js';
import { bytes } from '../../format.js';
import { html, useEffect, useLayoutEffect, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Button, IconButton } from '../../ui/button.js';
import { EmptyState } from '../../ui/empty_state.js';
import { isFocusLost } from '../../ui/focus.js';
import { Problem } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';
import { RelativeTime } from '../../ui/time.js';
import { toastProblem } from '../../ui/toast.js';
import { FileView } from './file_view.js';
import { useItemState } from './item_state.js';
import { sanitizeLine } from './sanitize.js';
import { save } from './share.js';

/** How many entries are shown at first, and how many more per click. */
const PAGE_SIZE = 400;

/** @typedef {import('../../data/files.js').Entry} Entry */
/** @type {Record<Entry['type'], import('../../icons.js').IconName>} */
const ICONS = { file: 'file', directory: 'directory', link: 'link', other: 'question' };

/** @param {{ run: import('./live_run.js').LiveRun, canWrite: boolean }} props */
export function FilesView({ run, canWrite }) {
  // The place is kept while other parts of the run are shown.
  const [{ path, file }, setPlace] = useItemState(run, 'files', { path: '', file: /** @type {Entry | null} */ (null) });
  const [limit, setLimit] = useState(PAGE_SIZE);
  const { data, problem, reload } = useFetch((signal) => listDirectory(run.id, path, limit, signal).then((list) => ({ ...list, path })), [run.id, path, limit, run.model.changes?.snapshot, run.status]);
  const list = data?.path === path ? data : null;
  const element = useRef(/** @type {HTMLElement | null} */ (null));
  /** The entry that gets the focus when it is shown: the one that was left, or the first. */
  const wanted = useRef(/** @type {string | null} */ (null));
  const open = (/** @type {string} */ directory, /** @type {string} */ focus = '') => {
    wanted.current = focus;
    setLimit(PAGE_SIZE);
    setPlace({ path: directory, file: null });
  };
  // The view that had the focus is gone if this one was opened by a key.
  useLayoutEffect(() => { if (isFocusLost()) wanted.current = ''; }, []);
  useEffect(() => {
    if (wanted.current === null || file !== null || list === null) return;
    const entries = [...(element.current?.querySelectorAll('.file-name') ?? [])].map((entry) => /** @type {HTMLElement} */ (entry));
    const last = /** @type {HTMLElement | null} */ (element.current?.querySelector('[aria-current]'));
    (entries.find(({ dataset }) => dataset.path === wanted.current) ?? entries[0] ?? last)?.focus();
    wanted.current = null;
  });
  const choose = (/** @type {Entry} */ entry) => {
    if (entry.type === 'directory') open(entry.path);
    else setPlace({ path, file: entry });
  };
  return html`<div class="changes files" role="region" aria-label=${t('run.files')} tabindex="0" ref=${element}><div class="changes-inner">
    <${Crumbs} path=${file ? file.path : path} onOpen=${open} />
    ${file ? html`<${FileView} key=${file.path} run=${run} entry=${file} canWrite=${canWrite} onClose=${() => open(path, file.path)} onSaved=${reload} />` : html`
      <${Problem} problem=${problem} onRetry=${reload} />
      ${list === null && !problem && html`<div class="empty"><${Spinner} label=${t('loading')} /></div>`}
      ${list?.items.length === 0 && html`<${EmptyState} title=${t('files.none')} icon="directory" />`}
      ${list && list.items.length > 0 && html`<ul class="box file-list">${list.items.map((entry) => html`<${FileRow} key=${entry.path} runId=${run.id} entry=${entry} onChoose=${choose} />`)}</ul>`}
      ${list?.hasMore && html`<p><${Button} onClick=${() => setLimit(limit + PAGE_SIZE)}>${t('show_more')}<//></p>`}`}
  </div></div>`;
}

/** @param {{ path: string, onOpen: (path: string, focus?: string) => void }} props */
function Crumbs({ path, onOpen }) {
  const crumbs = [{ name: t('files.root'), path: '' }, ...crumbsOf(path)];
  return html`<nav class="crumbs" aria-label=${t('files.path')}><ol>${crumbs.map(({ name, path: target }, index) => html`<li key=${target}>${index === crumbs.length - 1
    ? html`<span aria-current="page" tabindex="-1">${sanitizeLine(name)}</span>`
    : html`<button type="button" class="text-button" onClick=${() => onOpen(target, crumbs[index + 1].path)}>${sanitizeLine(name)}</button>`}</li>`)}</ol></nav>`;
}

/** @param {{ runId: string, entry: Entry, onChoose: (entry: Entry) => void }} props */
function FileRow({ runId, entry, onChoose }) {
  const name = sanitizeLine(nameOf(entry.path));
  const download = () => downloadFile(runId, entry.path).then((blob) => save(blob, nameOf(entry.path)), toastProblem);
  const content = html`<${Icon} name=${ICONS[entry.type] ?? 'question'} /><span>${name}</span>`;
  // Links are not followed, and pipes, sockets and devices have no content.
  return html`<li>
    ${entry.type === 'file' || entry.type === 'directory' ? html`<button type="button" class="file-name" data-path=${entry.path} title=${name} onClick=${() => onChoose(entry)}>${content}<span class="visually-hidden"> (${t(`files.type.${entry.type}`)})</span></button>`
      : html`<span class="file-name faint" title=${name}>${content}<span class="visually-hidden"> (${t(`files.type.${entry.type}`)})</span></span>`}
    <span class="faint file-size">${entry.type === 'file' && entry.size !== undefined ? bytes(entry.size) : ''}</span>
    <span class="faint file-time">${entry.modified_at && html`<${RelativeTime} time=${entry.modified_at} />`}</span>
    ${entry.type === 'file' ? html`<${IconButton} icon="download" label=${t('files.download_name', { name })} onClick=${download} />` : html`<span class="file-no-action"></span>`}
  </li>`;
}

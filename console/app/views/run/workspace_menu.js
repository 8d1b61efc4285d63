/** The workspace that the server has made for a session: commit its work, remove it. */
import { ApiProblem, request } from '../../api.js';
import { html, useRef, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Icon } from '../../icons.js';
import { Button, CopyButton } from '../../ui/button.js';
import { Dialog, confirm } from '../../ui/dialog.js';
import { TextField } from '../../ui/field.js';
import { Menu } from '../../ui/menu.js';
import { Problem } from '../../ui/problem.js';
import { toast, toastProblem } from '../../ui/toast.js';
import { sanitizeLine, summarize } from './sanitize.js';

/** Directories that the server makes are named after the first run of the session. */
const MADE_DIRECTORY = /\/run_[0-9a-f]{32}$/;

/** The actions; nothing if the session works in a directory of its user. @param {{ record: any, title: string, onRemoved: () => void }} props `record`: one of the session's runs */
export function WorkspaceMenu({ record, title, onRemoved }) {
  const [isCommitting, setCommitting] = useState(false);
  if (!record || (!record.workspace && !MADE_DIRECTORY.test(record.working_dir))) return null;
  const items = [
    ...(record.workspace ? [{ label: t('run.commit'), icon: /** @type {const} */ ('branch'), onSelect: () => setCommitting(true) }] : []),
    { label: t('run.remove_workspace'), icon: /** @type {const} */ ('trash'), danger: true, onSelect: () => void remove(record).then((isRemoved) => isRemoved && onRemoved(), toastProblem) },
  ];
  return html`<span><${Menu} label=${t('run.workspace')} items=${items} class="menu-text"><${Icon} name="branch" /><span>${t('run.workspace')}</span><//></span>
    ${isCommitting && html`<${CommitDialog} record=${record} title=${title} onClose=${() => setCommitting(false)} />`}`;
}

/** @param {{ record: any, title: string, onClose: () => void }} props */
function CommitDialog({ record, title, onClose }) {
  const [message, setMessage] = useState(summarize(title, 72));
  const [isBusy, setBusy] = useState(false);
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [done, setDone] = useState(/** @type {any} */ (null));
  const form = useRef(/** @type {HTMLFormElement | null} */ (null));
  const { branch, repository } = record.workspace;
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (isBusy) return;
    setBusy(true);
    setProblem(null);
    try {
      setDone(await request('POST', `/api/sessions/${encodeURIComponent(record.session_id)}/branch`, { message }));
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  const onKeyDown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) form.current?.requestSubmit();
  };
  return html`<${Dialog} title=${t('run.commit')} onClose=${onClose} actions=${done ? html`<${Button} kind="primary" onClick=${onClose}>${t('done')}<//>`
    : html`<${Button} onClick=${onClose}>${t('cancel')}<//><${Button} kind="primary" busy=${isBusy} disabled=${message.trim() === ''} onClick=${() => form.current?.requestSubmit()}>${t('run.commit.submit')}<//>`}>
    <p>${t('run.commit.text', { branch: sanitizeLine(branch), repository: sanitizeLine(repository) })}</p>
    ${done === null && html`<form ref=${form} onSubmit=${submit} onKeyDown=${onKeyDown}><${TextField} label=${t('run.commit.message')} value=${message} onInput=${setMessage} rows=${4} required maxlength="65536" /></form>`}
    <${Problem} problem=${problem} />
    <div role="status">${done && html`<p>${t(done.committed ? 'run.commit.done' : 'run.commit.unchanged', { commit: done.commit.slice(0, 12) })} <code>${sanitizeLine(done.branch)}</code> <${CopyButton} text=${done.branch} /></p>
      ${done.skipped_total > 0 && html`<p class="hint">${t('run.commit.skipped', { count: done.skipped_total })} ${done.skipped.map((/** @type {any} */ skipped) => sanitizeLine(skipped.path)).join(', ')}</p>`}`}</div>
  <//>`;
}

/** Removes the workspace after confirmation, with another one if it has work that is not committed. @param {any} record @returns {Promise<boolean>} whether it was removed */
async function remove(record) {
  const dir = sanitizeLine(record.working_dir);
  const path = `/api/sessions/${encodeURIComponent(record.session_id)}/workspace`;
  if (!await confirm({ title: t('run.remove_workspace.title'), text: t('run.remove_workspace.text', { dir }), action: t('run.remove_workspace'), danger: true })) return false;
  try {
    await request('DELETE', path);
  } catch (problem) {
    if (!(problem instanceof ApiProblem) || problem.code !== 'uncommitted_work') throw problem;
    if (!await confirm({ title: t('run.remove_workspace.force_title'), text: t('run.remove_workspace.force_text', { dir }), action: t('run.remove_workspace.force'), danger: true })) return false;
    await request('DELETE', `${path}?force=true`);
  }
  toast(t('run.remove_workspace.done'));
  return true;
}

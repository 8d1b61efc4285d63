/** The audit log. */
import { fetchAll, useFetch, usePagination } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { dateTime } from '../../format.js';
import { t } from '../../i18n.js';
import { Badge } from '../../ui/badge.js';
import { Button } from '../../ui/button.js';
import { EmptyState } from '../../ui/empty_state.js';
import { Combobox, Select, TextField } from '../../ui/field.js';
import { PageHeader } from '../../ui/page_header.js';
import { Problem } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';

const ACTIONS = ['login', 'logout', 'password', 'user.create', 'user.change', 'user.delete', 'key.create', 'key.delete', 'ticket', 'run.create', 'run.cancel',
  'run.delete', 'run.message', 'run.answer', 'run.write', 'run.revert', 'session.branch', 'workspace.remove', 'file.upload', 'file.delete',
  'profile.set', 'profile.delete', 'webhook.retry'];

/** Offered periods, in days. */
const PERIODS = [1, 7, 30];

export function AuditView() {
  const [username, setUsername] = useState('');
  const [action, setAction] = useState('');
  const [runId, setRunId] = useState('');
  const [days, setDays] = useState('');
  // Rounded to the minute, so that a new render does not load again.
  const since = days === '' ? null : new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(days) * 86_400_000).toISOString();
  const users = useFetch((signal) => fetchAll('/api/users', signal), []);
  const { items, problem, hasMore, loadMore, reload } = usePagination('/api/audit', { username: username.trim(), action, run_id: runId.trim(), since });
  return html`<div class="view view-scroll"><${PageHeader} title=${t('nav.audit')} />
    <div class="column column-wide">
      <div class="filters">
        <${Combobox} class="field-bare" label=${t('audit.username')} placeholder=${t('audit.username')} value=${username} onInput=${setUsername} suggestions=${(users.data ?? []).map((user) => user.username)} />
        <${Select} class="field-bare" label=${t('audit.action')} value=${action} onChange=${setAction} options=${[{ value: '', label: t('audit.any_action') }, ...ACTIONS.map((value) => ({ value, label: value }))]} />
        <${TextField} class="field-bare" label=${t('audit.run')} placeholder=${t('audit.run')} value=${runId} onInput=${setRunId} spellcheck=${false} />
        <${Select} class="field-bare" label=${t('audit.since')} value=${days} onChange=${setDays} options=${[{ value: '', label: t('audit.any_time') }, ...PERIODS.map((count) => ({ value: String(count), label: t('audit.last_days', { count }) }))]} />
      </div>
      <${Problem} problem=${problem} onRetry=${reload} />
      ${items === null ? !problem && html`<${Spinner} label=${t('loading')} />` : items.length === 0 ? html`<${EmptyState} title=${t('audit.none')} icon="audit" />` : html`
        <div class="table-box" tabindex="0" role="region" aria-label=${t('nav.audit')}><table>
          <thead><tr><th>${t('audit.created_at')}</th><th>${t('audit.username')}</th><th>${t('audit.action')}</th><th>${t('audit.outcome')}</th><th>${t('audit.target')}</th><th>${t('audit.address')}</th></tr></thead>
          <tbody>${items.map((entry) => html`<tr key=${entry.id}><td class="nowrap"><time datetime=${entry.created_at}>${dateTime(entry.created_at)}</time></td><td>${entry.username ?? t('audit.unknown_user')}</td>
            <td class="mono">${entry.action}</td><td><${Badge} tone=${entry.outcome === 'ok' ? 'plain' : 'warn'}>${entry.outcome}<//></td>
            <td>${targetText(entry)} <span class="faint">${entry.detail}</span></td><td class="mono faint">${entry.address ?? t('audit.command_line')}</td></tr>`)}</tbody></table></div>
        ${hasMore && html`<div class="form-actions"><${Button} onClick=${loadMore}>${t('show_more')}<//></div>`}`}
    </div></div>`;
}

/** @param {any} entry */
function targetText({ run_id: runId, target_username: username, target_key_id: keyId }) {
  if (runId) return html`<a class="mono" href="#/runs/${runId}">…${runId.slice(-12)}</a>`;
  return username ?? (keyId ? html`<span class="mono">…${keyId.slice(-12)}</span>` : null);
}

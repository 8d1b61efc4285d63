/** Who did what. */
import { all, useLoad, usePages } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { moment } from '../../format.js';
import { t } from '../../i18n.js';
import { PageHeader } from '../../shell.js';
import { Button } from '../../ui/button.js';
import { Combobox, Select, TextField } from '../../ui/field.js';
import { Badge, Empty, Problem, Spinner } from '../../ui/misc.js';

const ACTIONS = ['login', 'logout', 'password', 'user.create', 'user.change', 'user.delete', 'key.create', 'key.delete', 'ticket', 'run.create', 'run.cancel',
  'run.delete', 'run.message', 'run.answer'];

/** How far back, in days. */
const PERIODS = [1, 7, 30];

export function AuditView() {
  const [user, setUser] = useState('');
  const [action, setAction] = useState('');
  const [run, setRun] = useState('');
  const [days, setDays] = useState('');
  // To the minute, so that looking again is the same question.
  const since = days === '' ? null : new Date(Math.floor(Date.now() / 60_000) * 60_000 - Number(days) * 86_400_000).toISOString();
  const users = useLoad((signal) => all('/api/users', signal), []);
  const { items, problem, hasMore, more, reload } = usePages('/api/audit', { user: user.trim(), action, run: run.trim(), since });
  return html`<div class="view view-scroll"><${PageHeader} title=${t('nav.audit')} />
    <div class="column column-wide">
      <div class="filters">
        <${Combobox} class="field-bare" label=${t('runs.owner')} placeholder=${t('runs.owner')} value=${user} onInput=${setUser} suggestions=${(users.data ?? []).map(({ username }) => username)} />
        <${Select} class="field-bare" label=${t('audit.action')} value=${action} onChange=${setAction} options=${[{ value: '', label: t('audit.any_action') }, ...ACTIONS.map((value) => ({ value, label: value }))]} />
        <${TextField} class="field-bare" label=${t('audit.run')} placeholder=${t('audit.run')} value=${run} onInput=${setRun} spellcheck=${false} />
        <${Select} class="field-bare" label=${t('audit.since')} value=${days} onChange=${setDays} options=${[{ value: '', label: t('audit.any_time') }, ...PERIODS.map((count) => ({ value: String(count), label: t('audit.last_days', { count }) }))]} />
      </div>
      <${Problem} problem=${problem} onRetry=${reload} />
      ${items === null ? !problem && html`<${Spinner} label=${t('loading')} />` : items.length === 0 ? html`<${Empty} title=${t('audit.none')} icon="audit" />` : html`
        <div class="table-box" tabindex="0" role="region" aria-label=${t('nav.audit')}><table>
          <thead><tr><th>${t('audit.at')}</th><th>${t('runs.col.owner')}</th><th>${t('audit.action')}</th><th>${t('audit.outcome')}</th><th>${t('audit.target')}</th><th>${t('audit.address')}</th></tr></thead>
          <tbody>${items.map((entry) => html`<tr key=${entry.id}><td class="nowrap"><time datetime=${entry.at}>${moment(entry.at)}</time></td><td>${entry.user ?? t('audit.nobody')}</td>
            <td class="mono">${entry.action}</td><td><${Badge} tone=${entry.outcome === 'ok' ? 'plain' : 'warn'}>${entry.outcome}<//></td>
            <td>${targetOf(entry)} <span class="faint">${entry.detail}</span></td><td class="mono faint">${entry.address ?? t('audit.command_line')}</td></tr>`)}</tbody></table></div>
        ${hasMore && html`<div class="form-actions"><${Button} onClick=${more}>${t('more')}<//></div>`}`}
    </div></div>`;
}

/** @param {any} entry */
function targetOf({ run_id: run, target_user: user, target_key: key }) {
  if (run) return html`<a class="mono" href="#/runs/${run}">…${run.slice(-12)}</a>`;
  return user ?? (key ? html`<span class="mono">…${key.slice(-12)}</span>` : null);
}

/** API keys: the user's own, or all for admins. */
import { request } from '../../api.js';
import { isAdmin } from '../../auth.js';
import { fetchAll, useFetch } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { date } from '../../format.js';
import { t } from '../../i18n.js';
import { Badge } from '../../ui/badge.js';
import { Button, CopyButton, IconButton } from '../../ui/button.js';
import { Dialog, confirm } from '../../ui/dialog.js';
import { EmptyState } from '../../ui/empty_state.js';
import { Checkbox, Select, TextField } from '../../ui/field.js';
import { PageHeader } from '../../ui/page_header.js';
import { Problem, fieldErrorText, hasOtherErrors } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';
import { RelativeTime } from '../../ui/time.js';
import { toastProblem } from '../../ui/toast.js';

/** Offered lifetimes of a key, in days; null is unlimited. */
const LIFETIMES = [30, 90, 365, null];

export function KeysView() {
  const { data: keys, problem, reload } = useFetch((signal) => fetchAll('/api/keys', signal), []);
  const [isCreating, setCreating] = useState(false);
  const close = () => { setCreating(false); reload(); };
  const revoke = async (/** @type {any} */ key) => {
    if (!await confirm({ title: t('keys.revoke_title'), text: t('keys.revoke_text', { name: key.name }), action: t('keys.revoke'), danger: true })) return;
    await request('DELETE', `/api/keys/${key.id}`).catch(toastProblem);
    reload();
  };
  return html`<div class="view view-scroll">
    <${PageHeader} title=${t('nav.keys')}><${Button} kind="primary" icon="plus" onClick=${() => setCreating(true)}>${t('keys.create')}<//><//>
    <div class="column column-wide">
      <p class="muted">${t('keys.text')}</p>
      <${Problem} problem=${problem} onRetry=${reload} />
      ${keys === null ? !problem && html`<${Spinner} label=${t('loading')} />` : keys.length === 0 ? html`<${EmptyState} title=${t('keys.none')} icon="key" />`
        : html`<div class="table-box" tabindex="0" role="region" aria-label=${t('nav.keys')}><table>
          <thead><tr><th>${t('keys.name')}</th>${isAdmin() && html`<th>${t('runs.column.owner')}</th>`}<th>${t('keys.scopes')}</th><th>${t('runs.column.created')}</th><th>${t('keys.last_used')}</th><th>${t('keys.expires')}</th><th><span class="unseen">${t('actions')}</span></th></tr></thead>
          <tbody>${keys.map((key) => html`<tr key=${key.id}><th scope="row">${key.name}</th>${isAdmin() && html`<td>${key.owner}</td>`}
            <td>${key.scopes.map((/** @type {string} */ scope) => html`<${Badge} key=${scope}>${scope}<//> `)}</td><td><${RelativeTime} time=${key.created_at} /></td>
            <td>${key.last_used_at ? html`<${RelativeTime} time=${key.last_used_at} />` : t('keys.never_used')}</td><td>${key.expires_at ? date(key.expires_at) : t('keys.no_expiry')}</td>
            <td class="right"><${IconButton} icon="trash" label=${t('keys.revoke_name', { name: key.name })} onClick=${() => revoke(key)} /></td></tr>`)}</tbody></table></div>`}
    </div>
    ${isCreating && html`<${CreateDialog} onClose=${close} />`}
  </div>`;
}

/** @param {{onClose: () => void}} props */
function CreateDialog({ onClose }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(['runs:read', 'runs:write']);
  const [days, setDays] = useState('90');
  const [created, setCreated] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  if (created) {
    return html`<${Dialog} title=${t('keys.created')} onClose=${onClose} class="dialog-small" actions=${html`<${Button} kind="primary" onClick=${onClose}>${t('done')}<//>`}>
      <p>${t('keys.created_text')}</p><div class="command"><code data-secret>${created.key}</code><${CopyButton} text=${created.key} /></div><//>`;
  }
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      setCreated(await request('POST', '/api/keys', { name, scopes, ...(days !== '' && { expires_in: Number(days) * 86_400 }) }));
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  const toggle = (/** @type {string} */ scope, /** @type {boolean} */ isChecked) => setScopes(isChecked ? [...scopes, scope] : scopes.filter((other) => other !== scope));
  return html`<${Dialog} title=${t('keys.create')} onClose=${onClose} class="dialog-small"><form class="form" onSubmit=${submit}>
    ${hasOtherErrors(problem, ['name']) && html`<${Problem} problem=${problem} />`}
    <${TextField} label=${t('keys.name')} value=${name} onInput=${setName} required maxlength="64" autocomplete="off" error=${fieldErrorText(problem, 'name')} />
    <fieldset class="field"><legend>${t('keys.scopes')}</legend>
      ${['runs:read', 'runs:write', ...(isAdmin() ? ['admin'] : [])].map((scope) => html`<${Checkbox} key=${scope} label=${html`<code>${scope}</code>`} hint=${t(`scope.${scope}`)}
        checked=${scopes.includes(scope)} onChange=${(/** @type {boolean} */ isChecked) => toggle(scope, isChecked)} />`)}</fieldset>
    <${Select} label=${t('keys.expires')} value=${days} onChange=${setDays} options=${LIFETIMES.map((lifetime) => ({ value: String(lifetime ?? ''), label: lifetime === null ? t('keys.no_expiry') : t('usage.days', { count: lifetime }) }))} />
    <div class="form-actions"><${Button} kind="primary" type="submit" busy=${isBusy} disabled=${scopes.length === 0}>${t('keys.create')}<//></div></form><//>`;
}

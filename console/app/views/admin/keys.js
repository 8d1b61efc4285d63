/** API keys: one's own, and for admins everybody's. */
import { ApiProblem, request } from '../../api.js';
import { isAdmin } from '../../auth.js';
import { all, useLoad } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { date } from '../../format.js';
import { t } from '../../i18n.js';
import { PageHeader } from '../../shell.js';
import { Button, CopyButton, IconButton } from '../../ui/button.js';
import { Dialog, confirm } from '../../ui/dialog.js';
import { Checkbox, Select, TextField } from '../../ui/field.js';
import { Ago, Badge, Empty, Problem, Spinner, wordsOf } from '../../ui/misc.js';
import { toastProblem } from '../../ui/toast.js';

/** How long a key may live, in days; none is without end. */
const LIVES = [30, 90, 365, null];

export function KeysView() {
  const { data: keys, problem, reload } = useLoad((signal) => all('/api/keys', signal), []);
  const [creating, setCreating] = useState(false);
  const close = () => { setCreating(false); reload(); };
  const revoke = async (/** @type {any} */ key) => {
    if (!await confirm({ title: t('keys_view.revoke_title'), text: t('keys_view.revoke_text', { name: key.name }), action: t('keys_view.revoke'), danger: true })) return;
    await request('DELETE', `/api/keys/${key.id}`).catch(toastProblem);
    reload();
  };
  return html`<div class="view view-scroll">
    <${PageHeader} title=${t('nav.keys')}><${Button} kind="primary" icon="plus" onClick=${() => setCreating(true)}>${t('keys_view.create')}<//><//>
    <div class="column column-wide">
      <p class="muted">${t('keys_view.text')}</p>
      <${Problem} problem=${problem} onRetry=${reload} />
      ${keys === null ? !problem && html`<${Spinner} label=${t('loading')} />` : keys.length === 0 ? html`<${Empty} title=${t('keys_view.none')} icon="key" />`
        : html`<div class="table-box" tabindex="0" role="region" aria-label=${t('nav.keys')}><table>
          <thead><tr><th>${t('keys_view.name')}</th>${isAdmin() && html`<th>${t('runs.col.owner')}</th>`}<th>${t('keys_view.scopes')}</th><th>${t('runs.col.created')}</th><th>${t('keys_view.used')}</th><th>${t('keys_view.expires')}</th><th><span class="unseen">${t('actions')}</span></th></tr></thead>
          <tbody>${keys.map((key) => html`<tr key=${key.id}><th scope="row">${key.name}</th>${isAdmin() && html`<td>${key.owner}</td>`}
            <td>${key.scopes.map((/** @type {string} */ scope) => html`<${Badge} key=${scope}>${scope}<//> `)}</td><td><${Ago} time=${key.created_at} /></td>
            <td>${key.last_used_at ? html`<${Ago} time=${key.last_used_at} />` : t('keys_view.never')}</td><td>${key.expires_at ? date(key.expires_at) : t('keys_view.no_end')}</td>
            <td class="right"><${IconButton} icon="trash" label=${t('keys_view.revoke_of', { name: key.name })} onClick=${() => revoke(key)} /></td></tr>`)}</tbody></table></div>`}
    </div>
    ${creating && html`<${CreateDialog} onClose=${close} />`}
  </div>`;
}

/** @param {{onClose: () => void}} props */
function CreateDialog({ onClose }) {
  const [name, setName] = useState('');
  const [scopes, setScopes] = useState(['runs:read', 'runs:write']);
  const [days, setDays] = useState('90');
  const [made, setMade] = useState(/** @type {any} */ (null));
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  if (made) {
    return html`<${Dialog} title=${t('keys_view.made')} onClose=${onClose} class="dialog-small" actions=${html`<${Button} kind="primary" onClick=${onClose}>${t('done')}<//>`}>
      <p>${t('keys_view.made_text')}</p><div class="command"><code data-secret>${made.key}</code><${CopyButton} text=${made.key} /></div><//>`;
  }
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    setProblem(null);
    try {
      setMade(await request('POST', '/api/keys', { name, scopes, ...(days !== '' && { expires_in: Number(days) * 86_400 }) }));
    } catch (error) {
      setProblem(error);
    }
    setBusy(false);
  };
  const field = problem instanceof ApiProblem ? problem.field : null;
  const toggle = (/** @type {string} */ scope, /** @type {boolean} */ wanted) => setScopes(wanted ? [...scopes, scope] : scopes.filter((one) => one !== scope));
  return html`<${Dialog} title=${t('keys_view.create')} onClose=${onClose} class="dialog-small"><form class="form" onSubmit=${submit}>
    ${field !== 'name' && html`<${Problem} problem=${problem} />`}
    <${TextField} label=${t('keys_view.name')} value=${name} onInput=${setName} required maxlength="64" autocomplete="off" error=${field === 'name' ? wordsOf(problem) : null} />
    <fieldset class="field"><legend>${t('keys_view.scopes')}</legend>
      ${['runs:read', 'runs:write', ...(isAdmin() ? ['admin'] : [])].map((scope) => html`<${Checkbox} key=${scope} label=${html`<code>${scope}</code>`} hint=${t(`scope.${scope}`)}
        checked=${scopes.includes(scope)} onChange=${(/** @type {boolean} */ wanted) => toggle(scope, wanted)} />`)}</fieldset>
    <${Select} label=${t('keys_view.expires')} value=${days} onChange=${setDays} options=${LIVES.map((life) => ({ value: String(life ?? ''), label: life === null ? t('keys_view.no_end') : t('usage.days', { count: life }) }))} />
    <div class="form-actions"><${Button} kind="primary" type="submit" busy=${busy} disabled=${scopes.length === 0}>${t('keys_view.create')}<//></div></form><//>`;
}

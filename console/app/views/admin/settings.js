/** The settings in force, and where each came from. */
import { request } from '../../api.js';
import { useLoad } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { PageHeader } from '../../shell.js';
import { TextField } from '../../ui/field.js';
import { Badge, Problem, Spinner } from '../../ui/misc.js';

export function SettingsView() {
  const { data, problem, reload } = useLoad((signal) => request('GET', '/api/settings', undefined, { signal }), []);
  const [text, setText] = useState('');
  const wanted = text.trim().toLowerCase();
  const shown = (data?.settings ?? []).filter((/** @type {any} */ one) => [one.name, one.variable ?? ''].some((name) => name.toLowerCase().includes(wanted)));
  return html`<div class="view view-scroll"><${PageHeader} title=${t('nav.settings')} />
    <div class="column column-wide">
      <p class="muted">${t('settings.text')}</p>
      <div class="filters"><${TextField} class="field-bare" label=${t('settings.search')} placeholder=${t('settings.search')} type="search" value=${text} onInput=${setText} /></div>
      <${Problem} problem=${problem} onRetry=${reload} />
      ${data === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`<div class="table-box" tabindex="0" role="region" aria-label=${t('nav.settings')}><table>
        <thead><tr><th>${t('settings.name')}</th><th>${t('settings.value')}</th><th>${t('settings.origin')}</th><th>${t('settings.variable')}</th></tr></thead>
        <tbody>${shown.map((/** @type {any} */ one) => html`<tr key=${one.name}><th scope="row" class="mono">${one.name}</th><td class="mono wrap">${written(one.value)}</td>
          <td><${Badge} tone=${originOf(one.origin) === 'default' ? 'plain' : 'accent'}>${t(`settings.origin.${originOf(one.origin)}`)}<//></td><td class="mono faint">${one.variable}</td></tr>`)}</tbody></table></div>`}
    </div></div>`;
}

/** A file is named by its path. @param {unknown} origin @returns {string} */
const originOf = (origin) => (typeof origin === 'string' ? origin : Object.keys(/** @type {object} */ (origin ?? {}))[0] ?? 'default');

/** @param {unknown} value */
function written(value) {
  if (value === null || value === undefined || Array.isArray(value) && value.length === 0) return t('settings.none');
  return typeof value === 'string' ? value : Array.isArray(value) && value.every((one) => typeof one !== 'object') ? value.join(', ') : JSON.stringify(value);
}

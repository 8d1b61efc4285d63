/** The server's settings and the origin of each value. */
import { request } from '../../api.js';
import { useFetch } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { t } from '../../i18n.js';
import { Badge } from '../../ui/badge.js';
import { TextField } from '../../ui/field.js';
import { PageHeader } from '../../ui/page_header.js';
import { Problem } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';

export function SettingsView() {
  const { data, problem, reload } = useFetch((signal) => request('GET', '/api/settings', undefined, { signal }), []);
  const [text, setText] = useState('');
  const search = text.trim().toLowerCase();
  const shown = (data?.items ?? []).filter((/** @type {any} */ setting) => [setting.name, setting.variable ?? ''].some((name) => name.toLowerCase().includes(search)));
  return html`<div class="view view-scroll"><${PageHeader} title=${t('nav.settings')} />
    <div class="column column-wide">
      <p class="muted">${t('settings.text')}</p>
      <div class="filters"><${TextField} class="field-bare" label=${t('settings.search')} placeholder=${t('settings.search')} type="search" value=${text} onInput=${setText} /></div>
      <${Problem} problem=${problem} onRetry=${reload} />
      ${data === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`<div class="table-box" tabindex="0" role="region" aria-label=${t('nav.settings')}><table>
        <thead><tr><th>${t('settings.name')}</th><th>${t('settings.value')}</th><th>${t('settings.origin')}</th><th>${t('settings.variable')}</th></tr></thead>
        <tbody>${shown.map((/** @type {any} */ setting) => html`<tr key=${setting.name}><th scope="row" class="mono">${setting.name}</th><td class="mono wrap">${valueText(setting.value)}</td>
          <td><${Badge} tone=${originName(setting.origin) === 'default' ? 'plain' : 'accent'}>${t(`settings.origin.${originName(setting.origin)}`)}<//></td><td class="mono faint">${setting.variable}</td></tr>`)}</tbody></table></div>`}
    </div></div>`;
}

/** The origin `file` is an object with the file's path. @param {unknown} origin @returns {string} */
const originName = (origin) => (typeof origin === 'string' ? origin : Object.keys(/** @type {object} */ (origin ?? {}))[0] ?? 'default');

/** @param {unknown} value */
function valueText(value) {
  if (value === null || value === undefined || Array.isArray(value) && value.length === 0) return t('settings.none');
  return typeof value === 'string' ? value : Array.isArray(value) && value.every((item) => typeof item !== 'object') ? value.join(', ') : JSON.stringify(value);
}

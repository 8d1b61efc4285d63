/** Users: who there is, and what they may do. */
import { ApiProblem, request } from '../../api.js';
import { all, useLoad } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { compact, money } from '../../format.js';
import { t } from '../../i18n.js';
import { user as me } from '../../auth.js';
import { PageHeader } from '../../shell.js';
import { Button } from '../../ui/button.js';
import { Dialog, confirm } from '../../ui/dialog.js';
import { Select, TextField } from '../../ui/field.js';
import { Menu } from '../../ui/menu.js';
import { Badge, Problem, Spinner, wordsOf } from '../../ui/misc.js';
import { toastProblem } from '../../ui/toast.js';

/** @typedef {{kind: 'create' | 'password' | 'budget', user?: any}} Open */

export function UsersView() {
  const { data: users, problem, reload } = useLoad((signal) => all('/api/users', signal), []);
  const [open, setOpen] = useState(/** @type {Open | null} */ (null));
  const close = () => { setOpen(null); reload(); };
  return html`<div class="view view-scroll">
    <${PageHeader} title=${t('nav.users')}><${Button} kind="primary" icon="plus" onClick=${() => setOpen({ kind: 'create' })}>${t('users.create')}<//><//>
    <div class="column column-wide">
      <${Problem} problem=${problem} onRetry=${reload} />
      ${users === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`<div class="table-box" tabindex="0" role="region" aria-label=${t('nav.users')}><table>
        <thead><tr><th>${t('signin.username')}</th><th>${t('users.role')}</th><th>${t('users.budget')}</th><th><span class="unseen">${t('actions')}</span></th></tr></thead>
        <tbody>${users.map((user) => html`<tr key=${user.username}><th scope="row">${user.username}${user.default_password && html` <${Badge} tone="warn">${t('users.default_password')}<//>`}</th>
          <td>${t(`role.${user.role}`)}</td><td class="muted">${budgetOf(user.budget)}</td>
          <td class="right"><${Menu} label=${t('users.actions', { name: user.username })} items=${actionsOf(user, setOpen, reload)} /></td></tr>`)}</tbody></table></div>`}
    </div>
    ${open?.kind === 'create' && html`<${CreateDialog} onClose=${close} />`}
    ${open?.kind === 'password' && html`<${PasswordDialog} user=${open.user} onClose=${close} />`}
    ${open?.kind === 'budget' && html`<${BudgetDialog} user=${open.user} onClose=${close} />`}
  </div>`;
}

/** @param {any} budget */
function budgetOf(budget) {
  const words = [[budget?.tokens_per_day, (/** @type {number} */ value) => t('users.tokens_a_day', { value: compact(value) })], [budget?.cost_per_day_usd, (/** @type {number} */ value) => t('users.cost_a_day', { value: money(value) })]]
    .filter(([bound]) => bound !== undefined && bound !== null).map(([bound, write]) => (bound === 'unlimited' ? t('users.unlimited') : write(bound)));
  return words.length > 0 ? words.join(', ') : t('users.as_server');
}

/** @param {any} user @param {(open: Open) => void} setOpen @param {() => void} reload @returns {import('../../ui/menu.js').MenuItem[]} */
function actionsOf(user, setOpen, reload) {
  const role = user.role === 'admin' ? 'user' : 'admin';
  const path = `/api/users/${encodeURIComponent(user.username)}`;
  const change = async () => {
    if (!await confirm({ title: t('users.role_title'), text: t(`users.make_${role}_text`, { name: user.username }), action: t(`users.make_${role}`), danger: role === 'user' })) return;
    await request('PATCH', path, { role }).catch(toastProblem);
    reload();
  };
  const remove = async () => {
    if (!await confirm({ title: t('users.delete_title'), text: t('users.delete_text', { name: user.username }), action: t('users.delete'), danger: true })) return;
    await request('DELETE', path).catch(toastProblem);
    reload();
  };
  return [
    { label: t(`users.make_${role}`), icon: 'shield', onSelect: change },
    { label: t('users.reset_password'), icon: 'key', onSelect: () => setOpen({ kind: 'password', user }) },
    { label: t('users.set_budget'), icon: 'usage', onSelect: () => setOpen({ kind: 'budget', user }) },
    ...(user.username === me.value?.username ? [] : [null, { label: t('users.delete'), icon: /** @type {const} */ ('trash'), danger: true, onSelect: remove }]),
  ];
}

/**
 * A dialog with a form that sends one request.
 * @param {{title: string, action: string, onClose: () => void, send: () => Promise<unknown>, fields: (errorOf: (field: string) => string | null) => any, known: string[]}} props
 */
function FormDialog({ title, action, onClose, send, fields, known }) {
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [busy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    setBusy(true);
    try {
      await send();
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const field = problem instanceof ApiProblem ? problem.field : null;
  const errorOf = (/** @type {string} */ name) => (field === name ? wordsOf(problem) : null);
  return html`<${Dialog} title=${title} onClose=${onClose} class="dialog-small"><form class="form" onSubmit=${submit}>
    ${(field === null || !known.includes(field)) && html`<${Problem} problem=${problem} />`}
    ${fields(errorOf)}
    <div class="form-actions"><${Button} kind="primary" type="submit" busy=${busy}>${action}<//></div></form><//>`;
}

/** @param {{onClose: () => void}} props */
function CreateDialog({ onClose }) {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState('');
  const [role, setRole] = useState('user');
  return html`<${FormDialog} title=${t('users.create')} action=${t('users.create')} onClose=${onClose} known=${['username', 'password']}
    send=${() => request('POST', '/api/users', { username, password, role })}
    fields=${(/** @type {(field: string) => string | null} */ errorOf) => html`
      <${TextField} label=${t('signin.username')} value=${username} onInput=${setUsername} error=${errorOf('username')} required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck=${false} />
      <${TextField} label=${t('signin.password')} value=${password} onInput=${setPassword} error=${errorOf('password')} type="password" required minlength="8" autocomplete="new-password" hint=${t('password.hint')} />
      <${Select} label=${t('users.role')} value=${role} onChange=${setRole} options=${['user', 'admin'].map((value) => ({ value, label: t(`role.${value}`) }))} />`} />`;
}

/** @param {{user: any, onClose: () => void}} props */
function PasswordDialog({ user, onClose }) {
  const [password, setPassword] = useState('');
  return html`<${FormDialog} title=${t('users.reset_password_of', { name: user.username })} action=${t('password.submit')} onClose=${onClose} known=${['password']}
    send=${() => request('PATCH', `/api/users/${encodeURIComponent(user.username)}`, { password })}
    fields=${(/** @type {(field: string) => string | null} */ errorOf) => html`<p class="muted">${t('users.reset_password_text')}</p>
      <${TextField} label=${t('password.new')} value=${password} onInput=${setPassword} error=${errorOf('password')} type="password" required minlength="8" autocomplete="new-password" hint=${t('password.hint')} />`} />`;
}

/** @param {string} text @returns {number | 'unlimited' | null} */
const boundOf = (text) => (text.trim() === '' ? null : text.trim() === '∞' ? 'unlimited' : Number(text));

/** @param {any} bound */
const writtenBound = (bound) => (bound === undefined || bound === null ? '' : bound === 'unlimited' ? '∞' : String(bound));

/** @param {{user: any, onClose: () => void}} props */
function BudgetDialog({ user, onClose }) {
  const [tokens, setTokens] = useState(writtenBound(user.budget?.tokens_per_day));
  const [cost, setCost] = useState(writtenBound(user.budget?.cost_per_day_usd));
  const known = ['budget.tokens_per_day', 'budget.cost_per_day_usd'];
  return html`<${FormDialog} title=${t('users.budget_of', { name: user.username })} action=${t('save')} onClose=${onClose} known=${known}
    send=${() => request('PATCH', `/api/users/${encodeURIComponent(user.username)}`, { budget: { tokens_per_day: boundOf(tokens), cost_per_day_usd: boundOf(cost) } })}
    fields=${(/** @type {(field: string) => string | null} */ errorOf) => html`<p class="muted">${t('users.budget_text')}</p>
      <${TextField} label=${t('users.tokens_per_day')} value=${tokens} onInput=${setTokens} error=${errorOf(known[0])} inputmode="numeric" pattern="[0-9]*|∞" />
      <${TextField} label=${t('users.cost_per_day')} value=${cost} onInput=${setCost} error=${errorOf(known[1])} inputmode="decimal" pattern="[0-9]*([.][0-9]+)?|∞" />`} />`;
}

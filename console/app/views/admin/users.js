/** Users, their roles and budgets. */
import { request } from '../../api.js';
import { fetchAll, useFetch } from '../../data/fetch.js';
import { html, useState } from '../../html.js';
import { compact, money } from '../../format.js';
import { t } from '../../i18n.js';
import { user as currentUser } from '../../auth.js';
import { Badge } from '../../ui/badge.js';
import { Button } from '../../ui/button.js';
import { Dialog, confirm } from '../../ui/dialog.js';
import { Select, TextField } from '../../ui/field.js';
import { Menu } from '../../ui/menu.js';
import { NewPassword } from '../../ui/new_password.js';
import { PageHeader } from '../../ui/page_header.js';
import { Problem, fieldErrorText, hasOtherErrors } from '../../ui/problem.js';
import { Spinner } from '../../ui/spinner.js';
import { toastProblem } from '../../ui/toast.js';

/** @typedef {{kind: 'create' | 'password' | 'budget', user?: any}} OpenDialog */

export function UsersView() {
  const { data: users, problem, reload } = useFetch((signal) => fetchAll('/api/users', signal), []);
  const [dialog, setDialog] = useState(/** @type {OpenDialog | null} */ (null));
  const close = () => { setDialog(null); reload(); };
  return html`<div class="view view-scroll">
    <${PageHeader} title=${t('nav.users')}><${Button} kind="primary" icon="plus" onClick=${() => setDialog({ kind: 'create' })}>${t('users.create')}<//><//>
    <div class="column column-wide">
      <${Problem} problem=${problem} onRetry=${reload} />
      ${users === null ? !problem && html`<${Spinner} label=${t('loading')} />` : html`<div class="table-box" tabindex="0" role="region" aria-label=${t('nav.users')}><table>
        <thead><tr><th>${t('sign_in.username')}</th><th>${t('users.role')}</th><th>${t('users.budget')}</th><th><span class="unseen">${t('actions')}</span></th></tr></thead>
        <tbody>${users.map((user) => html`<tr key=${user.username}><th scope="row">${user.username}${user.default_password && html` <${Badge} tone="warn">${t('users.default_password')}<//>`}</th>
          <td>${t(`role.${user.role}`)}</td><td class="muted">${budgetText(user.budget)}</td>
          <td class="right"><${Menu} label=${t('users.actions', { name: user.username })} items=${menuItems(user, setDialog, reload)} /></td></tr>`)}</tbody></table></div>`}
    </div>
    ${dialog?.kind === 'create' && html`<${CreateDialog} onClose=${close} />`}
    ${dialog?.kind === 'password' && html`<${PasswordDialog} user=${dialog.user} onClose=${close} />`}
    ${dialog?.kind === 'budget' && html`<${BudgetDialog} user=${dialog.user} onClose=${close} />`}
  </div>`;
}

/** @param {any} budget */
function budgetText(budget) {
  const tokens = (/** @type {number} */ count) => t('users.budget_tokens', { count, value: compact(count) });
  const turns = (/** @type {number} */ count) => t('users.budget_turns', { count, value: compact(count) });
  /** @param {any[]} limits @returns {string[]} */
  const texts = (limits) => limits.filter(([limit]) => limit !== undefined && limit !== null)
    .map(([limit, format]) => (limit === 'unlimited' ? t('users.unlimited') : format(limit)));
  const perRun = texts([[budget?.tokens_per_run, tokens], [budget?.cost_per_run_usd, money], [budget?.turns_per_run, turns]]);
  const limits = [...texts([[budget?.tokens_per_day, tokens], [budget?.cost_per_day_usd, money]]), ...perRun.map((limit) => t('users.per_run', { limit }))];
  return limits.length > 0 ? limits.join(', ') : t('users.server_default');
}

/** @param {any} user @param {(dialog: OpenDialog) => void} setDialog @param {() => void} reload @returns {import('../../ui/menu.js').MenuItem[]} */
function menuItems(user, setDialog, reload) {
  const role = user.role === 'admin' ? 'user' : 'admin';
  const path = `/api/users/${encodeURIComponent(user.username)}`;
  const changeRole = async () => {
    if (!await confirm({ title: t('users.role_title'), text: t(`users.make_${role}_text`, { name: user.username }), action: t(`users.make_${role}`), danger: role === 'user' })) return;
    await request('PATCH', path, { role }).catch(toastProblem);
    reload();
  };
  const deleteUser = async () => {
    if (!await confirm({ title: t('users.delete_title'), text: t('users.delete_text', { name: user.username }), action: t('users.delete'), danger: true })) return;
    await request('DELETE', path).catch(toastProblem);
    reload();
  };
  return [
    { label: t(`users.make_${role}`), icon: 'shield', onSelect: changeRole },
    { label: t('users.reset_password'), icon: 'key', onSelect: () => setDialog({ kind: 'password', user }) },
    { label: t('users.set_budget'), icon: 'usage', onSelect: () => setDialog({ kind: 'budget', user }) },
    ...(user.username === currentUser.value?.username ? [] : [null, { label: t('users.delete'), icon: /** @type {const} */ ('trash'), danger: true, onSelect: deleteUser }]),
  ];
}

/**
 * A dialog with a form that sends one request. `names` are the API's names of its fields.
 * @param {{title: string, action: string, onClose: () => void, send: () => Promise<unknown>, isReady?: boolean, fields: (errorOf: (name: string) => string | null) => any, names: string[]}} props
 */
function FormDialog({ title, action, onClose, send, isReady = true, fields, names }) {
  const [problem, setProblem] = useState(/** @type {unknown} */ (null));
  const [isBusy, setBusy] = useState(false);
  const submit = async (/** @type {Event} */ event) => {
    event.preventDefault();
    if (!isReady) return;
    setBusy(true);
    try {
      await send();
      onClose();
    } catch (error) {
      setProblem(error);
      setBusy(false);
    }
  };
  const errorOf = (/** @type {string} */ name) => fieldErrorText(problem, name);
  return html`<${Dialog} title=${title} onClose=${onClose} class="dialog-small"><form class="form" onSubmit=${submit}>
    ${hasOtherErrors(problem, names) && html`<${Problem} problem=${problem} />`}
    ${fields(errorOf)}
    <div class="form-actions"><${Button} kind="primary" type="submit" busy=${isBusy} disabled=${!isReady}>${action}<//></div></form><//>`;
}

/** @param {{onClose: () => void}} props */
function CreateDialog({ onClose }) {
  const [username, setUsername] = useState('');
  const [password, setPassword] = useState(/** @type {string | null} */ (null));
  const [role, setRole] = useState('user');
  return html`<${FormDialog} title=${t('users.create')} action=${t('users.create')} onClose=${onClose} names=${['username', 'password']} isReady=${password !== null}
    send=${() => request('POST', '/api/users', { username, password, role })}
    fields=${(/** @type {(name: string) => string | null} */ errorOf) => html`
      <${TextField} label=${t('sign_in.username')} value=${username} onInput=${setUsername} error=${errorOf('username')} required maxlength="64" autocomplete="off" autocapitalize="none" spellcheck=${false} />
      <${NewPassword} label=${t('sign_in.password')} onChange=${setPassword} error=${errorOf('password')} />
      <${Select} label=${t('users.role')} value=${role} onChange=${setRole} options=${['user', 'admin'].map((value) => ({ value, label: t(`role.${value}`) }))} />`} />`;
}

/** @param {{user: any, onClose: () => void}} props */
function PasswordDialog({ user, onClose }) {
  const [password, setPassword] = useState(/** @type {string | null} */ (null));
  return html`<${FormDialog} title=${t('users.reset_password_of', { name: user.username })} action=${t('password.submit')} onClose=${onClose} names=${['password']} isReady=${password !== null}
    send=${() => request('PATCH', `/api/users/${encodeURIComponent(user.username)}`, { password })}
    fields=${(/** @type {(name: string) => string | null} */ errorOf) => html`<p class="muted">${t('users.reset_password_text')}</p>
      <${NewPassword} label=${t('password.new')} onChange=${setPassword} error=${errorOf('password')} />`} />`;
}

/** @param {string} text @returns {number | 'unlimited' | null} */
const parseLimit = (text) => (text.trim() === '' ? null : text.trim() === '∞' ? 'unlimited' : Number(text));

/** @param {any} limit */
const limitText = (limit) => (limit === undefined || limit === null ? '' : limit === 'unlimited' ? '∞' : String(limit));

/** @param {{user: any, onClose: () => void}} props */
function BudgetDialog({ user, onClose }) {
  const [tokens, setTokens] = useState(limitText(user.budget?.tokens_per_day));
  const [cost, setCost] = useState(limitText(user.budget?.cost_per_day_usd));
  const [runTokens, setRunTokens] = useState(limitText(user.budget?.tokens_per_run));
  const [runCost, setRunCost] = useState(limitText(user.budget?.cost_per_run_usd));
  const [runTurns, setRunTurns] = useState(limitText(user.budget?.turns_per_run));
  const names = ['budget.tokens_per_day', 'budget.cost_per_day_usd', 'budget.tokens_per_run', 'budget.cost_per_run_usd', 'budget.turns_per_run'];
  const budget = () => ({ tokens_per_day: parseLimit(tokens), cost_per_day_usd: parseLimit(cost), tokens_per_run: parseLimit(runTokens),
    cost_per_run_usd: parseLimit(runCost), turns_per_run: parseLimit(runTurns) });
  return html`<${FormDialog} title=${t('users.budget_of', { name: user.username })} action=${t('save')} onClose=${onClose} names=${names}
    send=${() => request('PATCH', `/api/users/${encodeURIComponent(user.username)}`, { budget: budget() })}
    fields=${(/** @type {(name: string) => string | null} */ errorOf) => html`<p class="muted">${t('users.budget_text')}</p>
      <${TextField} label=${t('users.tokens_per_day')} value=${tokens} onInput=${setTokens} error=${errorOf(names[0])} inputmode="numeric" pattern="[0-9]*|∞" />
      <${TextField} label=${t('users.cost_per_day')} value=${cost} onInput=${setCost} error=${errorOf(names[1])} inputmode="decimal" pattern="[0-9]*([.][0-9]+)?|∞" />
      <${TextField} label=${t('users.tokens_per_run')} value=${runTokens} onInput=${setRunTokens} error=${errorOf(names[2])} inputmode="numeric" pattern="[0-9]*|∞" />
      <${TextField} label=${t('users.cost_per_run')} value=${runCost} onInput=${setRunCost} error=${errorOf(names[3])} inputmode="decimal" pattern="[0-9]*([.][0-9]+)?|∞" />
      <${TextField} label=${t('users.turns_per_run')} value=${runTurns} onInput=${setRunTurns} error=${errorOf(names[4])} inputmode="numeric" pattern="[0-9]*|∞" />`} />`;
}

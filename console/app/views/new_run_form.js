/** What is chosen for a new run, what of it is remembered, and what the API is asked for: no view. */
import { ApiProblem } from '../api.js';
import { recall, remember } from '../storage.js';

/**
 * @typedef {{prompt: string, agent: string, model: string, folder: string, mode: 'auto' | 'ask' | 'read_only', minutes: string, idle: string,
 *   labels: string, args: string, env: string, onBusy: string}} Form
 * @typedef {{agent?: string, mode?: Form['mode'], folder?: string, minutes?: string, models: Record<string, string>,
 *   recentModels: Record<string, string[]>, folders: string[]}} Choices
 */

/** How many folders and models are suggested. */
const RECENT = 8;

/** @returns {Choices} */
export const recallChoices = () => ({ models: {}, recentModels: {}, folders: [], ...recall('new') });

/** The choices of the last run, but not its prompt, and never what may be secret. @param {Form} form */
export function rememberChoices(form) {
  const { models, recentModels, folders } = recallChoices();
  remember('new', {
    agent: form.agent, mode: form.mode, folder: form.folder, minutes: form.minutes,
    models: { ...models, [form.agent]: form.model },
    recentModels: { ...recentModels, [form.agent]: first(form.model, recentModels[form.agent]) },
    folders: first(form.folder, folders),
  });
}

/** @param {string} value @param {string[]} [others] */
const first = (value, others = []) => [value, ...others.filter((one) => one !== value)].filter((one) => one !== '').slice(0, RECENT);

/**
 * The form as it is first shown: as the last one, with an agent that is there.
 * @param {any[]} agents @param {any} session @returns {Form}
 */
export function firstForm(agents, session) {
  const { agent, mode = 'ask', folder = '', minutes = '30', models } = recallChoices();
  const chosen = session?.agent_type ?? [agents.find(({ name }) => name === agent), agents.find(({ available }) => available), agents[0]].find(Boolean)?.name ?? '';
  return {
    prompt: '', agent: chosen, model: models[chosen] ?? '', folder: session?.working_dir ?? folder, mode, minutes, idle: '', labels: '', args: '', env: '', onBusy: 'queue',
  };
}

/** Lines that are not empty. @param {string} text */
const linesOf = (text) => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');

/** `name=value` lines as an object. A line without `=` is a name without a value. @param {string} text @returns {Record<string, string>} */
export const pairsOf = (text) => Object.fromEntries(linesOf(text).map((line) => {
  const at = line.indexOf('=');
  return at < 0 ? [line, ''] : [line.slice(0, at).trim(), line.slice(at + 1)];
}));

/** @param {string} minutes */
const seconds = (minutes) => Math.max(1, Math.round(Number(minutes) * 60));

/**
 * What `POST /api/runs` is sent. What was left empty is left out, so that the server's own choice counts.
 * @param {Form} form @param {any} session @param {boolean} asks whether the agent asks for permissions
 */
export function bodyOf(form, session, asks) {
  const [labels, env, args] = [pairsOf(form.labels), pairsOf(form.env), linesOf(form.args)];
  return {
    input: { text: form.prompt },
    metadata: {
      ...(session ? { session_id: session.session_id, on_busy: form.onBusy } : { agent_type: form.agent, ...(form.folder.trim() && { working_dir: form.folder.trim() }) }),
      ...(form.model.trim() && { model: form.model.trim() }),
      permission_mode: asks ? form.mode : 'auto',
      timeout_secs: seconds(form.minutes),
      ...(form.idle && { idle_timeout_secs: seconds(form.idle) }),
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(Object.keys(env).length > 0 && { env }),
      ...(args.length > 0 && { extra_args: args }),
    },
  };
}

/** The form's field for each of the API's. @type {Record<string, string>} */
const FIELDS = {
  'input.text': 'prompt', 'metadata.agent_type': 'agent', 'metadata.model': 'model', 'metadata.working_dir': 'folder', 'metadata.cwd': 'folder',
  'metadata.permission_mode': 'mode', 'metadata.timeout_secs': 'minutes', 'metadata.idle_timeout_secs': 'idle', 'metadata.labels': 'labels',
  'metadata.extra_args': 'args', 'metadata.env': 'env', 'metadata.on_busy': 'onBusy', 'metadata.session_id': 'session',
};

/** Which of the form's fields the server does not like; null if it named none. @param {unknown} problem @returns {string | null} */
export function fieldAtFault(problem) {
  if (!(problem instanceof ApiProblem) || problem.field === null) return null;
  // Of a list or an object the field goes on with an index or a name.
  const { field } = problem;
  const known = Object.keys(FIELDS).find((name) => field === name || field.startsWith(`${name}.`) || field.startsWith(`${name}[`));
  return known === undefined ? null : FIELDS[known];
}

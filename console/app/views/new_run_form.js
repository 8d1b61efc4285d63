/** The state of the new-run form: initial values, remembered choices, and the request made from it. No rendering. */
import { readStorage, writeStorage } from '../storage.js';

/**
 * @typedef {{prompt: string, agentType: string, model: string, workingDir: string, mode: 'auto' | 'ask' | 'read_only', timeout: string,
 *   idleTimeout: string, labels: string, args: string, env: string, onBusy: string, profile: string, maxCost: string, maxTokens: string, maxTurns: string,
 *   workspace: '' | 'worktree', ref: string, parts: import('../data/attachments.js').Part[], other: Record<string, any>}} Form times are in minutes;
 *   `other` is metadata without a field of its own, from the run that is edited
 * @typedef {{agentType?: string, mode?: Form['mode'], workingDir?: string, workspace?: Form['workspace'], timeout?: string, models: Record<string, string>,
 *   recentModels: Record<string, string[]>, recentDirs: string[]}} Choices
 */

/** How many recent directories and models are suggested. */
const MAX_RECENT = 8;

/** @returns {Choices} */
export const loadChoices = () => ({ models: {}, recentModels: {}, recentDirs: [], ...readStorage('new_run') });

/** Stores the choices for the next run, without the prompt and without values that may be secret. @param {Form} form */
export function saveChoices(form) {
  const { models, recentModels, recentDirs } = loadChoices();
  writeStorage('new_run', {
    agentType: form.agentType, mode: form.mode, workingDir: form.workingDir, workspace: form.workspace, timeout: form.timeout,
    models: { ...models, [form.agentType]: form.model },
    recentModels: { ...recentModels, [form.agentType]: addRecent(form.model, recentModels[form.agentType]) },
    recentDirs: addRecent(form.workingDir, recentDirs),
  });
}

/** @param {string} value @param {string[]} [recent] */
const addRecent = (value, recent = []) => [value, ...recent.filter((other) => other !== value)].filter((one) => one !== '').slice(0, MAX_RECENT);

/**
 * The initial form: the last choices, with an available agent.
 * @param {any[]} agents @param {any} session the session to continue, or null @returns {Form}
 */
export function initialForm(agents, session) {
  const { agentType, mode = 'ask', workingDir = '', workspace = '', timeout = '30', models } = loadChoices();
  const agent = [agents.find(({ agent_type }) => agent_type === agentType), agents.find(({ available }) => available), agents[0]].find(Boolean);
  const chosen = session?.agent_type ?? agent?.agent_type ?? '';
  return {
    prompt: '', agentType: chosen, model: models[chosen] ?? '', workingDir: session?.working_dir ?? workingDir, mode, timeout, idleTimeout: '',
    labels: '', args: '', env: '', onBusy: 'queue', profile: '', maxCost: '', maxTokens: '', maxTurns: '', workspace: session ? '' : workspace, ref: '', parts: [], other: {},
  };
}

/** The changes to a form when a profile is chosen: its values, which the run may not exceed. @param {any} profile @returns {Partial<Form>} */
export function profileValues(profile) {
  return {
    profile: profile?.name ?? '',
    ...(profile?.agent_type && { agentType: profile.agent_type }), ...(profile?.model && { model: profile.model }),
    ...(profile?.permission_mode && { mode: profile.permission_mode }), ...(profile?.timeout_secs && { timeout: String(Math.round(profile.timeout_secs / 6) / 10) }),
  };
}

/** Metadata with fields in the form. */
const IN_FORM = new Set(['agent_type', 'session_id', 'working_dir', 'model', 'permission_mode', 'timeout_secs', 'idle_timeout_secs', 'labels', 'extra_args',
  'profile', 'max_cost_usd', 'max_tokens', 'max_turns', 'workspace']);

/** The form that repeats a run. @param {any} run the complete run @param {Record<string, any>} metadata of the repetition @returns {Partial<Form>} */
export function formOf(run, metadata) {
  const minutes = (/** @type {number | undefined} */ seconds) => (seconds === undefined ? '' : String(Math.round(seconds / 6) / 10));
  return {
    prompt: run.prompt, agentType: metadata.agent_type, model: metadata.model ?? '', workingDir: metadata.session_id ? run.working_dir : metadata.workspace?.repository ?? metadata.working_dir ?? '', mode: metadata.permission_mode,
    timeout: minutes(metadata.timeout_secs), idleTimeout: minutes(metadata.idle_timeout_secs), labels: Object.entries(metadata.labels ?? {}).map(([name, value]) => `${name}=${value}`).join('\n'),
    args: (metadata.extra_args ?? []).join('\n'), env: (run.env ?? []).map((/** @type {string} */ name) => `${name}=`).join('\n'),
    workspace: metadata.workspace?.kind ?? '', ref: metadata.workspace?.ref ?? '', profile: metadata.profile ?? '', maxCost: String(metadata.max_cost_usd ?? ''), maxTokens: String(metadata.max_tokens ?? ''), maxTurns: String(metadata.max_turns ?? ''),
    other: Object.fromEntries(Object.entries(metadata).filter(([name]) => !IN_FORM.has(name))),
  };
}

/** The trimmed, non-empty lines. @param {string} text */
const parseLines = (text) => text.split('\n').map((line) => line.trim()).filter((line) => line !== '');

/** Parses `name=value` lines. A line without `=` has an empty value. @param {string} text @returns {Record<string, string>} */
const parsePairs = (text) => Object.fromEntries(parseLines(text).map((line) => {
  const separator = line.indexOf('=');
  return separator < 0 ? [line, ''] : [line.slice(0, separator).trim(), line.slice(separator + 1)];
}));

/** @param {string} minutes */
const toSeconds = (minutes) => Math.max(1, Math.round(Number(minutes) * 60));

/**
 * The body of `POST /api/runs`. Empty fields are omitted, so the server's defaults apply.
 * @param {Form} form @param {any} session @param {boolean} canAsk whether the agent can ask for permission
 */
export function toRequestBody(form, session, canAsk) {
  const [labels, env, args] = [parsePairs(form.labels), parsePairs(form.env), parseLines(form.args)];
  const isWorktree = !session && form.workspace === 'worktree';
  return {
    input: { text: form.prompt, ...(form.parts.length > 0 && { parts: form.parts }) },
    metadata: {
      ...form.other,
      ...(session ? { session_id: session.session_id, on_busy: form.onBusy } : { agent_type: form.agentType, ...(form.workingDir.trim() && { working_dir: form.workingDir.trim() }) }),
      ...(isWorktree && { workspace: { kind: 'worktree', ...(form.ref.trim() && { ref: form.ref.trim() }) } }),
      ...(form.model.trim() && { model: form.model.trim() }),
      permission_mode: canAsk ? form.mode : 'auto',
      timeout_secs: toSeconds(form.timeout),
      ...(form.idleTimeout && { idle_timeout_secs: toSeconds(form.idleTimeout) }),
      ...(Object.keys(labels).length > 0 && { labels }),
      ...(Object.keys(env).length > 0 && { env }),
      ...(form.profile && { profile: form.profile }),
      ...(form.maxCost && { max_cost_usd: Number(form.maxCost) }),
      ...(form.maxTokens && { max_tokens: Number(form.maxTokens) }),
      ...(form.maxTurns && { max_turns: Number(form.maxTurns) }),
      ...(args.length > 0 && { extra_args: args }),
    },
  };
}

/** The API's names of each form field. @type {Record<keyof Form, string[]>} */
export const API_FIELDS = {
  prompt: ['input.text'], agentType: ['metadata.agent_type'], model: ['metadata.model'], workingDir: ['metadata.working_dir', 'metadata.cwd', 'metadata.workspace.repository'],
  workspace: ['metadata.workspace.kind'], ref: ['metadata.workspace.ref'],
  mode: ['metadata.permission_mode'], timeout: ['metadata.timeout_secs'], idleTimeout: ['metadata.idle_timeout_secs'], labels: ['metadata.labels'],
  other: [], profile: ['metadata.profile'], maxCost: ['metadata.max_cost_usd'], maxTokens: ['metadata.max_tokens'], maxTurns: ['metadata.max_turns'], parts: ['input.parts'], args: ['metadata.extra_args'], env: ['metadata.env'], onBusy: ['metadata.on_busy'],
};

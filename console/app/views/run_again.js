/** Runs a task again: as it was, after editing it, or with another agent. */
import { agentName } from '../agent_names.js';
import { request, withQuery } from '../api.js';
import { agentCapabilities, availableAgents } from '../data/agent_capabilities.js';
import { writeDraft } from '../data/drafts.js';
import { metadataForAgent, metadataOf, missingInput } from '../data/run_request.js';
import { isLive } from '../data/run_status.js';
import { t } from '../i18n.js';
import { navigate } from '../router.js';
import { toast, toastProblem } from '../ui/toast.js';
import { formOf } from './new_run_form.js';

/** The menu items; nothing while the run is live. @param {any} run @returns {import('../ui/menu.js').MenuItem[]} */
export function runAgainItems(run) {
  if (!run) return [];
  const others = availableAgents.value.filter((agentType) => agentType !== run.agent_type);
  return [
    ...(isLive(run.status) ? [] : [{ label: t('again.retry'), icon: /** @type {const} */ ('refresh'), onSelect: () => void attempt(() => retry(run.run_id)) }]),
    { label: t('again.edit'), icon: 'edit', onSelect: () => void attempt(() => edit(run.run_id)) },
    ...others.map((agentType) => ({ label: t('again.with', { agent: agentName(agentType) }), icon: /** @type {const} */ ('play'), onSelect: () => void attempt(() => runWith(run.run_id, agentType)) })),
  ];
}

/** @param {() => Promise<void>} action */
const attempt = (action) => action().catch(toastProblem);

/** @param {string} id */
const load = (id) => request('GET', `/api/runs/${encodeURIComponent(id)}`);

/** Whether the run's session has an earlier run. @param {any} run */
async function continuesSession(run) {
  const earlier = await request('GET', withQuery('/api/runs', { session_id: run.session_id, cursor: run.run_id, limit: 1 }));
  return earlier.items.length > 0;
}

/** Starts a run and shows it. @param {string} text @param {Record<string, any>} metadata */
async function start(text, metadata) {
  const created = await request('POST', '/api/runs', { input: { text }, metadata });
  navigate(`/runs/${created.run_id}`);
}

/** @param {string} id */
async function retry(id) {
  const run = await load(id);
  if (missingInput(run)) return edit(id);
  return start(run.prompt, metadataOf(run, await continuesSession(run)));
}

/** Opens the form with the run's prompt and options. @param {string} id */
async function edit(id) {
  const run = await load(id);
  const metadata = metadataOf(run, await continuesSession(run));
  const missing = missingInput(run);
  if (missing) toast(t(`again.missing.${missing}`), 'err');
  writeDraft(`new_run ${metadata.session_id ?? ''}`, formOf(run, metadata));
  navigate(metadata.session_id ? `/new?session=${encodeURIComponent(metadata.session_id)}` : '/new');
}

/** @param {string} id @param {string} agentType */
async function runWith(id, agentType) {
  const run = await load(id);
  const missing = missingInput(run);
  if (missing) throw new Error(t(`again.missing.${missing}`));
  const metadata = metadataForAgent(run, agentType);
  // An agent that cannot ask for permission runs in automatic mode, which a person has to choose.
  if (metadata.permission_mode !== 'auto' && agentCapabilities.peek()?.get(agentType)?.permissions === false) throw new Error(t('problem.cannot_ask'));
  return start(run.prompt, metadata);
}

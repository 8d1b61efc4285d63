/** The request that repeats a run, with the same rules as `openrunner run retry`. No I/O. */

/** Fields of a run that are also fields of `metadata`. */
const COPIED = ['profile', 'agent_type', 'output_schema', 'instructions', 'model', 'working_dir', 'permission_mode', 'permission_rules', 'isolation', 'egress',
  'project_config', 'extra_args', 'timeout_secs', 'idle_timeout_secs', 'on_rate_limit', 'max_wait_secs', 'max_cost_usd', 'max_tokens', 'max_turns', 'labels'];

/**
 * Why a run cannot be repeated as it was, as the last part of a text key; null if it can: the server does not return some inputs.
 * @param {any} run the complete run @returns {'mcp_servers' | 'attachments' | 'env' | null}
 */
export function missingInput(run) {
  // Servers of the profile are added again with it.
  if (run.mcp_servers?.length && (!run.profile || run.widened.includes('mcp_servers'))) return 'mcp_servers';
  if (run.attachments?.length) return 'attachments';
  return run.env?.length ? 'env' : null;
}

/**
 * The metadata of a run that repeats another one.
 * @param {any} run the complete run @param {boolean} continuesSession whether it continued a conversation, which is then continued again
 * @returns {Record<string, any>}
 */
export function metadataOf(run, continuesSession) {
  const metadata = Object.fromEntries(COPIED.filter((name) => run[name] !== undefined).map((name) => [name, run[name]]));
  if (continuesSession) {
    metadata.session_id = run.session_id;
    // The session has its own working directory.
    delete metadata.working_dir;
  }
  // A directory that was created for the run: the new run gets its own.
  if (run.working_dir.endsWith(`/${run.run_id}`)) delete metadata.working_dir;
  if (run.workspace && !continuesSession) {
    // The new run gets a worktree of its own.
    delete metadata.working_dir;
    const { kind, repository, ref } = run.workspace;
    metadata.workspace = { kind, repository, ref };
  }
  return metadata;
}

/** The metadata for the same task with another agent: in the same directory, without what only the first agent understands.
 * @param {any} run the complete run @param {string} agentType @returns {Record<string, any>} */
export function metadataForAgent(run, agentType) {
  const metadata = { ...metadataOf(run, false), agent_type: agentType };
  return Object.fromEntries(Object.entries(metadata).filter(([name]) => !['model', 'extra_args', 'profile'].includes(name)));
}

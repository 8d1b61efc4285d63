/** Sessions, derived from their runs. No I/O. */

/** @typedef {{ id: string, title: string, agentType: string, owner: string, status: string, cause?: string, workingDir: string, runCount: number,
 *   cost: number | null, isEstimate: boolean, lastMessage: string, activeAt: string, run: any }} SessionSummary */

/**
 * Groups runs by session, in the order of their newest runs.
 * @param {any[]} runs summaries, newest first @param {Map<string, any>} records records of sessions, by id @returns {SessionSummary[]}
 */
export function groupBySession(runs, records) {
  /** @type {Map<string, any[]>} */
  const groups = new Map();
  for (const run of runs) {
    const group = groups.get(run.session_id);
    if (group) group.push(run);
    else groups.set(run.session_id, [run]);
  }
  return [...groups].map(([id, group]) => {
    const [newest] = group;
    const priced = group.filter(({ usage }) => usage?.cost_usd !== undefined);
    return {
      id, title: records.get(id)?.title || group.at(-1).title, agentType: newest.agent_type, owner: newest.owner, cause: newest.cause,
      status: newest.status === 'waiting' && newest.waits_until ? 'waiting_for_reset' : newest.status, workingDir: newest.working_dir, runCount: group.length,
      cost: priced.length > 0 ? priced.reduce((sum, { usage }) => sum + usage.cost_usd, 0) : null, isEstimate: priced.some(({ usage }) => usage.cost_is_estimate),
      lastMessage: newest.result || newest.message || newest.title, activeAt: newest.ended_at ?? newest.created_at, run: newest,
    };
  });
}

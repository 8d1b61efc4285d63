/** How long runs took. */

/** The time a run has worked, in milliseconds, without its time in the queue; null if it has not started or not ended.
 * @param {{started_at?: string, ended_at?: string}} run */
export function workDuration({ started_at: startedAt, ended_at: endedAt }) {
  return startedAt && endedAt ? Math.max(0, Date.parse(endedAt) - Date.parse(startedAt)) : null;
}

/** Statuses of a run. */

/** The status filters of the run list. @type {Record<string, string[]>} */
export const STATUS_GROUPS = {
  waiting: ['waiting'],
  live: ['queued', 'starting', 'running', 'waiting', 'stopping'],
  done: ['completed', 'cancelled'],
  failed: ['failed', 'timed_out', 'interrupted'],
};

/** Whether a run with this status has not ended. @param {string} status */
export const isLive = (status) => STATUS_GROUPS.live.includes(status);

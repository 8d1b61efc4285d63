/** Filtering and ordering of run lists, with the same results as the server's. No I/O. */

/**
 * @typedef {{statuses?: string[] | null, agentType?: string | null, owner?: string | null, label?: string | null, sessionId?: string | null,
 *   text?: string | null}} Filter
 */

/** @param {any} run @param {Filter} filter */
export function matchesFilter(run, { statuses, agentType, owner, label, sessionId, text }) {
  return (!statuses || statuses.includes(run.status))
    && (!agentType || run.agent_type === agentType)
    && (!owner || run.owner === owner)
    && (!sessionId || run.session_id === sessionId)
    && (!label || matchesLabel(run.labels ?? {}, label))
    && (!text || matchesText(run, text.toLowerCase()));
}

/** @param {Record<string, string>} labels @param {string} filter `name` or `name=value` */
function matchesLabel(labels, filter) {
  const separator = filter.indexOf('=');
  return separator < 0 ? filter in labels : labels[filter.slice(0, separator)] === filter.slice(separator + 1);
}

/** @param {any} run @param {string} text in lower case */
function matchesText(run, text) {
  return run.run_id.toLowerCase().startsWith(text)
    || run.prompt.toLowerCase().includes(text)
    || Object.entries(run.labels ?? {}).some(([name, value]) => name.toLowerCase().includes(text) || value.toLowerCase().includes(text));
}

/**
 * The index of a run in a list sorted newest first, or where to insert it. Run ids start with a timestamp, so they sort by age.
 * @param {{run_id: string}[]} items @param {string} id @returns {{index: number, found: boolean}}
 */
export function findPosition(items, id) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].run_id > id) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: items[low]?.run_id === id };
}

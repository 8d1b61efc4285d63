/** Which runs a list shows, and where among the others: pure, so that what comes over the feed is judged as the server judges. */

/** @typedef {{statuses?: string[] | null, agent?: string | null, owner?: string | null, label?: string | null, session?: string | null, text?: string | null}} Filter */

/** Whether a run is one that the filter wants. @param {any} run @param {Filter} filter */
export function matches(run, { statuses, agent, owner, label, session, text }) {
  return (!statuses || statuses.includes(run.status))
    && (!agent || run.agent_type === agent)
    && (!owner || run.owner === owner)
    && (!session || run.session_id === session)
    && (!label || hasLabel(run.labels ?? {}, label))
    && (!text || saysSo(run, text.toLowerCase()));
}

/** @param {Record<string, string>} labels @param {string} wanted */
function hasLabel(labels, wanted) {
  const at = wanted.indexOf('=');
  return at < 0 ? wanted in labels : labels[wanted.slice(0, at)] === wanted.slice(at + 1);
}

/** @param {any} run @param {string} text in small letters */
function saysSo(run, text) {
  return run.run_id.toLowerCase().startsWith(text)
    || run.prompt.toLowerCase().includes(text)
    || Object.entries(run.labels ?? {}).some(([name, value]) => name.toLowerCase().includes(text) || value.toLowerCase().includes(text));
}

/**
 * Where a run is or belongs in a list, newest first. Ids begin with the time, so they sort by age.
 * @param {{run_id: string}[]} items @param {string} id @returns {{index: number, found: boolean}}
 */
export function place(items, id) {
  let low = 0;
  let high = items.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (items[middle].run_id > id) low = middle + 1;
    else high = middle;
  }
  return { index: low, found: items[low]?.run_id === id };
}

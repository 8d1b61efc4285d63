/** Links, curl commands and downloads of a run. */
import { apiUrl, authHeaders, readProblem } from '../../api.js';

/** The URL of a run's view. @param {string} id */
export const runUrl = (id) => `${new URL('.', document.baseURI).href}#/runs/${encodeURIComponent(id)}`;

/** Quotes a shell word. @param {string} word */
const shellQuote = (word) => `'${word.replaceAll("'", "'\\''")}'`;

/** Commands refer to the token by variable: copied text ends up in shell histories and chats. */
const AUTH_OPTION = '-H "Authorization: Bearer $OPENRUNNER_TOKEN"';

/** A command that follows the run's events. @param {string} path of the run */
export function eventsCurl(path) {
  return `curl -N ${AUTH_OPTION} ${shellQuote(apiUrl(`${path}/events`))}`;
}

/** A command that starts the same run again. @param {import('./live_run.js').RunRecord} record */
export function runCurl(record) {
  const { agent_type, working_dir: cwd, timeout_secs, idle_timeout_secs, max_cost_usd, max_tokens, max_turns, on_rate_limit, max_wait_secs, model,
    permission_mode, permission_rules, extra_args, labels } = record;
  const metadata = { agent_type, cwd, timeout_secs, idle_timeout_secs, max_cost_usd, max_tokens, max_turns, on_rate_limit, max_wait_secs, model, permission_mode, permission_rules,
    ...(extra_args?.length && { extra_args }), ...(Object.keys(labels ?? {}).length && { labels }) };
  // Escape control characters and invisible characters, which a terminal would interpret or hide.
  const body = JSON.stringify({ input: { text: record.prompt }, metadata }).replace(/[^\x20-\x7e]/g, (char) => (
    `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`
  ));
  return `curl -X POST ${AUTH_OPTION} -H 'Content-Type: application/json' \\\n  -d ${shellQuote(body)} \\\n  ${shellQuote(apiUrl('/api/runs'))}`;
}

/** Saves the log as NDJSON: the full log from the server if the run has ended, else the events received so far, since the server's response
 * would not end.
 * @param {import('./live_run.js').LiveRun} run */
export async function download(run) {
  const name = `${run.id}.ndjson`;
  if (!run.model.done) {
    const lines = run.lines.slice(run.droppedCount).map((line) => `${line}\n`);
    return save(new Blob(lines, { type: 'application/x-ndjson' }), name);
  }
  const response = await fetch(apiUrl(`${run.path}/events`), {
    headers: authHeaders({ Accept: 'application/x-ndjson' }), cache: 'no-store', credentials: 'omit',
  });
  if (!response.ok) throw await readProblem(response);
  // Browsers keep large blobs on disk.
  return save(await response.blob(), name);
}

/** Saves a file. @param {Blob} blob @param {string} name */
export function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

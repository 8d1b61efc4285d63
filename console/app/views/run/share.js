// Taking a run along: its address, commands that do the same, its log as a file.

import { address, headers, problemOf } from '../../api.js';

/** The address of this view. @param {string} id */
export const linkTo = (id) => `${new URL('.', document.baseURI).href}#/runs/${encodeURIComponent(id)}`;

/** A word for a shell. @param {string} word */
const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;

/** The token is never part of what is copied: it would end up in histories and chats. */
const AUTH = '-H "Authorization: Bearer $OPENRUNNER_TOKEN"';

/** A command that follows the run's events. @param {string} path of the run */
export function curlOfEvents(path) {
  return `curl -N ${AUTH} ${quoted(address(`${path}/events`))}`;
}

/** A command that asks for the same again. @param {import('./live_run.js').RunRecord} record */
export function curlOfRun(record) {
  const { agent_type, working_dir: cwd, timeout_secs, idle_timeout_secs, model, permission_mode, permission_rules, extra_args, labels } = record;
  const metadata = { agent_type, cwd, timeout_secs, idle_timeout_secs, model, permission_mode, permission_rules,
    ...(extra_args?.length && { extra_args }), ...(Object.keys(labels ?? {}).length && { labels }) };
  // Letters that a terminal would obey, or nobody would see, are written by number.
  const body = JSON.stringify({ input: { text: record.prompt }, metadata }).replace(/[^\x20-\x7e]/g, (letter) => (
    `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`
  ));
  return `curl -X POST ${AUTH} -H 'Content-Type: application/json' \\\n  -d ${quoted(body)} \\\n  ${quoted(address('/api/runs'))}`;
}

/** Saves the log as NDJSON. That of a run that has ended comes from the server, whole; of a live one it is what has come so far, since
 * the server's answer would have no end.
 * @param {import('./live_run.js').LiveRun} run */
export async function download(run) {
  const name = `${run.id}.ndjson`;
  if (!run.model.done) {
    const lines = run.lines.slice(run.forgotten).map((line) => `${line}\n`);
    return save(new Blob(lines, { type: 'application/x-ndjson' }), name);
  }
  const response = await fetch(address(`${run.path}/events`), {
    headers: headers({ Accept: 'application/x-ndjson' }), cache: 'no-store', credentials: 'omit',
  });
  if (!response.ok) throw await problemOf(response);
  // The browser keeps a large one on disk.
  return save(await response.blob(), name);
}

/** @param {Blob} blob @param {string} name */
function save(blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}

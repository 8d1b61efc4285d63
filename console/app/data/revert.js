/** Reverting the directory of a run to an earlier state. */
import { request } from '../api.js';
import { fetchChanges } from './changes.js';

/** How many changed files are read for each turn or run. */
const MAX_FILES = 1000;

/**
 * The states that the directory can be reverted to, as the turn after which it was in the state; 0 stands for the start of the run. The
 * state after the last turn is one of them if later runs have followed.
 * @param {number} turnCount @param {boolean} hasLaterRuns @returns {number[]} latest first
 */
export function revertTargets(turnCount, hasLaterRuns) {
  return Array.from({ length: turnCount + (hasLaterRuns ? 1 : 0) }, (_, turn) => turn).reverse();
}

/** The paths of changed files, with the earlier ones of renamed files, each once and in order. @param {{ path: string, old_path?: string }[]} files */
export function pathsOf(files) {
  return [...new Set(files.flatMap(({ path, old_path: oldPath }) => (oldPath === undefined ? [path] : [path, oldPath])))].sort();
}

/**
 * The paths that have been changed since a turn, as far as that is recorded: by later turns of the run, and by later runs.
 * @param {string} runId @param {number} turn @param {number} turnCount @param {string[]} laterRuns their IDs
 */
export async function changedSince(runId, turn, turnCount, laterRuns) {
  const listOf = (/** @type {string} */ id) => `/api/runs/${encodeURIComponent(id)}/changes`;
  /** @type {[string, number | null][]} */
  const lists = turn === 0 ? [[listOf(runId), null]] : Array.from({ length: turnCount - turn }, (_, index) => [listOf(runId), turn + 1 + index]);
  for (const id of laterRuns) lists.push([listOf(id), null]);
  /** @type {any[]} */
  const files = [];
  for (const [path, only] of lists) files.push(...(await fetchChanges(path, only, MAX_FILES)).items);
  return pathsOf(files);
}

/** @param {string} runId @param {{ turn: number } | { snapshot: string }} to @returns {Promise<any>} */
export const revert = (runId, to) => request('POST', `/api/runs/${encodeURIComponent(runId)}/revert`, to);

/** A live list of runs, newest first: pages are loaded on demand, and changes from the feed are applied to it. */
import { request, withQuery } from '../api.js';
import { token } from '../auth.js';
import { batch, signal } from '../html.js';
import { onChanges } from './feed.js';
import { findPosition, matchesFilter } from './run_filter.js';

/** The API's maximum page size. */
const PAGE_SIZE = 200;

/** How long after a change the places in the queue are read again. */
const QUEUE_UPDATE_MS = 1000;

/** @typedef {import('./run_filter.js').Filter} Filter */

export class RunList {
  /** @param {Filter} filter */
  constructor(filter) {
    this.filter = filter;
    /** The loaded runs, newest first. @type {import('../../vendor/vendor.js').Signal<any[]>} */
    this.items = signal([]);
    /** Whether the first page is being loaded. */
    this.loading = signal(true);
    /** The last load error. @type {import('../../vendor/vendor.js').Signal<unknown>} */
    this.problem = signal(null);
    /** Cursor of the next page; null at the end. @type {string | null} */
    this.cursor = null;
    /** Changes received while a page is being loaded, which may be older or newer than it; else null. @type {import('./feed.js').Change[] | null} */
    this.pendingChanges = null;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.queueTimer = undefined;
    this.abort = new AbortController();
    this.unsubscribe = onChanges((changes) => this.handleChanges(changes));
    this.reload();
  }

  dispose() {
    this.abort.abort();
    clearTimeout(this.queueTimer);
    this.unsubscribe();
  }

  /** Loads the list again, up to its current length (1,000 runs at most). The old items stay visible until then. */
  async reload() {
    await this.fetchPages(null, Math.min(this.items.peek().length, 5 * PAGE_SIZE));
  }

  /** Loads the next page, unless a page is being loaded or the end is reached. */
  async loadMore() {
    if (this.cursor !== null && this.pendingChanges === null) await this.fetchPages(this.cursor, 0);
  }

  /** @param {string | null} cursor @param {number} minCount */
  async fetchPages(cursor, minCount) {
    // The latest load wins: a reload may overtake the load of a page.
    /** @type {import('./feed.js').Change[]} */
    const changes = [];
    this.pendingChanges = changes;
    try {
      /** @type {any[]} */
      const loaded = [];
      let next = cursor;
      do {
        const path = withQuery('/api/runs', { ...toQuery(this.filter), limit: PAGE_SIZE, cursor: next });
        const page = await request('GET', path, undefined, { signal: this.abort.signal });
        loaded.push(...page.items);
        next = page.next_cursor;
      } while (next !== null && loaded.length < minCount);
      if (this.pendingChanges !== changes) return;
      batch(() => {
        this.cursor = next;
        this.items.value = cursor === null ? loaded : [...this.items.peek(), ...loaded.filter((run) => !this.has(run.run_id))];
        this.problem.value = null;
        this.pendingChanges = null;
        this.handleChanges(changes);
      });
    } catch (error) {
      if (this.pendingChanges === changes && !this.abort.signal.aborted) {
        this.problem.value = error;
        this.pendingChanges = null;
      }
    } finally {
      if (this.pendingChanges === null) this.loading.value = false;
    }
  }

  /** @param {string} id */
  has(id) {
    return findPosition(this.items.peek(), id).found;
  }

  /** @param {import('./feed.js').Change[]} changes */
  handleChanges(changes) {
    if (changes.some((change) => change.type === 'reload')) {
      this.reload();
    } else if (this.pendingChanges !== null) {
      this.pendingChanges.push(...changes);
    } else {
      const items = [...this.items.peek()];
      for (const change of changes) this.applyChange(items, change);
      this.items.value = items;
      if (items.some((run) => run.queue_position !== undefined)) this.scheduleQueueUpdate();
    }
  }

  /** Reads the places of the queued runs again, after a pause: a run that starts moves all others, which the feed does not report. */
  scheduleQueueUpdate() {
    this.queueTimer ??= setTimeout(async () => {
      this.queueTimer = undefined;
      try {
        const { items } = await request('GET', withQuery('/api/runs', { ...toQuery(this.filter), status: 'queued', limit: PAGE_SIZE }), undefined, { signal: this.abort.signal });
        this.handleChanges(items.filter((/** @type {any} */ run) => this.hasMoved(run)).map((/** @type {any} */ run) => ({ type: 'run', run })));
      } catch {
        // The next change tries again.
      }
    }, QUEUE_UPDATE_MS);
  }

  /** Whether the loaded run has another place in the queue. @param {any} run */
  hasMoved(run) {
    const { index, found } = findPosition(this.items.peek(), run.run_id);
    return found && this.items.peek()[index].queue_position !== run.queue_position;
  }

  /** @param {any[]} items @param {import('./feed.js').Change} change */
  applyChange(items, change) {
    if (change.type === 'reload') return;
    const { index, found } = findPosition(items, change.type === 'run' ? change.run.run_id : change.run_id);
    if (change.type === 'run_deleted') {
      if (found) items.splice(index, 1);
      return;
    }
    const { run } = change;
    // The loaded page may be newer than the change.
    if (found && run.last_seq < items[index].last_seq) return;
    if (!matchesFilter(run, this.filter)) {
      if (found) items.splice(index, 1);
    } else if (found) {
      items[index] = run;
    } else if (index < items.length || this.cursor === null) {
      items.splice(index, 0, run);
    }
  }
}

/** How many lists are kept. */
const MAX_KEPT = 3;

/** The lists that were shown last, by what they show; the latest is last. @type {Map<string, RunList>} */
const kept = new Map();

/** A list that stays up to date while other views are shown, so that a return to it finds it unchanged. @param {Filter} filter */
export function keptRunList(filter) {
  const key = JSON.stringify([token.peek(), filter]);
  const list = kept.get(key) ?? new RunList(filter);
  if (list.problem.peek()) list.reload();
  kept.delete(key);
  kept.set(key, list);
  for (const [oldest, unused] of [...kept].slice(0, -MAX_KEPT)) {
    unused.dispose();
    kept.delete(oldest);
  }
  return list;
}

/** @param {Filter} filter */
function toQuery({ statuses, agentType, owner, label, sessionId, text }) {
  return { status: statuses?.join(','), agent_type: agentType, owner, label, session_id: sessionId, q: text };
}

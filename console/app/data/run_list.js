/** A list of runs, newest first, that follows what changes. Pages come as they are asked for; what changes is put in at its place. */
import { request, withQuery } from '../api.js';
import { batch, signal } from '../html.js';
import { onChanges } from './feed.js';
import { matches, place } from './run_filter.js';

/** Most runs that a page of the API has. */
const PAGE = 200;

/** @typedef {import('./run_filter.js').Filter} Filter */

export class RunList {
  /** @param {Filter} filter */
  constructor(filter) {
    this.filter = filter;
    /** What is known, newest first. @type {import('../../vendor/vendor.js').Signal<any[]>} */
    this.items = signal([]);
    /** Whether the first page is under way. */
    this.loading = signal(true);
    /** Why there is nothing, or not more. @type {import('../../vendor/vendor.js').Signal<unknown>} */
    this.problem = signal(null);
    /** Where the next page begins; null if all is here. @type {string | null} */
    this.cursor = null;
    /** What has changed while a page was under way, which may be older or newer than that. @type {import('./feed.js').Change[] | null} */
    this.meanwhile = null;
    this.over = new AbortController();
    this.stop = onChanges((changes) => this.hear(changes));
    this.load();
  }

  dispose() {
    this.over.abort();
    this.stop();
  }

  /** Loads anew from the beginning, as many as there were. What was there stays in sight until then. */
  async load() {
    await this.fetchPage(null, Math.min(this.items.peek().length, 5 * PAGE));
  }

  /** Loads the next page, if there is one and none is under way. */
  async more() {
    if (this.cursor !== null && this.meanwhile === null) await this.fetchPage(this.cursor, 0);
  }

  /** @param {string | null} cursor @param {number} atLeast */
  async fetchPage(cursor, atLeast) {
    // The latest one counts: a list from the beginning may overtake a page.
    /** @type {import('./feed.js').Change[]} */
    const round = [];
    this.meanwhile = round;
    try {
      /** @type {any[]} */
      const found = [];
      let next = cursor;
      do {
        const path = withQuery('/api/runs', { ...queryOf(this.filter), limit: PAGE, cursor: next });
        const page = await request('GET', path, undefined, { signal: this.over.signal });
        found.push(...page.items);
        next = page.next_cursor;
      } while (next !== null && found.length < atLeast);
      if (this.meanwhile !== round) return;
      batch(() => {
        this.cursor = next;
        this.items.value = cursor === null ? found : [...this.items.peek(), ...found.filter((run) => !this.has(run.run_id))];
        this.problem.value = null;
        this.meanwhile = null;
        this.hear(round);
      });
    } catch (error) {
      if (this.meanwhile === round && !this.over.signal.aborted) {
        this.problem.value = error;
        this.meanwhile = null;
      }
    } finally {
      if (this.meanwhile === null) this.loading.value = false;
    }
  }

  /** @param {string} id */
  has(id) {
    return place(this.items.peek(), id).found;
  }

  /** @param {import('./feed.js').Change[]} changes */
  hear(changes) {
    if (changes.some((change) => change.type === 'list')) {
      this.load();
    } else if (this.meanwhile !== null) {
      this.meanwhile.push(...changes);
    } else {
      const items = [...this.items.peek()];
      for (const change of changes) this.apply(items, change);
      this.items.value = items;
    }
  }

  /** @param {any[]} items @param {import('./feed.js').Change} change */
  apply(items, change) {
    if (change.type === 'list') return;
    const { index, found } = place(items, change.type === 'run' ? change.run.run_id : change.run_id);
    if (change.type === 'run_deleted') {
      if (found) items.splice(index, 1);
      return;
    }
    const { run } = change;
    // A list may have been newer than a change that came by the other way.
    if (found && run.last_seq < items[index].last_seq) return;
    if (!matches(run, this.filter)) {
      if (found) items.splice(index, 1);
    } else if (found) {
      items[index] = run;
    } else if (index < items.length || this.cursor === null) {
      items.splice(index, 0, run);
    }
  }
}

/** @param {Filter} filter */
function queryOf({ statuses, agent, owner, label, session, text }) {
  return { status: statuses?.join(','), agent_type: agent, owner, label, session_id: session, q: text };
}

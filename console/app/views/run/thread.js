/**
 * A session as one thread: its runs in order, each with its events. Opened by one run, which is loaded first; earlier runs are added above it
 * when all of them are loaded, later ones below it as they take place.
 */
import { request } from '../../api.js';
import { RunList } from '../../data/run_list.js';
import { isLive } from '../../data/run_status.js';
import { effect, signal } from '../../html.js';
import { LiveRun } from './live_run.js';
import { RunRows } from './run_rows.js';

/** How many earlier runs are loaded at first, and how many more on request. */
const EARLIER_RUNS = 30;
/** How much of the raw events of an earlier run is kept, in characters. */
const EARLIER_RAW_CHARS = 1_500_000;
/** How many runs are loaded at a time: browsers allow six connections per server. */
const MAX_LOADING = 3;

let lastKey = 0;

export class Thread {
  /** @param {{ runId?: string, sessionId?: string }} address one of them */
  constructor({ runId, sessionId }) {
    /** Different for each thread. */
    this.key = ++lastKey;
    this.sessionId = signal(/** @type {string | null} */ (sessionId ?? null));
    /** The loaded runs, oldest first. @type {import('../../../vendor/vendor.js').Signal<LiveRun[]>} */
    this.runs = signal([]);
    /** Increases when rows were added or removed elsewhere than at the end. */
    this.epoch = signal(0);
    /** The record of the session. @type {import('../../../vendor/vendor.js').Signal<any>} */
    this.session = signal(null);
    /** Why the session cannot be shown. @type {import('../../../vendor/vendor.js').Signal<unknown>} */
    this.problem = signal(null);
    /** The number of earlier runs that are not loaded. */
    this.hiddenCount = signal(0);
    /** How many further earlier runs are to be loaded. */
    this.wantedEarlier = EARLIER_RUNS;
    /** The runs that the list has contained: one that is new may not be in it yet. @type {Set<string>} */
    this.listed = new Set();
    /** @type {WeakMap<LiveRun, RunRows>} */
    this.rowsOf = new WeakMap();
    /** @type {RunList | null} */
    this.list = null;
    this.abort = new AbortController();
    /** @type {(() => void)[]} */
    this.stops = [];
    /** Earlier runs that are being loaded, oldest first. @type {LiveRun[]} */
    this.loading = [];
    if (runId !== undefined) this.open(runId);
    else if (sessionId !== undefined) this.loadSession(sessionId);
  }

  dispose() {
    this.abort.abort();
    this.list?.dispose();
    for (const stop of this.stops) stop();
    for (const run of [...this.runs.peek(), ...this.loading]) run.stop();
  }

  /** Whether the address is in this thread. @param {{ runId?: string, sessionId?: string }} address */
  has({ runId, sessionId }) {
    if (runId === undefined) return sessionId === this.sessionId.peek();
    const [first] = this.runs.peek();
    return [...this.runs.peek(), ...this.loading].some((run) => run.id === runId) || Boolean(first && runId > first.id && this.list?.has(runId));
  }

  /** Opens the first run, and then its session. @param {string} runId */
  open(runId) {
    const run = new LiveRun(runId);
    this.runs.value = [run];
    run.start();
    this.stops.push(effect(() => {
      const id = run.record.value?.session_id;
      if (id && this.sessionId.peek() === null) {
        this.sessionId.value = id;
        this.loadSession(id);
      }
    }));
  }

  /** @param {string} id */
  loadSession(id) {
    const list = new RunList({ sessionId: id });
    this.list = list;
    this.stops.push(effect(() => { this.sync(list.items.value); }));
    request('GET', `/api/sessions/${encodeURIComponent(id)}`, undefined, { signal: this.abort.signal }).then(
      (session) => { this.session.value = session; },
      (problem) => { if (!this.abort.signal.aborted) this.problem.value = problem; },
    );
  }

  /** Loads the runs that are missing. @param {any[]} items the session's runs, newest first */
  sync(items) {
    const records = items.toReversed();
    if (records.length === 0) return;
    if (this.runs.peek().length === 0) return this.append(records.findLast(({ started_at: startedAt }) => startedAt)?.run_id ?? records[0].run_id);
    for (const { run_id: id } of records) this.listed.add(id);
    const known = this.runs.peek();
    const kept = known.filter((run) => this.list?.has(run.id) || !this.listed.has(run.id));
    if (kept.length < known.length && kept.length > 0) this.replace(kept);
    const [first] = this.runs.peek();
    // The address may name a run that is older than the first page of the list.
    if (this.list?.cursor && records[0].run_id > first.id) return void this.list.loadMore();
    const earlier = records.filter(({ run_id: id }) => id < first.id);
    this.hiddenCount.value = Math.max(0, earlier.length - this.wantedEarlier);
    this.loadEarlier(this.wantedEarlier > 0 ? earlier.slice(-this.wantedEarlier).map(({ run_id: id }) => id) : []);
    void this.advance();
  }

  /** Shows earlier runs. */
  async showMore() {
    this.wantedEarlier += EARLIER_RUNS;
    if (this.hiddenCount.peek() < EARLIER_RUNS) await this.list?.loadMore();
    if (this.list) this.sync(this.list.items.peek());
  }

  /** Loads runs that precede the loaded ones, and adds them when all are complete. @param {string[]} ids oldest first */
  async loadEarlier(ids) {
    if (ids.length === 0 || this.loading.length > 0) return;
    const runs = ids.map((id) => new LiveRun(id, EARLIER_RAW_CHARS));
    this.wantedEarlier -= ids.length;
    this.loading = runs;
    const queue = runs.toReversed();
    const loadNext = async () => {
      for (let run = queue.shift(); run; run = queue.shift()) {
        run.start();
        await run.ended;
      }
    };
    await Promise.all(Array.from({ length: MAX_LOADING }, loadNext));
    this.loading = [];
    if (this.abort.signal.aborted) return;
    this.replace([...runs, ...this.runs.peek()]);
    this.hiddenCount.value = Math.max(0, (this.list?.items.peek() ?? []).filter(({ run_id: id }) => id < runs[0].id).length);
  }

  /** Starts the run that follows the last one, once that has ended. */
  async advance() {
    const last = this.runs.peek().at(-1);
    const next = last && this.list?.items.peek().findLast(({ run_id: id }) => id > last.id);
    if (!last || !next) return;
    await last.ended;
    if (!this.abort.signal.aborted && this.runs.peek().at(-1) === last) this.append(next.run_id);
  }

  /** Adds the run that follows the last one. @param {string} id */
  append(id) {
    if (this.runs.peek().some((run) => run.id === id)) return;
    const run = new LiveRun(id);
    run.start();
    this.runs.value = [...this.runs.peek(), run];
    if (this.list) this.sync(this.list.items.peek());
  }

  /** @param {LiveRun[]} runs */
  replace(runs) {
    this.runs.value = runs;
    this.epoch.value += 1;
  }

  /** The session's runs that wait for the last loaded one. */
  get queuedRuns() {
    const last = this.runs.value.at(-1);
    const items = this.list?.items.value ?? [];
    return last ? items.filter(({ run_id: id, status }) => id > last.id && status === 'queued').toReversed() : [];
  }

  /** Whether the files of the session can be written: not while one of its runs may only read. */
  get canWrite() {
    return (this.list?.items.value ?? []).every((run) => run.permission_mode !== 'read_only' || !isLive(run.status));
  }

  /** The title of the conversation: the agent's, or else the first words of the first run. */
  get title() {
    const runs = this.runs.value;
    const titled = runs.findLast((run) => run.model.title);
    return titled?.model.title || this.session.value?.title || runs[0]?.record.value?.title || '';
  }

  /** All rows with their runs. Later runs follow only when the earlier ones are complete, so rows are added at the end. */
  rows() {
    /** @type {{ run: LiveRun, rows: import('./run_rows.js').Row[], start: number }[]} */
    const parts = [];
    let start = 0;
    for (const run of this.runs.value) {
      const { model } = run;
      const rows = this.rowsFor(run).update();
      parts.push({ run, rows, start });
      start += rows.length;
      if (!model.done && !run.problem.value) break;
    }
    return new ThreadRows(parts, start);
  }

  /** @param {LiveRun} run */
  rowsFor(run) {
    let rows = this.rowsOf.get(run);
    if (!rows) this.rowsOf.set(run, rows = new RunRows(run.id, run.mutableModel.items));
    rows.setPrompt(run.record.value?.prompt ?? '', run.record.value?.attachments);
    return rows;
  }

  /** The index of the first row of a run, or of one of its items. @param {LiveRun} run @param {number} [item] */
  indexOf(run, item) {
    const part = this.rows().parts.find((other) => other.run === run);
    return part === undefined ? 0 : part.start + (item === undefined ? 0 : this.rowsFor(run).rowOfItem[item] ?? 0);
  }
}

/** The rows of all runs as one list. */
export class ThreadRows {
  /** @param {{ run: LiveRun, rows: import('./run_rows.js').Row[], start: number }[]} parts @param {number} count */
  constructor(parts, count) {
    this.parts = parts;
    this.count = count;
  }

  /** @param {number} index @returns {{ run: LiveRun, row: import('./run_rows.js').Row }} */
  at(index) {
    let [low, high] = [0, this.parts.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.parts[middle].start <= index) low = middle;
      else high = middle - 1;
    }
    const { run, rows, start } = this.parts[low];
    return { run, row: rows[index - start] };
  }
}

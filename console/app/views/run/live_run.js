// One run in the page: its record, its stream, and the model that the stream makes.

import { address, headers, problemOf, request, signOutIfRefused } from '../../api.js';
import { signal } from '../../html.js';
import { follow } from '../../sse.js';
import { RunModel } from './run_model.js';

/** @typedef {import('../../sse.js').StreamState} StreamState */
/** What `GET /api/runs/{id}` gives. @typedef {Record<string, any>} RunRecord */

/** How much of the events' own text is kept for the view of it, in characters. Of more only the newest is. */
const KEPT_CHARS = 48 * 1024 * 1024;

/** Everything that is known of a run while somebody looks at it. */
export class LiveRun {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.path = `/api/runs/${encodeURIComponent(id)}`;
    /** Read through `model`. */
    this.events = new RunModel();
    /** The events as they came, by number less one. @type {(string | undefined)[]} */
    this.lines = [];
    this.keptChars = 0;
    /** How many of the first events are not kept. */
    this.forgotten = 0;
    /** @type {Map<number, object>} */
    this.names = new Map();
    /** Grows once a frame in which something has changed. */
    this.version = signal(0);
    this.connection = signal(/** @type {StreamState} */ ({ kind: 'connecting' }));
    /** Whether the stream was lost since it was last live. */
    this.wasLost = signal(false);
    this.record = signal(/** @type {RunRecord | null} */ (null));
    /** Why there is nothing to be seen. @type {import('../../../vendor/vendor.js').Signal<import('../../api.js').ApiProblem | null>} */
    this.problem = signal(null);
    this.isStopping = signal(false);
    this.over = new AbortController();
    this.frame = 0;
  }

  /** What the events have come to. It is one object that changes, so whoever draws it has to be told when: by reading it here. */
  get model() {
    void this.version.value;
    return this.events;
  }

  start() {
    void this.load();
    void follow({
      path: address(`${this.path}/events`), headers: () => headers(), signal: this.over.signal, dense: true, last: 'done', onlyVisible: true,
      onEvents: (frames) => this.take(frames),
      onState: (state) => this.heard(state),
    });
  }

  stop() {
    this.over.abort();
    cancelAnimationFrame(this.frame);
  }

  /** What the run is doing. */
  get status() {
    const { model } = this;
    if (model.done) return model.status;
    if (this.isStopping.value) return 'stopping';
    return model.seq ? model.status : String(this.record.value?.status ?? 'starting');
  }

  async load() {
    try {
      this.record.value = await request('GET', this.path, undefined, { signal: this.over.signal });
    } catch (problem) {
      if (!this.over.signal.aborted) this.problem.value = /** @type {import('../../api.js').ApiProblem} */ (problem);
    }
  }

  /** @param {import('../../sse.js').Frame[]} frames */
  take(frames) {
    for (const { data } of frames) {
      /** @type {import('./run_model.js').RunEvent} */
      let event;
      try {
        event = JSON.parse(data);
      } catch {
        // The server's frames are JSON. What is none was written by somebody in between, and is no event.
        continue;
      }
      if (event.seq !== undefined) this.keep(event.seq, data);
      this.events.apply(event);
      if (event.type === 'done') void this.load();
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.version.value += 1;
    });
  }

  /** @param {number} seq @param {string} line */
  keep(seq, line) {
    this.lines[seq - 1] = line;
    this.keptChars += line.length;
    while (this.keptChars > KEPT_CHARS && this.forgotten < seq - 1) {
      this.keptChars -= this.lines[this.forgotten]?.length ?? 0;
      this.lines[this.forgotten] = undefined;
      this.forgotten += 1;
    }
  }

  /** What stands for a line where state hangs on it: the same for the same line. @param {number} index @returns {object} */
  named(index) {
    const name = this.names.get(index) ?? {};
    this.names.set(index, name);
    return name;
  }

  /** @param {StreamState} state */
  heard(state) {
    this.connection.value = state;
    if (state.kind === 'waiting') this.wasLost.value = true;
    if (state.kind === 'live' || state.kind === 'ended') this.wasLost.value = false;
    if (state.kind === 'live' && !this.record.value) void this.load();
    if (state.kind !== 'refused') return;
    const { status, code, detail } = state;
    void problemOf(new Response(JSON.stringify({ code, detail }), { status })).then((problem) => {
      this.problem.value = problem;
      signOutIfRefused(problem, headers().Authorization);
    });
  }

  /** Ends the run. */
  async cancel() {
    this.isStopping.value = true;
    try {
      this.record.value = await request('POST', `${this.path}/cancel`);
    } catch (problem) {
      this.isStopping.value = false;
      throw problem;
    }
  }

  /** @param {string} text @param {string} mode @param {string} key under which a repetition is known */
  send(text, mode, key) {
    return request('POST', `${this.path}/messages`, { text, mode }, { more: { 'Idempotency-Key': key } });
  }

  /** @param {string} id @param {unknown} answer */
  answer(id, answer) {
    return request('POST', `${this.path}/requests/${encodeURIComponent(id)}`, answer);
  }
}

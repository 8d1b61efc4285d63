/** A run that is shown: its record, its event stream, and the model built from the events. */
import { apiUrl, authHeaders, readProblem, request, signOutIfUnauthorized } from '../../api.js';
import { workDuration } from '../../data/run_time.js';
import { signal } from '../../html.js';
import { follow } from '../../sse.js';
import { RunModel } from './run_model.js';

/** @typedef {import('../../sse.js').StreamState} StreamState */
/** The response of `GET /api/runs/{id}`. @typedef {Record<string, any>} RunRecord */

/** How often a queued run is read again for its place in the queue. */
const QUEUE_INTERVAL_MS = 3000;

/** How much of the raw events is kept by default. */
const MAX_RAW_CHARS = 48 * 1024 * 1024;

export class LiveRun {
  /** @param {string} id @param {number} [maxRawChars] how much of the raw events is kept, in characters; older events are dropped */
  constructor(id, maxRawChars = MAX_RAW_CHARS) {
    this.id = id;
    this.maxRawChars = maxRawChars;
    this.path = `/api/runs/${encodeURIComponent(id)}`;
    /** Mutable; read it through `model`. */
    this.mutableModel = new RunModel();
    /** The raw events, at index `seq - 1`. @type {(string | undefined)[]} */
    this.lines = [];
    this.rawChars = 0;
    /** The number of raw events dropped from the start. */
    this.droppedCount = 0;
    /** @type {Map<number, object>} */
    this.lineKeys = new Map();
    /** Increases at most once per frame when the model has changed. */
    this.version = signal(0);
    this.connection = signal(/** @type {StreamState} */ ({ kind: 'connecting' }));
    /** Whether the stream was interrupted and is not live again. */
    this.isInterrupted = signal(false);
    this.record = signal(/** @type {RunRecord | null} */ (null));
    /** Why the record or the stream is not available. @type {import('../../../vendor/vendor.js').Signal<import('../../api.js').ApiProblem | null>} */
    this.problem = signal(null);
    this.isStopping = signal(false);
    this.abort = new AbortController();
    this.frame = 0;
    /** Whether the run had ended when its view was opened; null until that is known. @type {boolean | null} */
    this.wasEnded = null;
    this.resolveEnded = () => {};
    /** Resolves when all events are there, or when there will be no more. @type {Promise<void>} */
    this.ended = new Promise((resolve) => { this.resolveEnded = resolve; });
    /** @type {ReturnType<typeof setInterval> | undefined} */
    this.queueTimer = undefined;
  }

  /** The model. Reading it subscribes to its changes. */
  get model() {
    void this.version.value;
    return this.mutableModel;
  }

  start() {
    void this.load();
    this.queueTimer = setInterval(() => {
      if (this.status !== 'queued') clearInterval(this.queueTimer);
      else if (!document.hidden) void this.load();
    }, QUEUE_INTERVAL_MS);
    void follow({
      url: apiUrl(`${this.path}/events`), headers: () => authHeaders(), signal: this.abort.signal, isDense: true, finalType: 'done', pauseWhenHidden: true,
      onEvents: (frames) => this.handleFrames(frames),
      onState: (state) => this.handleState(state),
    });
  }

  stop() {
    this.abort.abort();
    clearInterval(this.queueTimer);
    this.resolveEnded();
    cancelAnimationFrame(this.frame);
  }

  /** The run's status, from the events if there are any, else from the record. */
  get status() {
    const { model } = this;
    if (model.done) return model.status;
    if (this.isStopping.value) return 'stopping';
    return model.seq ? model.status : String(this.record.value?.status ?? 'starting');
  }

  /** When the agent was ready; null before. @returns {string | null} */
  get startedAt() {
    return this.model.started?.ts ?? this.record.value?.started_at ?? null;
  }

  /** How long the run has worked, in milliseconds, without its time in the queue; null if it has not started or not ended. */
  get workMs() {
    return workDuration({ started_at: this.startedAt ?? undefined, ended_at: this.model.done?.ts ?? this.record.value?.ended_at });
  }

  async load() {
    try {
      const record = await request('GET', this.path, undefined, { signal: this.abort.signal });
      this.wasEnded ??= record.ended_at !== undefined;
      this.record.value = record;
    } catch (problem) {
      if (!this.abort.signal.aborted) this.problem.value = /** @type {import('../../api.js').ApiProblem} */ (problem);
    }
  }

  /** @param {import('../../sse.js').Frame[]} frames */
  handleFrames(frames) {
    for (const { data } of frames) {
      /** @type {import('./run_model.js').RunEvent} */
      let event;
      try {
        event = JSON.parse(data);
      } catch {
        // Not written by the server, whose events are always JSON.
        continue;
      }
      if (event.seq !== undefined) this.keepLine(event.seq, data);
      this.mutableModel.apply(event);
      if (event.type === 'done') {
        void this.load();
        this.resolveEnded();
      }
    }
    this.frame ||= requestAnimationFrame(() => {
      this.frame = 0;
      this.version.value += 1;
    });
  }

  /** @param {number} seq @param {string} line */
  keepLine(seq, line) {
    this.lines[seq - 1] = line;
    this.rawChars += line.length;
    while (this.rawChars > this.maxRawChars && this.droppedCount < seq - 1) {
      this.rawChars -= this.lines[this.droppedCount]?.length ?? 0;
      this.lines[this.droppedCount] = undefined;
      this.droppedCount += 1;
    }
  }

  /** An object that identifies a raw event, to attach state to. @param {number} index @returns {object} */
  lineKey(index) {
    const key = this.lineKeys.get(index) ?? {};
    this.lineKeys.set(index, key);
    return key;
  }

  /** @param {StreamState} state */
  handleState(state) {
    this.connection.value = state;
    if (state.kind === 'reconnecting') this.isInterrupted.value = true;
    if (state.kind === 'live' || state.kind === 'ended') this.isInterrupted.value = false;
    if (state.kind === 'live' && !this.record.value) void this.load();
    if (state.kind === 'rejected' || state.kind === 'ended') this.resolveEnded();
    if (state.kind !== 'rejected') return;
    const { status, code, detail } = state;
    void readProblem(new Response(JSON.stringify({ code, detail }), { status })).then((problem) => {
      this.problem.value = problem;
      signOutIfUnauthorized(problem, authHeaders().Authorization);
    });
  }

  async cancel() {
    this.isStopping.value = true;
    try {
      this.record.value = await request('POST', `${this.path}/cancel`);
    } catch (problem) {
      this.isStopping.value = false;
      throw problem;
    }
  }

  /** @param {string} text @param {string} mode @param {string} idempotencyKey */
  sendMessage(text, mode, idempotencyKey) {
    return request('POST', `${this.path}/messages`, { text, mode }, { headers: { 'Idempotency-Key': idempotencyKey } });
  }

  /** @param {string} requestId @param {unknown} answer */
  answer(requestId, answer) {
    return request('POST', `${this.path}/requests/${encodeURIComponent(requestId)}`, answer);
  }
}

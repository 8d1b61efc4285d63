// Server-sent events over fetch: `EventSource` can send no Authorization header and tells nobody why it was refused.

import { createParser } from '../vendor/vendor.js';

/** One frame of the stream. `id` is undefined where the frame has none, as the server's word about a gap.
 * @typedef {{ id: string | undefined, type: string, data: string }} Frame */

/** Where a stream stands. `waiting` says in how many milliseconds the next try comes and why there has to be one; `paused` means
 * that the page is hidden; `ended` and `refused` are final.
 * @typedef {{ kind: 'connecting' | 'live' | 'paused' | 'ended' }
 *   | { kind: 'waiting', retryInMs: number, reason: string }
 *   | { kind: 'refused', status: number, code: string, detail: string }} StreamState */

/** @typedef {object} FollowOptions
 * @property {string} path where the stream is, relative to the page
 * @property {string} [lastEventId] go on after this one
 * @property {AbortSignal} signal ends it
 * @property {(frames: Frame[]) => void} onEvents gets every frame once, in order, a batch at a time
 * @property {(state: StreamState) => void} [onState]
 * @property {boolean} [dense] ids are numbers without gaps: a repeat is dropped, a hole is asked for again
 * @property {string} [last] the type of the frame after which nothing comes
 * @property {boolean} [onlyVisible] hold no connection while the page is hidden: browsers have six for each server
 * @property {() => Record<string, string>} [headers] asked for at each try
 * @property {typeof globalThis.fetch} [fetch] */

/** The server writes at least a comment every 15 seconds. */
const SILENCE_MS = 40_000;
/** After a wake-up a connection that has been silent for longer than the server ever is does not get the benefit of the doubt. */
const STALE_MS = 20_000;
const FIRST_RETRY_MS = 500;
const LAST_RETRY_MS = 15_000;
/** How long reading may keep the page from doing anything else. */
const SLICE_MS = 8;
/** How much text is parsed between two looks at the clock. */
const SLICE_CHARS = 32_768;

/** Follows a stream for ever: breaks, sleeps and restarts of the server are bridged by asking again after the last id.
 * Settles, without ever rejecting, when the stream has ended, was refused, or `signal` says so.
 * @param {FollowOptions} options
 * @returns {Promise<void>} */
export async function follow(options) {
  const follower = new Follower(options);
  await follower.run();
}

/** What one connection came to.
 * @typedef {{ kind: 'over' } | { kind: 'broken', reason: string, retryInMs?: number } | { kind: 'refused', state: StreamState }} Outcome */

class Follower {
  /** @param {FollowOptions} options */
  constructor(options) {
    this.options = options;
    this.lastEventId = options.lastEventId ?? '';
    /** Tries since something was last heard. */
    this.failures = 0;
    /** What the server asks for by `retry:`. */
    this.firstRetryMs = FIRST_RETRY_MS;
    this.heardAt = 0;
    /** @type {AbortController | null} the open connection */
    this.connection = null;
    /** @type {(() => void) | null} ends the present wait */
    this.wake = null;
  }

  async run() {
    const { signal } = this.options;
    const page = globalThis.document;
    const nudge = () => this.nudge();
    const abort = () => { this.connection?.abort(); this.wake?.(); };
    signal.addEventListener('abort', abort);
    globalThis.addEventListener?.('online', nudge);
    page?.addEventListener('visibilitychange', nudge);
    try {
      while (!signal.aborted && await this.step());
    } finally {
      signal.removeEventListener('abort', abort);
      globalThis.removeEventListener?.('online', nudge);
      page?.removeEventListener('visibilitychange', nudge);
    }
  }

  /** One connection and what comes after it. Gives whether there is to be another. */
  async step() {
    if (this.isHidden()) {
      this.tell({ kind: 'paused' });
      await this.wait(Infinity);
      return true;
    }
    this.tell({ kind: 'connecting' });
    const outcome = await this.connect();
    if (this.options.signal.aborted) return false;
    if (outcome.kind === 'over') this.tell({ kind: 'ended' });
    if (outcome.kind === 'refused') this.tell(outcome.state);
    if (outcome.kind !== 'broken') return false;
    if (this.isHidden()) return true;
    const retryInMs = outcome.retryInMs ?? this.backoff();
    this.failures += 1;
    this.tell({ kind: 'waiting', retryInMs, reason: outcome.reason });
    await this.wait(retryInMs);
    return true;
  }

  /** @returns {Promise<Outcome>} */
  async connect() {
    const connection = new AbortController();
    this.connection = connection;
    this.heardAt = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - this.heardAt > SILENCE_MS) connection.abort();
    }, SILENCE_MS / 8);
    try {
      const response = await this.request(connection.signal);
      const refusal = await refused(response);
      if (refusal) return refusal;
      if (!response.body) return { kind: 'broken', reason: 'empty' };
      this.heardAt = performance.now();
      this.tell({ kind: 'live' });
      return await this.read(response.body.getReader());
    } catch (error) {
      return { kind: 'broken', reason: error instanceof Error ? error.message : String(error) };
    } finally {
      clearInterval(watchdog);
      connection.abort();
      this.connection = null;
    }
  }

  /** @param {AbortSignal} signal */
  request(signal) {
    /** @type {Record<string, string>} */
    const headers = { ...this.options.headers?.(), Accept: 'text/event-stream' };
    if (this.lastEventId) headers['Last-Event-ID'] = this.lastEventId;
    const fetch = this.options.fetch ?? globalThis.fetch;
    return fetch(this.options.path, { headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
  }

  /** @param {ReadableStreamDefaultReader<Uint8Array>} reader
   * @returns {Promise<Outcome>} */
  async read(reader) {
    /** @type {Frame[]} */
    let batch = [];
    /** @type {Outcome | null} */
    let outcome = null;
    const parser = createParser({
      onEvent: (/** @type {{ id?: string, event?: string, data: string }} */ { id, event = 'message', data }) => {
        if (outcome) return;
        const frame = { id, type: event, data };
        const order = this.place(frame);
        if (order === 'hole') outcome = { kind: 'broken', reason: `an event after ${this.lastEventId} is missing` };
        if (order !== 'next') return;
        batch.push(frame);
        if (event === this.options.last) outcome = { kind: 'over' };
      },
      onRetry: (/** @type {number} */ ms) => { this.firstRetryMs = Math.min(ms, LAST_RETRY_MS); },
    });
    const deliver = () => {
      if (!batch.length) return;
      const frames = batch;
      batch = [];
      this.options.onEvents(frames);
    };
    const decoder = new TextDecoder();
    let sliceBegan = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { kind: 'broken', reason: 'the stream ended' };
      this.heardAt = performance.now();
      this.failures = 0;
      const text = decoder.decode(value, { stream: true });
      for (let at = 0; at < text.length; at += SLICE_CHARS) {
        parser.feed(text.slice(at, at + SLICE_CHARS));
        deliver();
        if (outcome) return outcome;
        if (performance.now() - sliceBegan < SLICE_MS) continue;
        await breathe();
        if (this.options.signal.aborted) return { kind: 'over' };
        sliceBegan = performance.now();
      }
    }
  }

  /** Whether a frame is the one that is due, and if so notes that it has come.
   * @param {Frame} frame
   * @returns {'next' | 'repeat' | 'hole'} */
  place(frame) {
    if (frame.id === undefined) {
      // The log has not reached the number that was asked for, and says where it goes on.
      const next = this.options.dense ? gapEnd(frame) : undefined;
      if (next !== undefined) this.lastEventId = String(next - 1);
      return 'next';
    }
    if (this.options.dense) {
      const [seen, seq] = [Number(this.lastEventId), Number(frame.id)];
      if (seq <= seen) return 'repeat';
      if (seq !== seen + 1) return 'hole';
    }
    this.lastEventId = frame.id;
    return 'next';
  }

  /** The network is back, or somebody looks at the page again, or does not any more. */
  nudge() {
    if (this.isHidden()) return this.connection?.abort();
    this.wake?.();
    if (this.connection && performance.now() - this.heardAt > STALE_MS) this.connection.abort();
  }

  isHidden() {
    return Boolean(this.options.onlyVisible) && globalThis.document?.visibilityState === 'hidden';
  }

  /** Doubles with each failure; the jitter keeps the pages of a restarted server from coming all at once. */
  backoff() {
    const most = Math.min(this.firstRetryMs * 2 ** this.failures, LAST_RETRY_MS);
    return Math.round(most * (0.5 + Math.random() / 2));
  }

  /** Waits so long, or until somebody wakes it. @param {number} ms */
  async wait(ms) {
    let timer;
    await new Promise((resolve) => {
      this.wake = () => resolve(undefined);
      if (ms !== Infinity) timer = setTimeout(this.wake, ms);
      if (this.options.signal.aborted) this.wake();
    });
    clearTimeout(timer);
    this.wake = null;
  }

  /** @param {StreamState} state */
  tell(state) {
    this.options.onState?.(state);
  }
}

/** What an answer that is no stream means.
 * @param {Response} response
 * @returns {Promise<Outcome | null>} */
async function refused(response) {
  const { status } = response;
  if (status === 204) return { kind: 'over' };
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
  if (status === 200 && isStream) return null;
  // A page of somebody in between, the server going down, or too much at once: all of that passes.
  if (status < 400 || status >= 500 || status === 408 || status === 429) {
    const seconds = Number(response.headers.get('retry-after'));
    return { kind: 'broken', reason: `HTTP ${status}`, ...(seconds > 0 && { retryInMs: Math.min(seconds * 1000, 60_000) }) };
  }
  const problem = await response.json().catch(() => ({}));
  return { kind: 'refused', state: { kind: 'refused', status, code: String(problem.code ?? ''), detail: String(problem.detail ?? '') } };
}

/** @param {Frame} frame
 * @returns {number | undefined} the number of the event that comes next, if this frame tells of a gap */
function gapEnd(frame) {
  if (frame.type !== 'notice') return undefined;
  try {
    const notice = JSON.parse(frame.data);
    return notice.code === 'gap' ? Number(notice.data.next) : undefined;
  } catch {
    return undefined;
  }
}

/** Lets the page do whatever waits: input, painting. A timer would wait for 4 ms, and in a hidden tab for a second.
 * @returns {Promise<void>} */
async function breathe() {
  const { port1, port2 } = new MessageChannel();
  const breath = new Promise((resolve) => { port1.onmessage = resolve; });
  port2.postMessage(null);
  await breath;
  port1.close();
}

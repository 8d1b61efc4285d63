/**
 * Server-sent events over `fetch`: `EventSource` cannot send an Authorization header and does not report the status of a rejected request.
 */
import { createParser } from '../vendor/vendor.js';

/** An SSE frame. `id` is undefined if the frame has none, as with `gap` notices.
 * @typedef {{ id: string | undefined, type: string, data: string }} Frame */

/** The state of a stream. `paused`: the page is hidden. `ended` and `rejected` are final.
 * @typedef {{ kind: 'connecting' | 'live' | 'paused' | 'ended' }
 *   | { kind: 'reconnecting', retryInMs: number, reason: string }
 *   | { kind: 'rejected', status: number, code: string, detail: string }} StreamState */

/** @typedef {object} FollowOptions
 * @property {string} url
 * @property {string} [lastEventId] resume after this event
 * @property {AbortSignal} signal stops following
 * @property {(frames: Frame[]) => void} onEvents receives every frame once, in order, in batches
 * @property {(state: StreamState) => void} [onState]
 * @property {boolean} [isDense] ids are consecutive numbers: duplicates are dropped, and a missing id causes a reconnect
 * @property {string} [finalType] the event type after which the stream is complete
 * @property {boolean} [pauseWhenHidden] disconnect while the page is hidden: browsers allow six connections per server
 * @property {() => Record<string, string>} [headers] called for each request
 * @property {typeof globalThis.fetch} [fetch] */

/** The connection is considered dead after this much silence. The server sends a comment at least every 15 s. */
const SILENCE_TIMEOUT_MS = 40_000;
/** The same after the device was asleep or offline. */
const STALE_TIMEOUT_MS = 20_000;
const INITIAL_RETRY_MS = 500;
const MAX_RETRY_MS = 15_000;
/** How long parsing may block the page. */
const TIME_SLICE_MS = 8;
/** How much text is parsed between two checks of the time slice. */
const SLICE_CHARS = 32_768;

/**
 * Follows a stream. Reconnects after interruptions and resumes after the last event id. Resolves when the stream has ended, was rejected, or
 * `signal` was aborted; never rejects.
 * @param {FollowOptions} options
 * @returns {Promise<void>}
 */
export async function follow(options) {
  const follower = new Follower(options);
  await follower.run();
}

/** The result of one connection.
 * @typedef {{ kind: 'complete' } | { kind: 'interrupted', reason: string, retryInMs?: number } | { kind: 'rejected', state: StreamState }} Outcome */

class Follower {
  /** @param {FollowOptions} options */
  constructor(options) {
    this.options = options;
    this.lastEventId = options.lastEventId ?? '';
    /** Failed attempts since the last received data. */
    this.failures = 0;
    /** Changed by the server's `retry:` field. */
    this.initialRetryMs = INITIAL_RETRY_MS;
    this.lastReceivedAt = 0;
    /** @type {AbortController | null} the open connection */
    this.connection = null;
    /** @type {(() => void) | null} ends the current wait */
    this.wake = null;
  }

  async run() {
    const { signal } = this.options;
    const page = globalThis.document;
    const onPageChange = () => this.handlePageChange();
    const onAbort = () => { this.connection?.abort(); this.wake?.(); };
    signal.addEventListener('abort', onAbort);
    globalThis.addEventListener?.('online', onPageChange);
    page?.addEventListener('visibilitychange', onPageChange);
    try {
      while (!signal.aborted && await this.connectOnce());
    } finally {
      signal.removeEventListener('abort', onAbort);
      globalThis.removeEventListener?.('online', onPageChange);
      page?.removeEventListener('visibilitychange', onPageChange);
    }
  }

  /** Makes one connection and waits for the next attempt. Returns whether there is one. */
  async connectOnce() {
    if (this.isPaused()) {
      this.setState({ kind: 'paused' });
      await this.wait(Infinity);
      return true;
    }
    this.setState({ kind: 'connecting' });
    const outcome = await this.connect();
    if (this.options.signal.aborted) return false;
    if (outcome.kind === 'complete') this.setState({ kind: 'ended' });
    if (outcome.kind === 'rejected') this.setState(outcome.state);
    if (outcome.kind !== 'interrupted') return false;
    if (this.isPaused()) return true;
    const retryInMs = outcome.retryInMs ?? this.backoff();
    this.failures += 1;
    this.setState({ kind: 'reconnecting', retryInMs, reason: outcome.reason });
    await this.wait(retryInMs);
    return true;
  }

  /** @returns {Promise<Outcome>} */
  async connect() {
    const connection = new AbortController();
    this.connection = connection;
    this.lastReceivedAt = performance.now();
    const watchdog = setInterval(() => {
      if (performance.now() - this.lastReceivedAt > SILENCE_TIMEOUT_MS) connection.abort();
    }, SILENCE_TIMEOUT_MS / 8);
    try {
      const response = await this.request(connection.signal);
      const failure = await checkResponse(response);
      if (failure) return failure;
      if (!response.body) return { kind: 'interrupted', reason: 'empty response' };
      this.lastReceivedAt = performance.now();
      this.setState({ kind: 'live' });
      return await this.read(response.body.getReader());
    } catch (error) {
      return { kind: 'interrupted', reason: error instanceof Error ? error.message : String(error) };
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
    return fetch(this.options.url, { headers, signal, cache: 'no-store', credentials: 'omit', redirect: 'error' });
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
        const order = this.checkOrder(frame);
        if (order === 'gap') outcome = { kind: 'interrupted', reason: `an event after ${this.lastEventId} is missing` };
        if (order !== 'next') return;
        batch.push(frame);
        if (event === this.options.finalType) outcome = { kind: 'complete' };
      },
      onRetry: (/** @type {number} */ ms) => { this.initialRetryMs = Math.min(ms, MAX_RETRY_MS); },
    });
    const deliver = () => {
      if (!batch.length) return;
      const frames = batch;
      batch = [];
      this.options.onEvents(frames);
    };
    const decoder = new TextDecoder();
    let sliceStart = performance.now();
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return { kind: 'interrupted', reason: 'the stream ended' };
      this.lastReceivedAt = performance.now();
      this.failures = 0;
      const text = decoder.decode(value, { stream: true });
      for (let index = 0; index < text.length; index += SLICE_CHARS) {
        parser.feed(text.slice(index, index + SLICE_CHARS));
        deliver();
        if (outcome) return outcome;
        if (performance.now() - sliceStart < TIME_SLICE_MS) continue;
        await yieldToPage();
        if (this.options.signal.aborted) return { kind: 'complete' };
        sliceStart = performance.now();
      }
    }
  }

  /** Compares a frame's id with the last one, and records it if it is the next.
   * @param {Frame} frame
   * @returns {'next' | 'duplicate' | 'gap'} */
  checkOrder(frame) {
    if (frame.id === undefined) {
      // A `gap` notice says at which number the stream continues.
      const next = this.options.isDense ? nextAfterGap(frame) : undefined;
      if (next !== undefined) this.lastEventId = String(next - 1);
      return 'next';
    }
    if (this.options.isDense) {
      const [last, seq] = [Number(this.lastEventId), Number(frame.id)];
      if (seq <= last) return 'duplicate';
      if (seq !== last + 1) return 'gap';
    }
    this.lastEventId = frame.id;
    return 'next';
  }

  /** The page was shown or hidden, or the network came back. */
  handlePageChange() {
    if (this.isPaused()) return this.connection?.abort();
    this.wake?.();
    if (this.connection && performance.now() - this.lastReceivedAt > STALE_TIMEOUT_MS) this.connection.abort();
  }

  isPaused() {
    return Boolean(this.options.pauseWhenHidden) && globalThis.document?.visibilityState === 'hidden';
  }

  /** Exponential backoff with jitter, so that clients do not reconnect to a restarted server all at once. */
  backoff() {
    const max = Math.min(this.initialRetryMs * 2 ** this.failures, MAX_RETRY_MS);
    return Math.round(max * (0.5 + Math.random() / 2));
  }

  /** Waits until the time has passed, or `wake` is called. @param {number} ms */
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
  setState(state) {
    this.options.onState?.(state);
  }
}

/** The outcome for a response that is not a stream; null if it is one.
 * @param {Response} response
 * @returns {Promise<Outcome | null>} */
async function checkResponse(response) {
  const { status } = response;
  if (status === 204) return { kind: 'complete' };
  const isStream = (response.headers.get('content-type') ?? '').startsWith('text/event-stream');
  if (status === 200 && isStream) return null;
  // Temporary: a proxy's page, a server that is shutting down, or a rate limit.
  if (status < 400 || status >= 500 || status === 408 || status === 429) {
    const seconds = Number(response.headers.get('retry-after'));
    return { kind: 'interrupted', reason: `HTTP ${status}`, ...(seconds > 0 && { retryInMs: Math.min(seconds * 1000, 60_000) }) };
  }
  const problem = await response.json().catch(() => ({}));
  return { kind: 'rejected', state: { kind: 'rejected', status, code: String(problem.code ?? ''), detail: String(problem.detail ?? '') } };
}

/** @param {Frame} frame
 * @returns {number | undefined} the number of the next event if this is a `gap` notice */
function nextAfterGap(frame) {
  if (frame.type !== 'notice') return undefined;
  try {
    const notice = JSON.parse(frame.data);
    return notice.code === 'gap' ? Number(notice.data.next) : undefined;
  } catch {
    return undefined;
  }
}

/** Lets the page handle input and paint. A timer would take 4 ms, and a second in a hidden tab.
 * @returns {Promise<void>} */
async function yieldToPage() {
  const { port1, port2 } = new MessageChannel();
  const message = new Promise((resolve) => { port1.onmessage = resolve; });
  port2.postMessage(null);
  await message;
  port1.close();
}

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow } from '../../app/sse.js';

/** @typedef {{ status?: number, headers?: Record<string, string>, body?: string, chunks?: (string | Uint8Array)[] }} Reply */

/** Follows a stream of prepared responses, one per request. Further requests get 204.
 * @param {Reply[]} replies @param {Partial<import('../../app/sse.js').FollowOptions>} [options] */
async function followReplies(replies, options = {}) {
  /** @type {string[]} */
  const received = [];
  /** @type {import('../../app/sse.js').StreamState[]} */
  const states = [];
  /** @type {(string | undefined)[]} */
  const lastEventIds = [];
  const fetch = /** @type {any} */ (async (/** @type {string} */ _path, /** @type {any} */ init) => {
    const headers = new Headers(init.headers);
    lastEventIds.push(headers.get('Last-Event-ID') ?? undefined);
    const { status = 200, headers: more, body, chunks = body === undefined ? [] : [body] } = replies[lastEventIds.length - 1] ?? { status: 204 };
    const encoder = new TextEncoder();
    const stream = new ReadableStream({
      start(controller) {
        for (const chunk of chunks) controller.enqueue(typeof chunk === 'string' ? encoder.encode(chunk) : chunk);
        controller.close();
      },
    });
    return new Response(status === 204 ? null : stream, { status, headers: { 'Content-Type': 'text/event-stream', ...more } });
  });
  await follow({
    url: 'http://there/events', signal: new AbortController().signal, fetch, isDense: true,
    onEvents: (frames) => received.push(...frames.map(({ id, type, data }) => `${id ?? '-'} ${type} ${data}`)),
    onState: (state) => states.push(state), ...options,
  });
  return { received, states, lastEventIds };
}

/** @param {number} seq */
const frame = (seq, type = 'token') => `id: ${seq}\nevent: ${type}\ndata: {"seq":${seq},"text":"grüße 漢 👋"}\n\n`;
/** @param {number} seq */
const line = (seq, type = 'token') => `${seq} ${type} {"seq":${seq},"text":"grüße 漢 👋"}`;
/** @param {number} from @param {number} to */
const frames = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => frame(from + index)).join('');

/** Runs with timers that fire at once. */
async function withInstantTimers(/** @type {() => Promise<void>} */ body) {
  const { setTimeout: real } = globalThis;
  globalThis.setTimeout = /** @type {any} */ ((/** @type {() => void} */ callback) => real(callback, 0));
  try {
    await body();
  } finally {
    globalThis.setTimeout = real;
  }
}

test('frames split at any byte are delivered whole and once', async () => {
  for (const text of [frame(1) + frame(2, 'done'), (frame(1) + frame(2, 'done')).replaceAll('\n', '\r\n'), `: still here\n\n${frame(1)}:\n\n${frame(2, 'done')}`]) {
    const bytes = new TextEncoder().encode(text);
    for (let at = 1; at < bytes.length; at++) {
      const { received } = await followReplies([{ chunks: [bytes.slice(0, at), bytes.slice(at)] }], { finalType: 'done' });
      assert.deepEqual(received, [line(1), line(2, 'done')], `split at ${at}`);
    }
  }
});

test('an interrupted stream resumes after the last event', () => withInstantTimers(async () => {
  const { received, lastEventIds, states } = await followReplies([{ body: frames(1, 3) }, { body: frames(4, 5) }]);
  assert.deepEqual(received, [1, 2, 3, 4, 5].map((seq) => line(seq)));
  assert.deepEqual(lastEventIds, [undefined, '3', '5']);
  assert.deepEqual(states.map(({ kind }) => kind), ['connecting', 'live', 'reconnecting', 'connecting', 'live', 'reconnecting', 'connecting', 'ended']);
}));

test('a partial frame before an interruption is dropped', () => withInstantTimers(async () => {
  const { received, lastEventIds } = await followReplies([{ body: `${frame(1)}id: 2\nevent: token\ndata: {"seq":2` }, { body: frame(2) }]);
  assert.deepEqual(received, [line(1), line(2)]);
  assert.deepEqual(lastEventIds, [undefined, '1', '2']);
}));

test('duplicate events are dropped', async () => {
  const { received } = await followReplies([{ body: frame(1) + frame(1) + frame(2) + frame(1) + frame(3, 'done') }], { finalType: 'done' });
  assert.deepEqual(received, [line(1), line(2), line(3, 'done')]);
});

test('missing events cause a reconnect from the last event', () => withInstantTimers(async () => {
  const { received, lastEventIds } = await followReplies([{ body: frame(1) + frame(3) + frame(4) }, { body: frames(2, 4) }]);
  assert.deepEqual(received, [1, 2, 3, 4].map((seq) => line(seq)));
  assert.deepEqual(lastEventIds.slice(0, 2), [undefined, '1']);
}));

test('a gap notice is delivered, and the stream continues after the gap', async () => {
  const gap = 'event: notice\ndata: {"type":"notice","code":"gap","data":{"after":99,"next":22}}\n\n';
  const { received, lastEventIds } = await followReplies([{ body: gap + frame(22) + frame(23, 'done') }], { lastEventId: '99', finalType: 'done' });
  assert.deepEqual(received, ['- notice {"type":"notice","code":"gap","data":{"after":99,"next":22}}', line(22), line(23, 'done')]);
  assert.deepEqual(lastEventIds, ['99']);
});

test('the final event ends the stream without another request', async () => {
  const { lastEventIds, states } = await followReplies([{ body: frame(1, 'done') }], { finalType: 'done' });
  assert.equal(lastEventIds.length, 1);
  assert.equal(states.at(-1)?.kind, 'ended');
});

test('a rejected request is reported and not retried', async () => {
  for (const status of [400, 401, 403, 404]) {
    const { lastEventIds, states } = await followReplies([{ status, body: '{"code":"not_found","detail":"nothing"}', headers: { 'Content-Type': 'application/problem+json' } }]);
    assert.equal(lastEventIds.length, 1);
    assert.deepEqual(states.at(-1), { kind: 'rejected', status, code: 'not_found', detail: 'nothing' });
  }
});

test('temporary failures are retried after the time given by the server', () => withInstantTimers(async () => {
  const { lastEventIds, states } = await followReplies([
    { status: 503 }, { status: 429, headers: { 'Retry-After': '7' } }, { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<h1>' }, { body: frame(1, 'done') },
  ], { finalType: 'done' });
  assert.equal(lastEventIds.length, 4);
  const waits = states.filter(({ kind }) => kind === 'reconnecting').map((state) => /** @type {any} */ (state).retryInMs);
  assert.equal(waits[1], 7000);
  assert.ok(waits[0] >= 250 && waits[0] <= 500, `${waits[0]}`);
}));

test('a hidden page has no connection and reconnects when it becomes visible', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
  Object.assign(globalThis, { document: page });
  try {
    /** @type {string[]} */
    const kinds = [];
    const following = followReplies([{ body: frame(1, 'done') }], {
      finalType: 'done', pauseWhenHidden: true,
      onState: ({ kind }) => {
        kinds.push(kind);
        if (kind !== 'paused') return;
        page.visibilityState = 'visible';
        setImmediate(() => page.dispatchEvent(new Event('visibilitychange')));
      },
    });
    const { lastEventIds } = await following;
    assert.deepEqual(kinds, ['paused', 'connecting', 'live', 'ended']);
    assert.equal(lastEventIds.length, 1);
  } finally {
    Reflect.deleteProperty(globalThis, 'document');
  }
});

test('the online event ends the wait', async () => {
  const events = new EventTarget();
  const [add, remove] = [globalThis.addEventListener, globalThis.removeEventListener];
  Object.assign(globalThis, { addEventListener: events.addEventListener.bind(events), removeEventListener: events.removeEventListener.bind(events) });
  try {
    const began = performance.now();
    const { lastEventIds } = await followReplies([{ status: 429, headers: { 'Retry-After': '60' } }, { body: frame(1, 'done') }], {
      finalType: 'done', onState: ({ kind }) => { if (kind === 'reconnecting') setImmediate(() => events.dispatchEvent(new Event('online'))); },
    });
    assert.equal(lastEventIds.length, 2);
    assert.ok(performance.now() - began < 30_000);
  } finally {
    Object.assign(globalThis, { addEventListener: add, removeEventListener: remove });
  }
});

test('an abort ends the wait', async () => {
  const abort = new AbortController();
  const { lastEventIds } = await followReplies([{ status: 503, headers: { 'Retry-After': '60' } }], {
    signal: abort.signal, onState: ({ kind }) => { if (kind === 'reconnecting') setImmediate(() => abort.abort()); },
  });
  assert.equal(lastEventIds.length, 1);
});

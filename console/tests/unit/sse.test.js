import assert from 'node:assert/strict';
import { test } from 'node:test';
import { follow } from '../../app/sse.js';

/** @typedef {{ status?: number, headers?: Record<string, string>, body?: string, chunks?: (string | Uint8Array)[] }} Answer */

/** Follows what a list of answers gives, one for each request; after the last there is 204.
 * @param {Answer[]} answers @param {Partial<import('../../app/sse.js').FollowOptions>} [options] */
async function followed(answers, options = {}) {
  /** @type {string[]} */
  const seen = [];
  /** @type {import('../../app/sse.js').StreamState[]} */
  const states = [];
  /** @type {(string | undefined)[]} */
  const asked = [];
  const fetch = /** @type {any} */ (async (/** @type {string} */ _path, /** @type {any} */ init) => {
    const headers = new Headers(init.headers);
    asked.push(headers.get('Last-Event-ID') ?? undefined);
    const { status = 200, headers: more, body, chunks = body === undefined ? [] : [body] } = answers[asked.length - 1] ?? { status: 204 };
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
    path: 'http://there/events', signal: new AbortController().signal, fetch, dense: true,
    onEvents: (frames) => seen.push(...frames.map(({ id, type, data }) => `${id ?? '-'} ${type} ${data}`)),
    onState: (state) => states.push(state), ...options,
  });
  return { seen, states, asked };
}

/** @param {number} seq */
const frame = (seq, type = 'token') => `id: ${seq}\nevent: ${type}\ndata: {"seq":${seq},"text":"grüße 漢 👋"}\n\n`;
/** @param {number} seq */
const line = (seq, type = 'token') => `${seq} ${type} {"seq":${seq},"text":"grüße 漢 👋"}`;
/** @param {number} from @param {number} to */
const frames = (from, to) => Array.from({ length: to - from + 1 }, (_, index) => frame(from + index)).join('');

/** No waiting: a timer of any length comes at once. */
async function hurried(/** @type {() => Promise<void>} */ body) {
  const { setTimeout: real } = globalThis;
  globalThis.setTimeout = /** @type {any} */ ((/** @type {() => void} */ callback) => real(callback, 0));
  try {
    await body();
  } finally {
    globalThis.setTimeout = real;
  }
}

test('frames that are cut anywhere, even within a letter, come whole and once', async () => {
  for (const text of [frame(1) + frame(2, 'done'), (frame(1) + frame(2, 'done')).replaceAll('\n', '\r\n'), `: still here\n\n${frame(1)}:\n\n${frame(2, 'done')}`]) {
    const bytes = new TextEncoder().encode(text);
    for (let at = 1; at < bytes.length; at++) {
      const { seen } = await followed([{ chunks: [bytes.slice(0, at), bytes.slice(at)] }], { last: 'done' });
      assert.deepEqual(seen, [line(1), line(2, 'done')], `cut at ${at}`);
    }
  }
});

test('a stream that breaks goes on after the last event', () => hurried(async () => {
  const { seen, asked, states } = await followed([{ body: frames(1, 3) }, { body: frames(4, 5) }]);
  assert.deepEqual(seen, [1, 2, 3, 4, 5].map((seq) => line(seq)));
  assert.deepEqual(asked, [undefined, '3', '5']);
  assert.deepEqual(states.map(({ kind }) => kind), ['connecting', 'live', 'waiting', 'connecting', 'live', 'waiting', 'connecting', 'ended']);
}));

test('half a frame at a break is not taken for a frame', () => hurried(async () => {
  const { seen, asked } = await followed([{ body: `${frame(1)}id: 2\nevent: token\ndata: {"seq":2` }, { body: frame(2) }]);
  assert.deepEqual(seen, [line(1), line(2)]);
  assert.deepEqual(asked, [undefined, '1', '2']);
}));

test('an event that comes twice is dropped', async () => {
  const { seen } = await followed([{ body: frame(1) + frame(1) + frame(2) + frame(1) + frame(3, 'done') }], { last: 'done' });
  assert.deepEqual(seen, [line(1), line(2), line(3, 'done')]);
});

test('where events are missing they are asked for again', () => hurried(async () => {
  const { seen, asked } = await followed([{ body: frame(1) + frame(3) + frame(4) }, { body: frames(2, 4) }]);
  assert.deepEqual(seen, [1, 2, 3, 4].map((seq) => line(seq)));
  assert.deepEqual(asked.slice(0, 2), [undefined, '1']);
}));

test('a gap that the server tells of is passed on, and the numbers go on after it', async () => {
  const gap = 'event: notice\ndata: {"type":"notice","code":"gap","data":{"after":99,"next":22}}\n\n';
  const { seen, asked } = await followed([{ body: gap + frame(22) + frame(23, 'done') }], { lastEventId: '99', last: 'done' });
  assert.deepEqual(seen, ['- notice {"type":"notice","code":"gap","data":{"after":99,"next":22}}', line(22), line(23, 'done')]);
  assert.deepEqual(asked, ['99']);
});

test('the last event ends it without another request', async () => {
  const { asked, states } = await followed([{ body: frame(1, 'done') }], { last: 'done' });
  assert.equal(asked.length, 1);
  assert.equal(states.at(-1)?.kind, 'ended');
});

test('what was refused is told and not tried again', async () => {
  for (const status of [400, 401, 403, 404]) {
    const { asked, states } = await followed([{ status, body: '{"code":"not_found","detail":"nothing"}', headers: { 'Content-Type': 'application/problem+json' } }]);
    assert.equal(asked.length, 1);
    assert.deepEqual(states.at(-1), { kind: 'refused', status, code: 'not_found', detail: 'nothing' });
  }
});

test('what passes is tried again, after as long as the server says', () => hurried(async () => {
  const { asked, states } = await followed([
    { status: 503 }, { status: 429, headers: { 'Retry-After': '7' } }, { status: 200, headers: { 'Content-Type': 'text/html' }, body: '<h1>' }, { body: frame(1, 'done') },
  ], { last: 'done' });
  assert.equal(asked.length, 4);
  const waits = states.filter(({ kind }) => kind === 'waiting').map((state) => /** @type {any} */ (state).retryInMs);
  assert.equal(waits[1], 7000);
  assert.ok(waits[0] >= 250 && waits[0] <= 500, `${waits[0]}`);
}));

test('while the page is hidden no connection is held, and it goes on when it is seen again', async () => {
  const page = Object.assign(new EventTarget(), { visibilityState: 'hidden' });
  Object.assign(globalThis, { document: page });
  try {
    /** @type {string[]} */
    const kinds = [];
    const over = followed([{ body: frame(1, 'done') }], {
      last: 'done', onlyVisible: true,
      onState: ({ kind }) => {
        kinds.push(kind);
        if (kind !== 'paused') return;
        page.visibilityState = 'visible';
        setImmediate(() => page.dispatchEvent(new Event('visibilitychange')));
      },
    });
    const { asked } = await over;
    assert.deepEqual(kinds, ['paused', 'connecting', 'live', 'ended']);
    assert.equal(asked.length, 1);
  } finally {
    Reflect.deleteProperty(globalThis, 'document');
  }
});

test('going online again ends the wait', async () => {
  const events = new EventTarget();
  const [add, remove] = [globalThis.addEventListener, globalThis.removeEventListener];
  Object.assign(globalThis, { addEventListener: events.addEventListener.bind(events), removeEventListener: events.removeEventListener.bind(events) });
  try {
    const began = performance.now();
    const { asked } = await followed([{ status: 429, headers: { 'Retry-After': '60' } }, { body: frame(1, 'done') }], {
      last: 'done', onState: ({ kind }) => { if (kind === 'waiting') setImmediate(() => events.dispatchEvent(new Event('online'))); },
    });
    assert.equal(asked.length, 2);
    assert.ok(performance.now() - began < 30_000);
  } finally {
    Object.assign(globalThis, { addEventListener: add, removeEventListener: remove });
  }
});

test('an abort ends it while it waits', async () => {
  const over = new AbortController();
  const { asked } = await followed([{ status: 503, headers: { 'Retry-After': '60' } }], {
    signal: over.signal, onState: ({ kind }) => { if (kind === 'waiting') setImmediate(() => over.abort()); },
  });
  assert.equal(asked.length, 1);
});

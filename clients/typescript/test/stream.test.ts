/** The follower against a server that violates the protocol. */

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  ApiConnectionError,
  ApiError,
  AuthenticationError,
  Client,
  LogTruncatedError,
  NotFoundError,
  PermissionDeniedError,
  StreamError,
} from "../src/index.js";
import { RetryState } from "../src/retry.js";
import { collect, frame, HOLD, problem, RETRY, ScriptedServer, stream } from "./support.js";

const DONE = frame(3, "done");
const IDLE = ": keep-alive\n\n\n\nevent: token\n\n";

/** Follows a run through these responses; returns the sequence numbers read and each request's `Last-Event-ID`. */
async function read(responses: string[], options: { after?: number; retryTimeoutMs?: number } = {}): Promise<[number[], string[]]> {
  const server = await ScriptedServer.started(...responses);
  try {
    const events = await collect(new Client(server.url, { retry: RETRY, streamTimeoutMs: 200 }), "run_1", options);
    return [events.map((event) => event.seq), server.lastEventIds];
  } finally {
    server.close();
  }
}

const recoverable: [string, string[], string[]][] = [
  ["duplicate events are dropped", [stream(frame(1), frame(1), frame(2), frame(1)), stream(frame(2), DONE)], ["0", "2"]],
  ["a missing event is requested again", [stream(frame(1), DONE), stream(frame(2), DONE)], ["0", "1"]],
  ["comments and empty frames are ignored", [stream(IDLE, frame(1), IDLE, frame(2), IDLE, DONE)], ["0"]],
  ["following ends at done", [stream(frame(1), frame(2), DONE, frame(4)) + HOLD], ["0"]],
  ["a silent connection is replaced", [stream(frame(1), frame(2)) + HOLD, HOLD, stream(DONE)], ["0", "2", "2"]],
  [
    "an overloaded server is retried",
    [problem(503, "overloaded"), problem(429, "too_many_requests", "Retry-After: 0"), problem(502, "x"), stream(frame(1), frame(2), DONE)],
    ["0", "0", "0", "0"],
  ],
];
for (const [name, responses, lastEventIds] of recoverable) {
  test(name, async () => {
    assert.deepEqual(await read(responses), [[1, 2, 3], lastEventIds]);
  });
}

const invalid = [
  DONE,
  "id: 2\nevent: token\ndata: {\n\n",
  "id: 2\nevent: token\ndata: 7\n\n",
  'id: 2\nevent: token\ndata: {"seq":2}\n\n',
  'id: 3\nevent: token\ndata: {"seq":2,"type":"token"}\n\n',
  'event: notice\ndata: {"type":"notice","code":"gap"}\n\n',
  'event: token\ndata: {"seq":2,"type":"token"}\n\n',
  'id: 2\nevent: token\ndata: {"seq":"2","type":"token"}\n\n',
];
test("an invalid frame is requested again once", async () => {
  for (const bytes of invalid) {
    assert.deepEqual(await read([stream(frame(1), bytes), stream(frame(2), DONE)]), [[1, 2, 3], ["0", "1"]], bytes);
    await assert.rejects(read([stream(frame(1), bytes), stream(bytes)]), StreamError, bytes);
  }
});

test("following a log that was fully read yields nothing", async () => {
  assert.deepEqual(await read(["HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"], { after: 3 }), [[], ["3"]]);
});

test("a log shorter than what was read throws LogTruncatedError", async () => {
  const gap = 'event: notice\ndata: {"type":"notice","level":"warning","code":"gap","message":"it ends at 1","data":{"after":2,"next":2}}\n\n';
  await assert.rejects(read([stream(frame(1), frame(2)), stream(gap, frame(2))]), LogTruncatedError);
});

test("reading can continue after the truncated part of a log", async () => {
  const gap = 'event: notice\ndata: {"type":"notice","level":"warning","code":"gap","message":"cut","data":{"after":0,"next":2}}\n\n';
  await assert.rejects(read([stream(gap, frame(2), DONE)]), (error) => error instanceof LogTruncatedError && error.nextSeq === 2);
  assert.deepEqual(await read([stream(frame(2), DONE)], { after: 1 }), [[2, 3], ["1"]]);
});

test("a response that is not an event stream throws StreamError", async () => {
  const page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>";
  await assert.rejects(read([page, page]), StreamError);
});

test("Retry-After is respected", async () => {
  const started = performance.now();
  await read([problem(503, "overloaded", "Retry-After: 1"), stream(frame(1), frame(2), DONE)]);
  assert.ok(performance.now() - started >= 1000);
});

test("a permanent error is thrown immediately", async () => {
  const kinds = [[401, AuthenticationError], [403, PermissionDeniedError], [404, NotFoundError], [422, ApiError]] as const;
  for (const [status, kind] of kinds) {
    await assert.rejects(read([stream(frame(1)), problem(status, "some_code")]), (error) => {
      assert.ok(error instanceof kind);
      assert.deepEqual([error.status, error.code, error.detail], [status, "some_code", "in a test"]);
      assert.deepEqual(error.errors, [{ field: "metadata.cwd", code: "invalid", detail: "must be absolute" }]);
      assert.equal(error.message, `${status} some_code: in a test (metadata.cwd)`);
      return true;
    });
  }
});

test("retrying stops after the retry timeout", async () => {
  const closed = await ScriptedServer.started();
  closed.close();
  await assert.rejects(collect(new Client(closed.url, { retry: RETRY }), "run_1", { retryTimeoutMs: 300 }), ApiConnectionError);
  await assert.rejects(read(Array<string>(99).fill(problem(503, "overloaded")), { retryTimeoutMs: 300 }), { code: "overloaded" });
});

test("the delay between attempts has an upper bound", async () => {
  const state = new RetryState({ initialDelayMs: 1, maxDelayMs: 4, timeoutMs: 10_000 });
  const started = performance.now();
  for (let attempt = 0; attempt < 40; attempt += 1) await state.wait(new ApiConnectionError("in a test"));
  assert.ok(performance.now() - started < 2000);
});

test("frames do not depend on how bytes are split", async () => {
  const event = { seq: 1, ts: "2026-11-22T13:05:00.123Z", type: "token", content: "ß\u2028🦀" };
  const whole = new TextEncoder().encode(`: keep-alive\n\nid: 1\nevent: token\ndata: ${JSON.stringify(event)}\n\n${frame(2, "done")}`);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        controller.enqueue(whole.slice(0, cut));
        controller.enqueue(whole.slice(cut));
        controller.close();
      },
    });
    const fetch = async () => new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    const events = await collect(new Client("http://127.0.0.1", { fetch }), "run_1");
    assert.deepEqual(events.map(({ seq }) => seq), [1, 2]);
    assert.deepEqual(events[0], event);
  }
});

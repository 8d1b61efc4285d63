/** The follower against a server that says what a good one never would. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { ApiError, BrokenStream, Client, ConnectionLost, Forbidden, LogLost, NotFound, Unauthorized } from "../src/index.js";
import { Attempts } from "../src/retry.js";
import { followed, frame, HOLD, refusal, RETRY, Scripted, stream } from "./support.js";

const DONE = frame(3, "done");
const IDLE = ": keep-alive\n\n\n\nevent: token\n\n";

/** What a reader gets of these answers, and what it asked for. */
async function read(answers: string[], options: { after?: number; giveUpAfterMs?: number } = {}): Promise<[number[], string[]]> {
  const server = await Scripted.started(...answers);
  try {
    const events = await followed(new Client(server.url, { retry: RETRY, quietMs: 200 }), "run_1", options);
    return [events.map((event) => event.seq), server.lastEventIds];
  } finally {
    server.close();
  }
}

const good: [string, string[], string[]][] = [
  ["what comes twice is given once", [stream(frame(1), frame(1), frame(2), frame(1)), stream(frame(2), DONE)], ["0", "2"]],
  ["a hole is asked for again", [stream(frame(1), DONE), stream(frame(2), DONE)], ["0", "1"]],
  ["comments and empty frames are nothing", [stream(IDLE, frame(1), IDLE, frame(2), IDLE, DONE)], ["0"]],
  ["nothing comes after done", [stream(frame(1), frame(2), DONE, frame(4)) + HOLD], ["0"]],
  ["a connection on which nothing comes is made anew", [stream(frame(1), frame(2)) + HOLD, HOLD, stream(DONE)], ["0", "2", "2"]],
  [
    "a server that is busy is asked again",
    [refusal(503, "overloaded"), refusal(429, "too_many_requests", "Retry-After: 0"), refusal(502, "x"), stream(frame(1), frame(2), DONE)],
    ["0", "0", "0", "0"],
  ],
];
for (const [name, answers, asked] of good) {
  test(name, async () => {
    assert.deepEqual(await read(answers), [[1, 2, 3], asked]);
  });
}

const bad = [
  DONE,
  "id: 2\nevent: token\ndata: {\n\n",
  "id: 2\nevent: token\ndata: 7\n\n",
  'id: 2\nevent: token\ndata: {"seq":2}\n\n',
  'id: 3\nevent: token\ndata: {"seq":2,"type":"token"}\n\n',
  'event: token\ndata: {"seq":2,"type":"token"}\n\n',
  'id: 2\nevent: token\ndata: {"seq":"2","type":"token"}\n\n',
];
test("a bad frame is asked for again once", async () => {
  for (const one of bad) {
    assert.deepEqual(await read([stream(frame(1), one), stream(frame(2), DONE)]), [[1, 2, 3], ["0", "1"]], one);
    await assert.rejects(read([stream(frame(1), one), stream(one)]), BrokenStream, one);
  }
});

test("a log that was read before is no error", async () => {
  assert.deepEqual(await read(["HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"], { after: 3 }), [[], ["3"]]);
});

test("a log that is shorter than what was read is not read on", async () => {
  const gap = 'event: notice\ndata: {"type":"notice","level":"warning","code":"gap","message":"it ends at 1","data":{"after":2,"next":2}}\n\n';
  await assert.rejects(read([stream(frame(1), frame(2)), stream(gap, frame(2))]), LogLost);
});

test("what is no stream is no stream however often it comes", async () => {
  const page = "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>";
  await assert.rejects(read([page, page]), BrokenStream);
});

test("a server that is busy is given the time it asks for", async () => {
  const began = performance.now();
  await read([refusal(503, "overloaded", "Retry-After: 1"), stream(frame(1), frame(2), DONE)]);
  assert.ok(performance.now() - began >= 1000);
});

test("a refusal that will not pass is thrown at once", async () => {
  for (const [status, kind] of [[401, Unauthorized], [403, Forbidden], [404, NotFound], [422, ApiError]] as const) {
    await assert.rejects(read([stream(frame(1)), refusal(status, "some_code")]), (error) => {
      assert.ok(error instanceof kind);
      assert.deepEqual([error.status, error.code, error.detail], [status, "some_code", "in a test"]);
      return true;
    });
  }
});

test("it gives up if it is told to", async () => {
  const gone = await Scripted.started();
  gone.close();
  await assert.rejects(followed(new Client(gone.url, { retry: RETRY }), "run_1", { giveUpAfterMs: 300 }), ConnectionLost);
  await assert.rejects(read(Array<string>(99).fill(refusal(503, "overloaded")), { giveUpAfterMs: 300 }), { code: "overloaded" });
});

test("a pause is bounded, and grows no further", async () => {
  const attempts = new Attempts({ firstMs: 1, longestMs: 4, giveUpAfterMs: 10_000 });
  const began = performance.now();
  for (let times = 0; times < 40; times += 1) await attempts.pause(new ConnectionLost("in a test"));
  assert.ok(performance.now() - began < 2000);
});

test("frames are the same wherever their bytes are cut", async () => {
  const event = { seq: 1, ts: "2026-11-22T13:05:00.123Z", type: "token", content: "ß\u2028🦀" };
  const whole = new TextEncoder().encode(`: keep-alive\n\nid: 1\nevent: token\ndata: ${JSON.stringify(event)}\n\n${frame(2, "done")}`);
  for (let cut = 0; cut <= whole.length; cut += 1) {
    const body = new ReadableStream<Uint8Array>({
      start(pieces) {
        pieces.enqueue(whole.slice(0, cut));
        pieces.enqueue(whole.slice(cut));
        pieces.close();
      },
    });
    const fetch = async () => new Response(body, { headers: { "Content-Type": "text/event-stream" } });
    const events = await followed(new Client("http://127.0.0.1", { fetch }), "run_1");
    assert.deepEqual(events.map(({ seq }) => seq), [1, 2]);
    assert.deepEqual(events[0], event);
  }
});

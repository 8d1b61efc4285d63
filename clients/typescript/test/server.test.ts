/** The client against the real server: a reader gets the same events as the server's own replay, also over broken connections. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import {
  ApiConnectionError,
  ApiError,
  AuthenticationError,
  Client,
  type Event,
  LogTruncatedError,
  NotFoundError,
  PermissionDeniedError,
  unwrap,
} from "../src/index.js";
import { collect, CuttingProxy, randomLengths, Server } from "./support.js";

let server: Server;
let runId: string;
let replay: Event[];

before(async () => {
  server = await Server.started();
  const run = await (await server.client()).run("lines=1500", { agent_type: "counter" });
  assert.equal((await run.result()).result, "1500 lines");
  runId = run.runId;
  replay = await server.replay(runId);
});

after(async () => {
  await server.close();
});

test("a late reader gets every event once", async () => {
  assert.deepEqual(await collect(await server.client(), runId), replay);
  assert.ok(replay.length > 1500);
});

test("following resumes after the given event", async () => {
  const client = await server.client();
  assert.deepEqual(await collect(client, runId, { after: 700 }), replay.slice(700));
  assert.deepEqual(await collect(client, runId, { after: replay.length }), []);
  await assert.rejects(collect(client, runId, { after: replay.length + 1 }), LogTruncatedError);
});

for (const seed of [1, 2, 3]) {
  test(`connections cut at any byte lose and repeat no event (seed ${seed})`, async () => {
    const proxy = await CuttingProxy.started(server.port, randomLengths(seed, 6000));
    const client = await server.client(proxy.url, { retry: { initialDelayMs: 1, maxDelayMs: 10 } });
    assert.deepEqual(await collect(client, runId), replay);
    proxy.close();
    assert.ok(proxy.cuts > 150, `${proxy.cuts} cuts`);
  });
}

test("killing the server twice during a run loses and repeats no event", async () => {
  const own = await Server.started();
  const run = await (await own.client()).run("lines=600 pause_ms=5", { agent_type: "counter" });
  const events: Event[] = [];
  for await (const event of run.events()) {
    events.push(event);
    if (event.seq === 50 || event.seq === 250) {
      await own.kill();
      // The delay makes the client's first reconnects fail.
      setTimeout(() => void own.start(), 300);
    }
  }
  assert.equal((await run.result()).status, "completed");
  assert.deepEqual(events, await own.replay(run.runId));
  assert.equal(events.filter((event) => event.type === "done").length, 1);
  await own.close();
});

test("a run is created once although its response was lost", async () => {
  const lengths = [0, 1, 100];
  const proxy = await CuttingProxy.started(server.port, () => lengths.shift() ?? Infinity);
  const client = await server.client(proxy.url);
  const run = await client.run("hello", { agent_type: "demo", labels: { test: "once" } });
  const created = await unwrap(client.api.GET("/api/runs", { params: { query: { label: "test=once" } } }));
  proxy.close();
  assert.deepEqual(created.items.map((item) => item.run_id), [run.runId]);
  assert.equal(proxy.cuts, 3);
});

test("a request without an idempotency key is not retried", async () => {
  const proxy = await CuttingProxy.started(server.port, () => 0);
  const client = await server.client(proxy.url);
  await assert.rejects(client.api.POST("/api/keys", { body: { name: "ci", scopes: ["runs:read"] } }), ApiConnectionError);
  proxy.close();
  assert.equal(proxy.cuts, 1);
});

test("error responses throw typed errors", async () => {
  await assert.rejects(collect(new Client(server.url), runId), AuthenticationError);
  const client = await server.client();
  await assert.rejects(collect(client, `run_${"0".repeat(32)}`), NotFoundError);
  await assert.rejects(client.run("hello", { agent_type: "unknown" }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code], [422, "unknown_agent"]);
    assert.deepEqual(error.errors.map(({ field }) => field), ["metadata.agent_type"]);
    assert.equal(error.name, "ApiError");
    return true;
  });
  const other = await Client.login(server.url, "user", "user");
  await assert.rejects(other.api.GET("/api/runs/{id}", { params: { path: { id: runId } } }), NotFoundError);
  await assert.rejects(other.api.GET("/api/users"), PermissionDeniedError);
});

test("a handle answers requests, sends messages and cancels", async () => {
  const client = await server.client();
  const run = await client.run("create hello.py", { agent_type: "demo", permission_mode: "ask" });
  const types = new Set<string>();
  for await (const event of run.events()) {
    types.add(event.type);
    if (event.type !== "permission_request") continue;
    // The type narrows the event for the compiler.
    const answer = await run.answer(event.id, { decision: "deny", message: "not now" });
    assert.equal(answer.by, "user");
  }
  assert.ok(types.has("permission_resolved"));
  const waiting = await client.run("create hello.py", { agent_type: "demo", permission_mode: "ask" });
  await waiting.send("and a test");
  await waiting.cancel();
  assert.equal((await waiting.result()).status, "cancelled");
  await assert.rejects(waiting.send("and a test"), { code: "run_ended" });
});

test("a handle lists what its run has changed", async () => {
  const client = await server.client();
  const run = await client.run("create hello.py", { agent_type: "demo" });
  await run.result();
  const changes = await run.changes();
  assert.deepEqual(changes.items.map((file) => [file.path, file.status]), [["hello.py", "added"]]);
});

test("an uploaded file is a part of a prompt", async () => {
  const client = await server.client();
  const uploaded = await client.upload("a b.txt", "notes");
  assert.deepEqual([uploaded.name, uploaded.type, uploaded.size], ["a b.txt", "file", 5]);
  const input = { text: "read", parts: [{ type: "file" as const, file_id: uploaded.file_id }] };
  // This agent takes no files, which is said of the part, not of the upload.
  await assert.rejects(unwrap(client.api.POST("/api/runs", { body: { input, metadata: { agent_type: "demo" } } })), /takes no files/);
  await unwrap(client.api.DELETE("/api/files/{id}", { params: { path: { id: uploaded.file_id } } }));
});

test("a handle reads and writes the files of its run and reverts them", async () => {
  const client = await server.client();
  const run = await client.run("create hello.py", { agent_type: "demo" });
  await run.result();
  assert.deepEqual((await run.files.list()).map((file) => file.path), ["hello.py"]);
  assert.equal((await run.files.write("notes/a b.txt", new Uint8Array([0, 1, 2]))).size, 3);
  assert.deepEqual([...(await run.files.read("notes/a b.txt"))], [0, 1, 2]);
  assert.deepEqual([...(await run.files.archive({ changed: true })).subarray(0, 2)], [0x1f, 0x8b]);
  const done = await run.revert({ turn: 0 });
  assert.equal(done.files, 2);
  assert.deepEqual(await run.files.list(), []);
  assert.ok((await run.files.read("hello.py", { turn: 1 })).length > 0);
  await run.revert({ snapshot: done.undo, paths: ["notes"] });
  assert.equal((await run.files.read("notes/a b.txt")).length, 3);
  await assert.rejects(run.files.read("hello.py"), { code: "not_found" });
});

test("a reader that stops early closes its connection but not the run", async () => {
  const client = await server.client();
  const run = await client.run("create hello.py", { agent_type: "demo", permission_mode: "ask" });
  for await (const event of run.events()) if (event.type === "permission_request") break;
  const controller = new AbortController();
  await assert.rejects(async () => {
    for await (const event of run.events({ signal: controller.signal })) {
      if (event.type === "permission_request") controller.abort(new Error("enough"));
    }
  }, /enough/);
  const current = await unwrap(client.api.GET("/api/runs/{id}", { params: { path: { id: run.runId } } }));
  assert.equal(current.status, "waiting");
  await run.cancel();
});

/** The client against the real server: whatever happens on the way, a reader gets what the server's own replay has. */

import assert from "node:assert/strict";
import { after, before, test } from "node:test";

import { ApiError, Client, ConnectionLost, data, type Event, Forbidden, LogLost, NotFound, Unauthorized } from "../src/index.js";
import { Cutter, followed, lengths, Server } from "./support.js";

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
  assert.deepEqual(await followed(await server.client(), runId), replay);
  assert.ok(replay.length > 1500);
});

test("a reader that knows some gets the rest, and one that knows all gets nothing", async () => {
  const client = await server.client();
  assert.deepEqual(await followed(client, runId, { after: 700 }), replay.slice(700));
  assert.deepEqual(await followed(client, runId, { after: replay.length }), []);
  await assert.rejects(followed(client, runId, { after: replay.length + 1 }), LogLost);
});

for (const seed of [1, 2, 3]) {
  test(`connections that break at any byte lose and double nothing (${seed})`, async () => {
    const proxy = await Cutter.started(server.port, lengths(seed, 6000));
    const client = await server.client(proxy.url, { retry: { firstMs: 1, longestMs: 10 } });
    assert.deepEqual(await followed(client, runId), replay);
    proxy.close();
    assert.ok(proxy.cuts > 150, `${proxy.cuts} cuts`);
  });
}

test("a server that is killed twice in the middle of a run loses and doubles nothing", async () => {
  const own = await Server.started();
  const run = await (await own.client()).run("lines=600 pause_ms=5", { agent_type: "counter" });
  const events: Event[] = [];
  for await (const event of run.events()) {
    events.push(event);
    if (event.seq === 50 || event.seq === 250) {
      await own.kill();
      // Later than the reader comes back, which finds nobody there.
      setTimeout(() => void own.start(), 300);
    }
  }
  assert.equal((await run.result()).status, "completed");
  assert.deepEqual(events, await own.replay(run.runId));
  assert.equal(events.filter((event) => event.type === "done").length, 1);
  await own.close();
});

test("a run whose answer was lost is made once", async () => {
  const breaking = [0, 1, 100];
  const proxy = await Cutter.started(server.port, () => breaking.shift() ?? Infinity);
  const client = await server.client(proxy.url);
  const run = await client.run("hello", { agent_type: "demo", labels: { test: "once" } });
  const made = await data(client.api.GET("/api/runs", { params: { query: { label: "test=once" } } }));
  proxy.close();
  assert.deepEqual(made.items.map((one) => one.run_id), [run.runId]);
  assert.equal(proxy.cuts, 3);
});

test("a call that may not be repeated is made once", async () => {
  const proxy = await Cutter.started(server.port, () => 0);
  const client = await server.client(proxy.url);
  await assert.rejects(client.api.POST("/api/keys", { body: { name: "ci", scopes: ["runs:read"] } }), ConnectionLost);
  proxy.close();
  assert.equal(proxy.cuts, 1);
});

test("refusals come as typed errors", async () => {
  await assert.rejects(followed(new Client(server.url), runId), Unauthorized);
  const client = await server.client();
  await assert.rejects(followed(client, `run_${"0".repeat(32)}`), NotFound);
  await assert.rejects(client.run("hello", { agent_type: "nobody" }), (error) => {
    assert.ok(error instanceof ApiError);
    assert.deepEqual([error.status, error.code, error.field], [422, "unknown_agent", "metadata.agent_type"]);
    assert.equal(error.name, "ApiError");
    return true;
  });
  const other = await Client.login(server.url, "user", "user");
  await assert.rejects(other.api.GET("/api/runs/{id}", { params: { path: { id: runId } } }), NotFound);
  await assert.rejects(other.api.GET("/api/users"), Forbidden);
});

test("a run can be asked, answered and ended", async () => {
  const client = await server.client();
  const run = await client.run("create hello.py", { agent_type: "demo", permission_mode: "ask" });
  const seen = new Set<string>();
  for await (const event of run.events()) {
    seen.add(event.type);
    if (event.type !== "permission_request") continue;
    // The type tells which fields there are.
    const answer = await run.answer(event.id, { decision: "deny", message: "not now" });
    assert.equal(answer.by, "user");
  }
  assert.ok(seen.has("permission_resolved"));
  const waiting = await client.run("create hello.py", { agent_type: "demo", permission_mode: "ask" });
  await assert.rejects(waiting.send("and a test"), { code: "messages_not_supported" });
  await waiting.cancel();
  assert.equal((await waiting.result()).status, "cancelled");
});

test("a reader that leaves closes its connection and ends nothing", async () => {
  const client = await server.client();
  const run = await client.run("create hello.py", { agent_type: "demo", permission_mode: "ask" });
  for await (const event of run.events()) if (event.type === "permission_request") break;
  const leaving = new AbortController();
  await assert.rejects(async () => {
    for await (const event of run.events({ signal: leaving.signal })) {
      if (event.type === "permission_request") leaving.abort(new Error("enough"));
    }
  }, /enough/);
  const read = await data(client.api.GET("/api/runs/{id}", { params: { path: { id: run.runId } } }));
  assert.equal(read.status, "waiting");
  await run.cancel();
});

/** Runs the JavaScript examples of docs/events.md as written. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import type { Event } from "../src/index.js";
import { ROOT, Server } from "./support.js";

const examples = [...readFileSync(join(ROOT, "docs/events.md"), "utf8").matchAll(/^```js\n(.*?)^```$/gms)].map((match) => match[1]!);

/** The exports of an example, which defines `name`. */
async function example(name: string): Promise<(server: string, run: string, token: string) => unknown> {
  const code = examples.find((code) => code.includes(` ${name}(server`))!;
  return (await import(`data:text/javascript,${encodeURIComponent(`${code}\nexport { ${name} };`)}`))[name];
}

/** The part of a browser's EventSource that the example uses. Node.js has none by default. */
class EventSourceStandIn {
  static readonly CLOSED = 2;
  readyState = 0;
  readonly #listeners = new Map<string, (message: { data: string; lastEventId: string }) => void>();

  constructor(url: string) {
    void this.#read(url);
  }

  addEventListener(type: string, listener: (message: { data: string; lastEventId: string }) => void): void {
    this.#listeners.set(type, listener);
  }

  close(): void {
    this.readyState = EventSourceStandIn.CLOSED;
  }

  async #read(url: string): Promise<void> {
    const response = await fetch(url);
    assert.equal(response.headers.get("content-type"), "text/event-stream; charset=utf-8");
    for (const frame of (await response.text()).split("\n\n")) {
      const field = (name: string) => frame.split("\n").find((line) => line.startsWith(`${name}: `))?.slice(name.length + 2) ?? "";
      this.#listeners.get(field("event"))?.({ data: field("data"), lastEventId: field("id") });
    }
  }
}

test("the example with fetch reads all events", async () => {
  const server = await Server.started();
  const client = await server.client();
  const run = await client.run("\u2028 and \u0085", { agent_type: "demo" });
  const events = (await example("events")) as (server: string, run: string, token: string) => AsyncGenerator<Event>;
  const read: Event[] = [];
  for await (const event of events(server.url, run.runId, client.token!)) read.push(event);
  assert.deepEqual(read, await server.replay(run.runId));
  assert.equal(read.at(-1)?.type, "done");
  await server.close();
});

test("the example with EventSource shows the text and the status", async () => {
  const server = await Server.started();
  const client = await server.client();
  const run = await client.run("hello", { agent_type: "demo" });
  const shown: string[] = [];
  const [log, EventSourceOfNode] = [console.log, Reflect.get(globalThis, "EventSource")];
  const ended = new Promise<void>((resolve) => {
    console.log = (text: string) => {
      shown.push(text);
      if (text === "completed") resolve();
    };
  });
  Reflect.set(globalThis, "EventSource", EventSourceStandIn);
  try {
    await (await example("follow"))(server.url, run.runId, client.token!);
    await ended;
  } finally {
    console.log = log;
    Reflect.set(globalThis, "EventSource", EventSourceOfNode);
  }
  const tokens = (await server.replay(run.runId)).flatMap((event) => (event.type === "token" ? [event.content] : []));
  assert.deepEqual(shown, [...tokens, "completed"]);
  await server.close();
});

/** Test support: a real server, a proxy that cuts connections, and a server with scripted responses. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Client, type ClientOptions, type Event, type FollowOptions } from "../src/index.js";

/** The repository; the tests run in a copy of this package outside of it. */
export const ROOT = process.env.OPENRUNNER_REPOSITORY ?? join(process.cwd(), "../../..");
const PROGRAM = process.env.OPENRUNNER_PROGRAM ?? join(ROOT, "target/debug/openrunner");
const CONFIG = `
[agents.counter]
protocol = "jsonl"
command = ["python3", "${join(ROOT, "clients/tests/counter.py")}"]

[agents.counter.fields]
message = { at = "/text", if = { "/type" = "delta" } }
result = { at = "/text", if = { "/type" = "end" } }
`;
/** Short delays, so that tests do not wait for the backoff. */
export const RETRY = { initialDelayMs: 10, maxDelayMs: 200 };

async function listen(server: NetServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** An OpenRunner server. It keeps its directory and its port across restarts. */
export class Server {
  readonly directory = mkdtempSync(join(tmpdir(), "openrunner-"));
  port = 0;
  process!: ChildProcess;

  static async started(): Promise<Server> {
    const server = new Server();
    mkdirSync(join(server.directory, "data"), { mode: 0o700 });
    mkdirSync(join(server.directory, "home"));
    writeFileSync(join(server.directory, "data/openrunner.toml"), CONFIG);
    const listener = createServer();
    server.port = await listen(listener);
    listener.close();
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const env = {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: join(this.directory, "home"),
      OPENRUNNER_ADDR: `127.0.0.1:${this.port}`,
      OPENRUNNER_DATA_DIR: join(this.directory, "data"),
      OPENRUNNER_AGENTS_DIR: join(this.directory, "agents"),
      OPENRUNNER_MAX_RUNS: "8",
    };
    this.process = spawn(PROGRAM, ["serve"], { env, stdio: ["ignore", "ignore", "pipe"] });
    const lines = createInterface(this.process.stderr!);
    await new Promise<void>((resolve, reject) => {
      lines.on("line", (line) => {
        if (line.includes("openrunner is ready")) resolve();
      });
      lines.on("close", () => reject(new Error("the server did not start")));
    });
  }

  /** Kills the server without warning, like a power failure. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }

  async close(): Promise<void> {
    // SIGINT, like Ctrl-C, also ends the server's runs.
    this.process.kill("SIGINT");
    await once(this.process, "exit");
    rmSync(this.directory, { recursive: true, force: true });
  }

  async client(url = this.url, options: ClientOptions = {}): Promise<Client> {
    const { token } = await Client.login(this.url, "admin", "admin");
    return new Client(url, { retry: RETRY, token: token!, ...options });
  }

  /** Reads the run's events as NDJSON, without the client. */
  async replay(runId: string): Promise<Event[]> {
    const { token } = await Client.login(this.url, "admin", "admin");
    const headers = { Authorization: `Bearer ${token}`, Accept: "application/x-ndjson" };
    const text = await (await fetch(`${this.url}/api/runs/${runId}/events`, { headers })).text();
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Event);
  }
}

/** Returns the events of a run as an array. */
export async function collect(client: Client, runId: string, options: FollowOptions = {}): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of client.follow(runId, options)) events.push(event);
  return events;
}

/** A proxy that breaks each connection after forwarding as many response bytes as `lengths` returns. */
export class CuttingProxy {
  cuts = 0;
  url = "";
  readonly #server: NetServer;

  private constructor(port: number, lengths: () => number) {
    this.#server = createServer((client) => this.#forward(client, port, lengths()));
  }

  static async started(port: number, lengths: () => number): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(port, lengths);
    proxy.url = `http://127.0.0.1:${await listen(proxy.#server)}`;
    return proxy;
  }

  #forward(client: Socket, port: number, left: number): void {
    const server = connect(port, "127.0.0.1");
    const close = () => (client.destroy(), server.destroy());
    for (const socket of [client, server]) socket.on("error", close).on("close", close);
    client.on("data", (request) => server.write(request));
    // A response proves that the request was carried out, even if none of it is forwarded.
    server.on("data", (response) => {
      if (client.destroyed) return;
      const forwarded = response.subarray(0, left);
      left -= response.length;
      if (left > 0) {
        client.write(forwarded);
        return;
      }
      this.cuts += 1;
      server.destroy();
      // Every other cut is a reset instead of an orderly close.
      if (this.cuts % 2) client.write(forwarded, () => client.resetAndDestroy());
      else client.end(forwarded);
    });
  }

  close(): void {
    this.#server.close();
  }
}

/** Returns a source of random lengths, the same for the same seed. */
export function randomLengths(seed: number, maximum: number): () => number {
  let state = seed;
  return () => {
    // The linear congruential generator of ANSI C: good enough, and reproducible.
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return 1 + (Math.floor(state / 65536) * 7) % maximum;
  };
}

/** At the end of a response: keeps the connection open. */
export const HOLD = "<hold>";

/** Answers the n-th request with the n-th response and records each `Last-Event-ID`. */
export class ScriptedServer {
  readonly lastEventIds: string[] = [];
  url = "";
  readonly #sockets = new Set<Socket>();
  readonly #server: NetServer;

  private constructor(responses: string[]) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on("error", () => socket.destroy());
      let request = "";
      socket.on("data", (chunk) => {
        request += chunk.toString();
        if (!request.includes("\r\n\r\n")) return;
        this.lastEventIds.push(/^last-event-id: (\d+)/im.exec(request)?.[1] ?? "");
        const response = responses.shift() ?? "";
        if (response.endsWith(HOLD)) socket.write(response.slice(0, -HOLD.length) || "\r\n");
        else socket.end(response);
      });
    });
  }

  static async started(...responses: string[]): Promise<ScriptedServer> {
    const scripted = new ScriptedServer(responses);
    scripted.url = `http://127.0.0.1:${await listen(scripted.#server)}`;
    return scripted;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }
}

/** Returns a response with these frames, after which the connection closes. */
export function stream(...frames: string[]): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n${frames.join("")}`;
}

/** Returns an error response in the server's format. */
export function problem(status: number, code: string, ...headers: string[]): string {
  const errors = [{ field: "metadata.cwd", code: "invalid", detail: "must be absolute" }];
  const body = JSON.stringify({ type: "about:blank", title: "No", status, detail: "in a test", code, errors });
  const head = [`HTTP/1.1 ${status} No`, "Content-Type: application/problem+json", `Content-Length: ${body.length}`, "Connection: close"];
  return `${[...head, ...headers].join("\r\n")}\r\n\r\n${body}`;
}

/** Returns a frame as the server writes it. */
export function frame(seq: number, type = "token"): string {
  const data = JSON.stringify({ seq, ts: "2026-11-22T13:05:00.123Z", type, content: "x" });
  return `id: ${seq}\nevent: ${type}\ndata: ${data}\n\n`;
}

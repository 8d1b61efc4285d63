/** A real server, a proxy that cuts connections, and a server that says what it is told to. */

import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { type AddressInfo, connect, createServer, type Server as NetServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { Client, type ClientOptions, type Event, type FollowOptions } from "../src/index.js";

/** The repository: the tests run in a copy of this package elsewhere. */
const ROOT = process.env.OPENRUNNER_REPOSITORY ?? join(process.cwd(), "../../..");
const PROGRAM = process.env.OPENRUNNER_PROGRAM ?? join(ROOT, "target/debug/openrunner");
const CONFIG = `
[agents.counter]
protocol = "jsonl"
command = ["python3", "${join(ROOT, "clients/tests/counter.py")}"]

[agents.counter.fields]
message = { at = "/text", if = { "/type" = "delta" } }
result = { at = "/text", if = { "/type" = "end" } }
`;
/** Tests wait for what they want to see and not for the clock. */
export const RETRY = { firstMs: 10, longestMs: 200 };

async function listening(server: NetServer): Promise<number> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return (server.address() as AddressInfo).port;
}

/** The server, in a folder and on a port that it keeps when it is started again. */
export class Server {
  readonly folder = mkdtempSync(join(tmpdir(), "openrunner-"));
  port = 0;
  process!: ChildProcess;

  static async started(): Promise<Server> {
    const server = new Server();
    mkdirSync(join(server.folder, "data"), { mode: 0o700 });
    mkdirSync(join(server.folder, "home"));
    writeFileSync(join(server.folder, "data/openrunner.toml"), CONFIG);
    const free = createServer();
    server.port = await listening(free);
    free.close();
    await server.start();
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const env = {
      PATH: "/usr/local/bin:/usr/bin:/bin",
      HOME: join(this.folder, "home"),
      OPENRUNNER_ADDR: `127.0.0.1:${this.port}`,
      OPENRUNNER_DATA_DIR: join(this.folder, "data"),
      OPENRUNNER_AGENTS_DIR: join(this.folder, "agents"),
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

  /** As a power cut would. */
  async kill(): Promise<void> {
    this.process.kill("SIGKILL");
    await once(this.process, "exit");
  }

  async close(): Promise<void> {
    // Asks for the end of its runs, too, as Ctrl-C does.
    this.process.kill("SIGINT");
    await once(this.process, "exit");
    rmSync(this.folder, { recursive: true, force: true });
  }

  async client(url = this.url, options: ClientOptions = {}): Promise<Client> {
    const { token } = await Client.login(this.url, "admin", "admin");
    return new Client(url, { retry: RETRY, token: token!, ...options });
  }

  /** The run's events in the other form, read by other code. */
  async replay(runId: string): Promise<Event[]> {
    const { token } = await Client.login(this.url, "admin", "admin");
    const headers = { Authorization: `Bearer ${token}`, Accept: "application/x-ndjson" };
    const text = await (await fetch(`${this.url}/api/runs/${runId}/events`, { headers })).text();
    return text.split("\n").filter((line) => line !== "").map((line) => JSON.parse(line) as Event);
  }
}

/** The events of a run as a list. */
export async function followed(client: Client, runId: string, options: FollowOptions = {}): Promise<Event[]> {
  const events: Event[] = [];
  for await (const event of client.follow(runId, options)) events.push(event);
  return events;
}

/** A proxy that passes on so many bytes of an answer as `lengths` says, then breaks the connection. */
export class Cutter {
  cuts = 0;
  url = "";
  readonly #server: NetServer;

  private constructor(port: number, lengths: () => number) {
    this.#server = createServer((client) => this.#pass(client, port, lengths()));
  }

  static async started(port: number, lengths: () => number): Promise<Cutter> {
    const cutter = new Cutter(port, lengths);
    cutter.url = `http://127.0.0.1:${await listening(cutter.#server)}`;
    return cutter;
  }

  #pass(client: Socket, port: number, left: number): void {
    const server = connect(port, "127.0.0.1");
    const ends = () => (client.destroy(), server.destroy());
    for (const socket of [client, server]) socket.on("error", ends).on("close", ends);
    client.on("data", (request) => server.write(request));
    // What comes here says, even if none of it is passed on, that what was asked for has been done.
    server.on("data", (answer) => {
      if (client.destroyed) return;
      const passed = answer.subarray(0, left);
      left -= answer.length;
      if (left > 0) {
        client.write(passed);
        return;
      }
      this.cuts += 1;
      server.destroy();
      // A reset in place of an orderly end, every other time.
      if (this.cuts % 2) client.write(passed, () => client.resetAndDestroy());
      else client.end(passed);
    });
  }

  close(): void {
    this.#server.close();
  }
}

/** Random lengths, the same ones for the same seed. */
export function lengths(seed: number, longest: number): () => number {
  let state = seed;
  return () => {
    // The numbers of an old C library: any will do that are the same each time.
    state = (state * 1103515245 + 12345) % 2 ** 31;
    return 1 + (Math.floor(state / 65536) * 7) % longest;
  };
}

/** At the end of an answer: the connection stays open. */
export const HOLD = "<hold>";

/** Answers the n-th request with the n-th of these texts and keeps what was asked. */
export class Scripted {
  readonly lastEventIds: string[] = [];
  url = "";
  readonly #open = new Set<Socket>();
  readonly #server: NetServer;

  private constructor(answers: string[]) {
    this.#server = createServer((socket) => {
      this.#open.add(socket);
      socket.on("error", () => socket.destroy());
      let request = "";
      socket.on("data", (piece) => {
        request += piece.toString();
        if (!request.includes("\r\n\r\n")) return;
        this.lastEventIds.push(/^last-event-id: (\d+)/im.exec(request)?.[1] ?? "");
        const answer = answers.shift() ?? "";
        if (answer.endsWith(HOLD)) socket.write(answer.slice(0, -HOLD.length) || "\r\n");
        else socket.end(answer);
      });
    });
  }

  static async started(...answers: string[]): Promise<Scripted> {
    const scripted = new Scripted(answers);
    scripted.url = `http://127.0.0.1:${await listening(scripted.#server)}`;
    return scripted;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#open) socket.destroy();
  }
}

/** An answer with these frames, at whose end the connection ends. */
export function stream(...frames: string[]): string {
  return `HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n${frames.join("")}`;
}

/** An answer as the server refuses. */
export function refusal(status: number, code: string, ...headers: string[]): string {
  const body = JSON.stringify({ type: "about:blank", title: "No", status, detail: "in a test", code });
  const head = [`HTTP/1.1 ${status} No`, "Content-Type: application/problem+json", `Content-Length: ${body.length}`, "Connection: close"];
  return `${[...head, ...headers].join("\r\n")}\r\n\r\n${body}`;
}

/** A frame as the server writes it. */
export function frame(seq: number, type = "token"): string {
  const data = JSON.stringify({ seq, ts: "2026-11-22T13:05:00.123Z", type, content: "x" });
  return `id: ${seq}\nevent: ${type}\ndata: ${data}\n\n`;
}

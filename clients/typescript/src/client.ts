/** The client: the plain calls, the follower, and a handle for a run. */

import createApi from "openapi-fetch";

import { ConnectionLost, errorOf } from "./errors.js";
import { type Event, follow, type FollowOptions } from "./follow.js";
import { Attempts, type Retry } from "./retry.js";
import { RunHandle } from "./run.js";
import type { components, paths } from "./schema.js";

/** What a client may be told beside its server. */
export interface ClientOptions {
  /** A login's token or an API key. */
  token?: string;
  /** How what failed is tried again. Plain calls give up after half a minute if `giveUpAfterMs` is not said. */
  retry?: Retry;
  /** After how many milliseconds without a byte a stream counts as dead; a server tells every 15,000 that it lives. 45,000 if not said. */
  quietMs?: number;
  /** In place of the runtime's own. */
  fetch?: typeof globalThis.fetch;
}

/** The calls that take an `Idempotency-Key`. */
const KEYED = /\/api\/runs(\/[^/]+\/messages)?$/;

/** A client of one server. */
export class Client {
  /** Changes with a new login. */
  token: string | undefined;
  /**
   * The plain calls, typed by path: `data(client.api.GET("/api/runs/{id}", { params: { path: { id } } }))`. A refusal is thrown as
   * an `ApiError`. Calls that can be repeated without harm are repeated while the server cannot be reached: those that only read, and
   * those that carry an `Idempotency-Key`, which is made up where none is given.
   */
  readonly api: ReturnType<typeof createApi<paths>>;
  readonly #url: string;
  readonly #retry: Retry;
  readonly #quietMs: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor(url: string, options: ClientOptions = {}) {
    this.#url = url.replace(/\/+$/, "");
    this.token = options.token;
    this.#retry = options.retry ?? {};
    this.#quietMs = options.quietMs ?? 45_000;
    // Called as a function of its own: a browser's refuses another `this`.
    const { fetch = globalThis.fetch } = options;
    this.#fetch = (input, init) => fetch(input, init);
    this.api = createApi<paths>({ baseUrl: this.#url, fetch: (request) => this.#call(request) });
  }

  /** A client with a new token of this user's. */
  static async login(url: string, username: string, password: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(url, options);
    const login = await data(client.api.POST("/api/auth/login", { body: { username, password } }));
    client.token = login.token;
    return client;
  }

  /** Starts a run: `run("create hello.py", { agent_type: "codex", cwd: "/tmp/test" })`. It is made once, whatever the connection does. */
  async run(prompt: string, metadata: components["schemas"]["RunMetadata"] = {}): Promise<RunHandle> {
    const created = await data(this.api.POST("/api/runs", { body: { input: { text: prompt }, metadata } }));
    return new RunHandle(this, created.run_id, created.session_id);
  }

  /**
   * The events of a run, each once and in order, up to `done`. Goes on by itself where it was when the connection breaks, and when the
   * server goes and comes back. `Unauthorized`, `Forbidden` and `NotFound` are thrown at once, as are `LogLost` and, if it comes twice
   * at one place, `BrokenStream`.
   */
  follow(runId: string, options: FollowOptions = {}): AsyncGenerator<Event, void, undefined> {
    const url = `${this.#url}/api/runs/${encodeURIComponent(runId)}/events`;
    const [fetch, retry, quietMs] = [this.#fetch, this.#retry, this.#quietMs];
    return follow({ url, headers: () => this.#headers(), fetch, retry, quietMs }, options);
  }

  #headers(): Record<string, string> {
    return this.token === undefined ? {} : { Authorization: `Bearer ${this.token}` };
  }

  async #call(request: Request): Promise<Response> {
    for (const [name, value] of Object.entries(this.#headers())) request.headers.set(name, value);
    if (request.method === "POST" && KEYED.test(new URL(request.url).pathname) && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", newKey());
    }
    // What would be done twice if the answer alone was lost is tried once.
    const repeats = request.method === "GET" || request.headers.has("Idempotency-Key");
    const attempts = new Attempts(repeats ? { giveUpAfterMs: 30_000, ...this.#retry } : { giveUpAfterMs: 0 });
    for (;;) {
      try {
        const response = await this.#fetch(request.clone()).catch((error: unknown) => {
          request.signal.throwIfAborted();
          throw new ConnectionLost("the server cannot be reached", { cause: error });
        });
        if (!response.ok) throw await errorOf(response);
        return response;
      } catch (error) {
        await attempts.pause(error, request.signal);
      }
    }
  }
}

/** What a plain call answers. */
export async function data<T>(call: Promise<{ data?: T }>): Promise<T> {
  return (await call).data as T;
}

/** 128 random bits. `randomUUID` would be there on pages from secure origins only. */
function newKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** The client of one server. */

import createApi from "openapi-fetch";

import { type Api, unwrap } from "./api.js";
import { ApiConnectionError, errorFromResponse } from "./errors.js";
import { type Retry, RetryState } from "./retry.js";
import { type RunClient, RunHandle } from "./run.js";
import type { components, paths } from "./schema.js";
import { type Event, follow, type FollowOptions } from "./stream.js";

/** Options of a `Client`. */
export interface ClientOptions {
  /** A login token or an API key. */
  token?: string;
  /** Retry policy. API calls use a timeout of 30 seconds unless `timeoutMs` is set; streams use `FollowOptions.retryTimeoutMs`. */
  retry?: Retry;
  /** Milliseconds without a byte after which an event stream is considered dead; the server sends a keep-alive every 15,000. Default: 45,000. */
  streamTimeoutMs?: number;
  /** Replaces the runtime's `fetch`. */
  fetch?: typeof globalThis.fetch;
}

/** Paths of the POST operations that take an `Idempotency-Key`. */
const IDEMPOTENT_POST = /\/api\/runs(\/[^/]+\/messages)?$/;

/** A client of one server. */
export class Client implements RunClient {
  /** Token for further requests; may be replaced at any time. */
  token: string | undefined;
  /**
   * API operations, typed by path: `unwrap(client.api.GET("/api/runs/{id}", { params: { path: { id } } }))`. Error responses throw an
   * `ApiError`. Idempotent requests (`GET`, and requests with an `Idempotency-Key`, which is generated where the operation takes one) are
   * retried while the server is unreachable or overloaded.
   */
  readonly api: Api;
  readonly #baseUrl: string;
  readonly #retry: Retry;
  readonly #streamTimeoutMs: number;
  readonly #fetch: typeof globalThis.fetch;

  constructor(baseUrl: string, options: ClientOptions = {}) {
    this.#baseUrl = baseUrl.replace(/\/+$/, "");
    this.token = options.token;
    this.#retry = options.retry ?? {};
    this.#streamTimeoutMs = options.streamTimeoutMs ?? 45_000;
    // Called without a receiver: browsers reject `fetch` with a `this` other than the window.
    const { fetch = globalThis.fetch } = options;
    this.#fetch = (input, init) => fetch(input, init);
    this.api = createApi<paths>({ baseUrl: this.#baseUrl, fetch: (request) => this.#send(request) });
  }

  /** Logs in and returns a client that uses the new token. */
  static async login(baseUrl: string, username: string, password: string, options: ClientOptions = {}): Promise<Client> {
    const client = new Client(baseUrl, options);
    const login = await unwrap(client.api.POST("/api/auth/login", { body: { username, password } }));
    client.token = login.token;
    return client;
  }

  /** Starts exactly one run, even if the connection fails: `run("create hello.py", { agent_type: "codex", cwd: "/tmp/test" })`. */
  async run(prompt: string, metadata: components["schemas"]["RunMetadata"] = {}): Promise<RunHandle> {
    const created = await unwrap(this.api.POST("/api/runs", { body: { input: { text: prompt }, metadata } }));
    return new RunHandle(this, created.run_id, created.session_id);
  }

  /** Uploads a file of at most 20 MiB for `file_id` in parts of prompts and messages. It is kept for a day. */
  async upload(name: string, content: Uint8Array | string): Promise<components["schemas"]["UploadedFile"]> {
    const headers = { "Content-Type": "application/octet-stream" };
    const bodySerializer = () => content as BodyInit;
    return unwrap(this.api.POST("/api/files", { params: { query: { name } }, headers, body: "" as never, bodySerializer }));
  }

  /**
   * Yields the run's events, each exactly once and in order, up to `done`. Reconnects and resumes by itself when the connection fails or the
   * server restarts. `AuthenticationError`, `PermissionDeniedError`, `NotFoundError` and `LogTruncatedError` are thrown immediately,
   * `StreamError` if it occurs twice at the same position.
   */
  follow(runId: string, options: FollowOptions = {}): AsyncGenerator<Event, void, undefined> {
    const url = `${this.#baseUrl}/api/runs/${encodeURIComponent(runId)}/events`;
    const [fetch, retry, timeoutMs] = [this.#fetch, this.#retry, this.#streamTimeoutMs];
    return follow({ url, headers: () => this.#headers(), fetch, retry, timeoutMs }, options);
  }

  #headers(): Record<string, string> {
    return this.token === undefined ? {} : { Authorization: `Bearer ${this.token}` };
  }

  async #send(request: Request): Promise<Response> {
    for (const [name, value] of Object.entries(this.#headers())) request.headers.set(name, value);
    if (request.method === "POST" && IDEMPOTENT_POST.test(new URL(request.url).pathname) && !request.headers.has("Idempotency-Key")) {
      request.headers.set("Idempotency-Key", newIdempotencyKey());
    }
    // A request that is not idempotent might be carried out twice if only its response was lost.
    const isIdempotent = request.method === "GET" || request.headers.has("Idempotency-Key");
    const state = new RetryState(isIdempotent ? { timeoutMs: 30_000, ...this.#retry } : { timeoutMs: 0 });
    for (;;) {
      try {
        const response = await this.#fetch(request.clone()).catch((error: unknown) => {
          request.signal.throwIfAborted();
          throw new ApiConnectionError("could not connect to the server", { cause: error });
        });
        if (!response.ok) throw await errorFromResponse(response);
        return response;
      } catch (error) {
        await state.wait(error, request.signal);
      }
    }
  }
}

/** Returns 128 random bits in hex. `crypto.randomUUID` only exists in secure contexts. */
function newIdempotencyKey(): string {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

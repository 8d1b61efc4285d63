/** Handles for single runs. Dropping a handle does not affect its run. */

import { type Api, unwrap } from "./api.js";
import type { components } from "./schema.js";
import type { Event, FollowOptions } from "./stream.js";

type Schemas = components["schemas"];

const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "timed_out", "interrupted"]);
/** Seconds that one long poll for the end of a run may take; another one follows. */
const WAIT_SECS = 30;

/** What a handle needs from its client. */
export interface RunClient {
  readonly api: Api;
  follow(runId: string, options?: FollowOptions): AsyncGenerator<Event, void, undefined>;
}

/** The files in the working directory of a run. Paths are relative to it. */
export class RunFiles {
  readonly #client: RunClient;
  readonly #id: string;

  constructor(client: RunClient, runId: string) {
    this.#client = client;
    this.#id = runId;
  }

  /** Lists a directory, as it is now or was after `turn`; 0 stands for the start of the run. */
  async list(path?: string, options: { turn?: number } = {}): Promise<Schemas["RunFile"][]> {
    const files: Schemas["RunFile"][] = [];
    const query = { limit: 200, ...(path === undefined ? {} : { path }), ...options };
    let cursor: string | null = null;
    do {
      const params = { path: { id: this.#id }, query: { ...query, ...(cursor === null ? {} : { cursor }) } };
      const page: Schemas["RunFilePage"] = await unwrap(this.#client.api.GET("/api/runs/{id}/files", { params }));
      files.push(...page.items);
      cursor = page.next_cursor;
    } while (cursor !== null);
    return files;
  }

  /** Reads a file, as it is now or was after `turn`. */
  async read(path: string, options: { turn?: number } = {}): Promise<Uint8Array> {
    const params = { path: { id: this.#id, path }, query: options };
    const content = await unwrap(this.#client.api.GET("/api/runs/{id}/files/{path}", { params, parseAs: "arrayBuffer" }));
    return new Uint8Array(content as unknown as ArrayBuffer);
  }

  /** Writes a file of at most 20 MiB, and creates missing directories. */
  async write(path: string, content: Uint8Array | string): Promise<Schemas["RunFile"]> {
    const headers = { "Content-Type": "application/octet-stream" };
    const bodySerializer = () => content as BodyInit;
    const body = "" as never;
    const params = { path: { id: this.#id, path } };
    return unwrap(this.#client.api.PUT("/api/runs/{id}/files/{path}", { params, headers, body, bodySerializer }));
  }

  /** Downloads a directory, or the files that the run has changed, as tar.gz. */
  async archive(options: { path?: string; changed?: boolean } = {}): Promise<Uint8Array> {
    const params = { path: { id: this.#id }, query: options };
    const content = await unwrap(this.#client.api.GET("/api/runs/{id}/archive", { params, parseAs: "arrayBuffer" }));
    return new Uint8Array(content as unknown as ArrayBuffer);
  }
}

/** A run started by a `Client`. */
export class RunHandle {
  /** The files in its working directory. */
  readonly files: RunFiles;
  readonly #client: RunClient;

  constructor(
    client: RunClient,
    readonly runId: string,
    readonly sessionId: string,
  ) {
    this.#client = client;
    this.files = new RunFiles(client, runId);
  }

  /** Streams the run's events up to `done`. See `Client.follow`. */
  events(options: FollowOptions = {}): AsyncGenerator<Event, void, undefined> {
    return this.#client.follow(this.runId, options);
  }

  /** Waits until the run has ended and returns it. `status` and `cause` state the outcome, `result` is the agent's final text. */
  async result(): Promise<Schemas["Run"]> {
    for (;;) {
      const params = { path: { id: this.runId }, query: { wait: WAIT_SECS } };
      const run = await unwrap(this.#client.api.GET("/api/runs/{id}", { params }));
      if (ENDED.has(run.status)) return run;
    }
  }

  /** Requests cancellation. The run has ended once its `done` event arrives. */
  async cancel(): Promise<Schemas["Run"]> {
    return unwrap(this.#client.api.POST("/api/runs/{id}/cancel", { params: { path: { id: this.runId } } }));
  }

  /** What the run has changed in its working directory, or one of its turns. Lists all files. */
  async changes(turn?: number): Promise<Schemas["RunChanges"]> {
    const query = { limit: 200, ...(turn === undefined ? {} : { turn }) };
    const page = (more: { cursor?: number }) => {
      const params = { path: { id: this.runId }, query: { ...query, ...more } };
      return unwrap(this.#client.api.GET("/api/runs/{id}/changes", { params }));
    };
    let changes = await page({});
    while (changes.next_cursor !== null) {
      const next = await page({ cursor: Number(changes.next_cursor) });
      changes = { ...next, items: [...changes.items, ...next.items] };
    }
    return changes;
  }

  /** Reverts the working directory to its state after a turn, or to a snapshot. Reverting to the `undo` of the result undoes it. */
  async revert(body: Schemas["RevertRequest"]): Promise<Schemas["RevertResponse"]> {
    return unwrap(this.#client.api.POST("/api/runs/{id}/revert", { params: { path: { id: this.runId } }, body }));
  }

  /** Sends a further message to the live run, with images and files as `parts`. */
  async send(text: string, mode: Schemas["MessageMode"] = "queue", parts: NonNullable<Schemas["MessageRequest"]["parts"]> = []): Promise<Schemas["MessageResponse"]> {
    const params = { path: { id: this.runId } };
    const body = parts.length > 0 ? { text, mode, parts } : { text, mode };
    return unwrap(this.#client.api.POST("/api/runs/{id}/messages", { params, body }));
  }

  /** Answers an open request: a permission request with `decision`, a question with `answers`. */
  async answer(requestId: string, body: Schemas["AnswerRequest"]): Promise<Schemas["AnswerResponse"]> {
    const params = { path: { id: this.runId, request: requestId } };
    return unwrap(this.#client.api.POST("/api/runs/{id}/requests/{request}", { params, body }));
  }
}

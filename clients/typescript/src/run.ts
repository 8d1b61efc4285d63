/** A run in the hand of who started it. Dropping a handle ends nothing. */

import { type Client, data } from "./client.js";
import type { Event, FollowOptions } from "./follow.js";
import type { components } from "./schema.js";

type Schemas = components["schemas"];

const ENDED: ReadonlySet<string> = new Set(["completed", "failed", "cancelled", "timed_out", "interrupted"]);
/** How many seconds one question for the end stays open; then the next one follows. */
const WAIT = 30;

/** One run. */
export class RunHandle {
  constructor(
    readonly client: Client,
    readonly runId: string,
    readonly sessionId: string,
  ) {}

  /** Its events up to `done`: see `Client.follow`. */
  events(options: FollowOptions = {}): AsyncGenerator<Event, void, undefined> {
    return this.client.follow(this.runId, options);
  }

  /** Waits for its end and gives the run: `status` and `cause` say how it ended, `result` is the agent's final text. */
  async result(): Promise<Schemas["Run"]> {
    for (;;) {
      const params = { path: { id: this.runId }, query: { wait: WAIT } };
      const run = await data(this.client.api.GET("/api/runs/{id}", { params }));
      if (ENDED.has(run.status)) return run;
    }
  }

  /** Asks for its end. It has come when `done` has. */
  async cancel(): Promise<Schemas["Run"]> {
    return data(this.client.api.POST("/api/runs/{id}/cancel", { params: { path: { id: this.runId } } }));
  }

  /** Says something more to it. */
  async send(text: string, mode: Schemas["MessageMode"] = "queue"): Promise<Schemas["MessageResponse"]> {
    const params = { path: { id: this.runId } };
    return data(this.client.api.POST("/api/runs/{id}/messages", { params, body: { text, mode } }));
  }

  /** Answers what its agent asked: a permission with a decision, a question with answers. */
  async answer(requestId: string, body: Schemas["AnswerRequest"]): Promise<Schemas["AnswerResponse"]> {
    const params = { path: { id: this.runId, request: requestId } };
    return data(this.client.api.POST("/api/runs/{id}/requests/{request}", { params, body }));
  }
}

/** Resumable event streams: every event exactly once and in order, across reconnects. */

import { createParser, type EventSourceMessage } from "eventsource-parser";

import { ApiConnectionError, errorFromResponse, LogTruncatedError, StreamError } from "./errors.js";
import { type Retry, RetryState } from "./retry.js";
import type { components } from "./schema.js";

/** One event of a run's log. Ignore events whose `type` you do not know: newer servers may add types. */
export type Event = components["schemas"]["Event"];

/** Options of `Client.follow`. */
export interface FollowOptions {
  /** Sequence number of the last event already known. Default: 0, the start of the log. */
  after?: number;
  /** Milliseconds without a new event after which the last failure is thrown. Default: no limit. */
  retryTimeoutMs?: number;
  /** Aborts reading; the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** Which stream to read, and how. */
export interface StreamRequest {
  url: string;
  headers: () => Record<string, string>;
  fetch: typeof globalThis.fetch;
  retry: Retry;
  /** A connection without even a keep-alive for this long is considered dead. */
  timeoutMs: number;
}

/** Yields the events after `after`, each exactly once and in order, up to `done`. */
export async function* follow(request: StreamRequest, options: FollowOptions): AsyncGenerator<Event, void, undefined> {
  const { after = 0, signal, retryTimeoutMs } = options;
  const retry = new RetryState({ ...request.retry, timeoutMs: retryTimeoutMs ?? Infinity });
  const cursor = new Cursor(after);
  while (!cursor.ended) {
    let failure: unknown = new ApiConnectionError("the stream ended before `done`");
    try {
      for await (const frames of connect(request, cursor.lastSeq, signal)) {
        for (const frame of frames) {
          const event = cursor.handleFrame(frame);
          if (event !== undefined) {
            retry.reset();
            yield event;
          }
          if (cursor.ended) return;
        }
      }
    } catch (error) {
      if (error === NO_MORE_EVENTS) return;
      signal?.throwIfAborted();
      failure = error;
    }
    cursor.handleFailure(failure);
    await retry.wait(failure, signal);
  }
}

/** The position of one reader in a run's log. */
class Cursor {
  ended = false;
  #streamErrorAt: number | undefined;

  constructor(public lastSeq: number) {}

  /** Returns the event of a frame, or `undefined` if it is a duplicate. */
  handleFrame(frame: EventSourceMessage): Event | undefined {
    const event = parseObject(frame.data);
    if (typeof event?.type !== "string") throw new StreamError(`invalid event after event ${this.lastSeq}`);
    if (frame.id === undefined && event.type === "notice" && event.code === "gap") {
      const next = (event.data as Partial<components["schemas"]["GapNotice"]["data"]> | undefined)?.next;
      if (typeof next !== "number") throw new StreamError(`gap notice without \`next\` after event ${this.lastSeq}`);
      throw new LogTruncatedError(String(event.message), next);
    }
    // Not part of the log, such as `access_ended`: reconnecting tells why.
    if (frame.id === undefined && event.type === "notice") return undefined;
    const { seq } = event;
    if (typeof seq !== "number" || String(seq) !== frame.id) {
      throw new StreamError(`missing or inconsistent sequence number after event ${this.lastSeq}`);
    }
    if (seq > this.lastSeq + 1) throw new StreamError(`event ${seq} follows event ${this.lastSeq}`);
    if (seq <= this.lastSeq) return undefined;
    this.lastSeq = seq;
    this.ended = event.type === "done";
    return event as unknown as Event;
  }

  /** Throws a stream error that occurs twice at the same position: only the first may be a fault of the connection. */
  handleFailure(failure: unknown): void {
    if (!(failure instanceof StreamError)) return;
    if (this.#streamErrorAt === this.lastSeq) throw failure;
    this.#streamErrorAt = this.lastSeq;
  }
}

function parseObject(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Thrown by `connect` when the server answers 204: all events were already read. */
const NO_MORE_EVENTS = Symbol("no more events");

/** Opens one connection and yields the frames of each chunk until it ends. Returning early closes it. */
async function* connect(request: StreamRequest, lastSeq: number, signal?: AbortSignal): AsyncGenerator<EventSourceMessage[]> {
  const controller = new AbortController();
  const aborted = signal ? AbortSignal.any([signal, controller.signal]) : controller.signal;
  /** Awaits a step of the connection, with the stream timeout. */
  const withTimeout = async <T>(step: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => controller.abort(new ApiConnectionError(`no data for ${request.timeoutMs} ms`)), request.timeoutMs);
    try {
      return await step;
    } catch (error) {
      throw error instanceof ApiConnectionError ? error : new ApiConnectionError("the connection failed", { cause: error });
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    const headers = { ...request.headers(), Accept: "text/event-stream", "Last-Event-ID": String(lastSeq) };
    const init: RequestInit = { headers, signal: aborted, cache: "no-store", redirect: "error" };
    const response = await withTimeout(request.fetch(request.url, init));
    if (response.status === 204) throw NO_MORE_EVENTS;
    if (response.status !== 200) throw await errorFromResponse(response);
    const contentType = response.headers.get("Content-Type");
    if (!contentType?.startsWith("text/event-stream") || !response.body) {
      throw new StreamError(`expected an event stream, got ${contentType ?? "no content type"}`);
    }
    let frames: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (frame) => frames.push(frame) });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await withTimeout(reader.read());
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield frames;
      frames = [];
    }
  } finally {
    controller.abort();
  }
}

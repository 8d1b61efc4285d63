/** Following a run: every event once, in order, whatever happens to the connection. */

import { createParser, type EventSourceMessage } from "eventsource-parser";

import { BrokenStream, ConnectionLost, errorOf, LogLost } from "./errors.js";
import { Attempts, type Retry } from "./retry.js";
import type { components } from "./schema.js";

/** One event of a run's log. Skip one whose `type` you do not know: a later server may have more. */
export type Event = components["schemas"]["Event"];

/** How to follow a run. */
export interface FollowOptions {
  /** The number of the last event that is known already; 0, or nothing, is the beginning. */
  after?: number;
  /** Without an event for so many milliseconds of trying, what is in the way is thrown. Never, if not said. */
  giveUpAfterMs?: number;
  /** Ends it: the signal's reason is thrown. */
  signal?: AbortSignal;
}

/** Which stream, and how to read it. */
export interface Stream {
  url: string;
  headers: () => Record<string, string>;
  fetch: typeof globalThis.fetch;
  retry: Retry;
  /** A connection on which not even a keep-alive comes for so long is dead. */
  quietMs: number;
}

/** The events of a run after `after`, each once and in order, up to `done`. */
export async function* follow(stream: Stream, options: FollowOptions): AsyncGenerator<Event, void, undefined> {
  const { after = 0, signal, giveUpAfterMs } = options;
  const attempts = new Attempts({ ...stream.retry, giveUpAfterMs: giveUpAfterMs ?? Infinity });
  const place = new Place(after);
  while (!place.ended) {
    let failure: unknown = new ConnectionLost("the stream ended before `done`");
    try {
      for await (const frames of connection(stream, place.last, signal)) {
        for (const frame of frames) {
          const event = place.take(frame);
          if (event !== undefined) {
            attempts.succeeded();
            yield event;
          }
          if (place.ended) return;
        }
      }
    } catch (error) {
      if (error === EXHAUSTED) return;
      signal?.throwIfAborted();
      failure = error;
    }
    place.broken(failure);
    await attempts.pause(failure, signal);
  }
}

/** How far one reader has come. */
class Place {
  ended = false;
  #brokenAt: number | undefined;

  constructor(public last: number) {}

  /** The event of a frame, if it is a new one. */
  take(frame: EventSourceMessage): Event | undefined {
    const event = parsed(frame.data);
    if (typeof event?.type !== "string") throw new BrokenStream(`after event ${this.last} comes what is no event`);
    if (frame.id === undefined && event.type === "notice" && event.code === "gap") throw new LogLost(String(event.message));
    const { seq } = event;
    if (typeof seq !== "number" || String(seq) !== frame.id) {
      throw new BrokenStream(`after event ${this.last} comes one without its number`);
    }
    if (seq > this.last + 1) throw new BrokenStream(`after event ${this.last} comes event ${seq}`);
    if (seq <= this.last) return undefined;
    this.last = seq;
    this.ended = event.type === "done";
    return event as unknown as Event;
  }

  /** A broken stream may once be the connection's fault. The same again is the server's, and is thrown. */
  broken(failure: unknown): void {
    if (!(failure instanceof BrokenStream)) return;
    if (this.#brokenAt === this.last) throw failure;
    this.#brokenAt = this.last;
  }
}

function parsed(data: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(data);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** Thrown by `connection` where the server says that all events have been read. */
const EXHAUSTED = Symbol("exhausted");

/** One connection: the frames of each chunk that comes, until it ends. Leaving it closes it. */
async function* connection(stream: Stream, last: number, signal?: AbortSignal): AsyncGenerator<EventSourceMessage[]> {
  const own = new AbortController();
  const closed = signal ? AbortSignal.any([signal, own.signal]) : own.signal;
  /** What comes of `waited`, unless the connection breaks or is silent for too long. */
  const alive = async <T>(waited: Promise<T>): Promise<T> => {
    const timer = setTimeout(() => own.abort(new ConnectionLost(`nothing came for ${stream.quietMs} ms`)), stream.quietMs);
    try {
      return await waited;
    } catch (error) {
      throw error instanceof ConnectionLost ? error : new ConnectionLost("the connection broke", { cause: error });
    } finally {
      clearTimeout(timer);
    }
  };
  try {
    const headers = { ...stream.headers(), Accept: "text/event-stream", "Last-Event-ID": String(last) };
    const response = await alive(stream.fetch(stream.url, { headers, signal: closed, cache: "no-store", redirect: "error" }));
    if (response.status === 204) throw EXHAUSTED;
    if (response.status !== 200) throw await errorOf(response);
    if (!response.headers.get("Content-Type")?.startsWith("text/event-stream") || !response.body) {
      throw new BrokenStream("the answer is no stream of events");
    }
    let frames: EventSourceMessage[] = [];
    const parser = createParser({ onEvent: (frame) => frames.push(frame) });
    const decoder = new TextDecoder();
    const reader = response.body.getReader();
    for (;;) {
      const { done, value } = await alive(reader.read());
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield frames;
      frames = [];
    }
  } finally {
    own.abort();
  }
}

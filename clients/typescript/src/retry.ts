/** How long to wait before the next attempt, and when to give up. */

import { ApiError, BrokenStream, ConnectionLost } from "./errors.js";

/** How attempts follow each other. All in milliseconds. */
export interface Retry {
  /** At most so long before the second attempt; the bound doubles with each that follows. How long really is random. 200 if not said. */
  firstMs?: number;
  /** No pause is longer, unless the server asks for one by `Retry-After`. 15,000 if not said. */
  longestMs?: number;
  /** Without success for so long, the failure is thrown. Never, if not said. */
  giveUpAfterMs?: number;
}

/** Counts the failures since the last success. */
export class Attempts {
  #failures = 0;
  #since = performance.now();

  constructor(readonly retry: Retry) {}

  /** Begins to count anew. */
  succeeded(): void {
    this.#failures = 0;
    this.#since = performance.now();
  }

  /** Waits as long as is right after this failure. Throws it instead if it will not pass, or the time for trying is over. */
  async pause(failure: unknown, signal?: AbortSignal): Promise<void> {
    if (!passes(failure)) throw failure;
    const { firstMs = 200, longestMs = 15_000, giveUpAfterMs = Infinity } = this.retry;
    let pause = Math.random() * Math.min(longestMs, firstMs * 2 ** this.#failures);
    // A little later than asked for, and not all at once.
    if (failure instanceof ApiError) pause += failure.retryAfterMs ?? 0;
    this.#failures += 1;
    if (performance.now() + pause > this.#since + giveUpAfterMs) throw failure;
    await sleep(pause, signal);
  }
}

/** Whether the same request may go better later. */
function passes(failure: unknown): boolean {
  if (failure instanceof ApiError) return [408, 425, 429].includes(failure.status) || failure.status >= 500;
  return failure instanceof ConnectionLost || failure instanceof BrokenStream;
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const woken = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", woken);
      resolve();
    };
    const timer = setTimeout(woken, ms);
    signal?.addEventListener("abort", woken);
  });
  signal?.throwIfAborted();
}

/** Retry policy: exponential backoff with jitter and an overall timeout. */

import { ApiConnectionError, ApiError, StreamError } from "./errors.js";

/** Retry policy. All values are in milliseconds. */
export interface Retry {
  /** Upper bound of the delay before the first retry. It doubles with each further failure; the actual delay is random. Default: 200. */
  initialDelayMs?: number;
  /** Upper bound of every delay, unless the server asks for a longer one with `Retry-After`. Default: 15,000. */
  maxDelayMs?: number;
  /** Throw the last failure after this long without success. Default: retry forever. */
  timeoutMs?: number;
}

/** Counts the failures since the last success. */
export class RetryState {
  #failures = 0;
  #since = performance.now();

  constructor(readonly retry: Retry) {}

  /** Records a success. */
  reset(): void {
    this.#failures = 0;
    this.#since = performance.now();
  }

  /** Waits before the next attempt. Throws `failure` if it is permanent or the timeout has passed. */
  async wait(failure: unknown, signal?: AbortSignal): Promise<void> {
    if (!isTransient(failure)) throw failure;
    const { initialDelayMs = 200, maxDelayMs = 15_000, timeoutMs = Infinity } = this.retry;
    let delay = Math.random() * Math.min(maxDelayMs, initialDelayMs * 2 ** this.#failures);
    // The random part on top keeps clients from returning all at once.
    if (failure instanceof ApiError) delay += failure.retryAfterMs ?? 0;
    this.#failures += 1;
    if (performance.now() + delay > this.#since + timeoutMs) throw failure;
    await sleep(delay, signal);
  }
}

/** Whether the same request may succeed later. */
function isTransient(failure: unknown): boolean {
  if (failure instanceof ApiError) return [408, 425, 429].includes(failure.status) || failure.status >= 500;
  return failure instanceof ApiConnectionError || failure instanceof StreamError;
}

async function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted();
  await new Promise<void>((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal?.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal?.addEventListener("abort", wake);
  });
  signal?.throwIfAborted();
}

/** What can go wrong, as types. A run that fails is not among it: that is told by its `done`. */

/** The parent of all that this package throws by itself. */
export class OpenRunnerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The server refused, or something before it did. */
export class ApiError extends OpenRunnerError {
  constructor(
    /** The HTTP status. */
    readonly status: number,
    /** Which refusal it is, for programs: one of those in docs/api.md; `unknown` if the answer was not the server's own. */
    readonly code: string,
    /** What is wrong, for a person. */
    readonly detail: string,
    /** The one field of the request that is at fault, if there is one. */
    readonly field?: string,
    /** After how many milliseconds it may be worth trying again, if the server said so. */
    readonly retryAfterMs?: number,
  ) {
    super(`${status} ${code}: ${detail}${field === undefined ? "" : ` (${field})`}`);
  }
}

/** 401: no token, or none that is good any more. */
export class Unauthorized extends ApiError {}

/** 403: known, but not allowed to do this. */
export class Forbidden extends ApiError {}

/** 404: not there, or somebody else's. */
export class NotFound extends ApiError {}

/** The server could not be reached, or the connection broke, for longer than was allowed. `cause` says how. */
export class ConnectionLost extends OpenRunnerError {}

/** A stream of events held what it must not hold, again after it was asked for anew. */
export class BrokenStream extends OpenRunnerError {}

/** The server's log of the run is shorter than what was read of it before: it is another log, perhaps a backup. */
export class LogLost extends OpenRunnerError {}

/** The error that a response tells. */
export async function errorOf(response: Response): Promise<ApiError> {
  const told: unknown = await response.json().catch(() => undefined);
  const problem = (typeof told === "object" && told !== null ? told : {}) as Record<string, unknown>;
  const code = typeof problem.code === "string" ? problem.code : "unknown";
  const detail = typeof problem.detail === "string" ? problem.detail : response.statusText;
  const field = typeof problem.field === "string" ? problem.field : undefined;
  // The other form of the header, a date, is not for clocks that may differ: the usual pause will do.
  const seconds = response.headers.get("Retry-After") ?? "";
  const retryAfterMs = /^\d+$/.test(seconds) ? Number(seconds) * 1000 : undefined;
  const kinds: Record<number, typeof ApiError> = { 401: Unauthorized, 403: Forbidden, 404: NotFound };
  return new (kinds[response.status] ?? ApiError)(response.status, code, detail, field, retryAfterMs);
}

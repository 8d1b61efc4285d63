/** Errors. A failed run throws none: its `done` event states the cause. */

/** Base class of all errors defined by this package. */
export class OpenRunnerError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** One invalid field of a request. */
export interface FieldError {
  /** Path of the field, such as `metadata.agent_type`. */
  readonly field: string;
  /** Machine-readable reason, such as `required` or `unknown_field`. */
  readonly code: string;
  /** Human-readable explanation. */
  readonly detail: string;
}

/** The server, or a proxy in front of it, returned an error response. */
export class ApiError extends OpenRunnerError {
  constructor(
    /** HTTP status. */
    readonly status: number,
    /** Stable error code from docs/api.md; `unknown` if the response was not problem+json, for example from a proxy. */
    readonly code: string,
    /** Human-readable explanation. */
    readonly detail: string,
    /** All invalid fields of the request; empty if the error does not concern a field. */
    readonly errors: readonly FieldError[] = [],
    /** Milliseconds to wait before a retry, if the server sent `Retry-After`. */
    readonly retryAfterMs?: number,
  ) {
    const fields = errors.map((error) => error.field).join(", ");
    super(`${status} ${code}: ${detail}${fields === "" ? "" : ` (${fields})`}`);
  }
}

/** 401: the token is missing, invalid or expired. */
export class AuthenticationError extends ApiError {}

/** 403: the caller lacks the role or scope for this operation. */
export class PermissionDeniedError extends ApiError {}

/** 404: the resource does not exist, or belongs to another user. */
export class NotFoundError extends ApiError {}

/** 429: a rate limit, a quota or a budget is exhausted, or the queue is full. */
export class RateLimitError extends ApiError {}

/** The server could not be reached, or the connection failed, for longer than the retry timeout. `cause` has the reason. */
export class ApiConnectionError extends OpenRunnerError {}

/** An event stream violated the protocol twice at the same position. */
export class StreamError extends OpenRunnerError {}

/**
 * The next event is not in the server's log. Either retention removed the start of the log: `nextSeq` is then the first event left, and
 * `follow(runId, { after: error.nextSeq - 1 })` continues from there. Or the log is shorter than what was already read (`nextSeq` is not
 * greater than the last event read), for example because the server was restored from a backup.
 */
export class LogTruncatedError extends OpenRunnerError {
  constructor(
    message: string,
    /** Sequence number at which the log continues. */
    readonly nextSeq: number,
  ) {
    super(message);
  }
}

const BY_STATUS: Readonly<Record<number, typeof ApiError>> = {
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  429: RateLimitError,
};

/** Builds the error for an error response. */
export async function errorFromResponse(response: Response): Promise<ApiError> {
  const body: unknown = await response.json().catch(() => undefined);
  const problem = isRecord(body) ? body : {};
  const code = typeof problem.code === "string" ? problem.code : "unknown";
  const detail = typeof problem.detail === "string" ? problem.detail : response.statusText;
  const entries: unknown[] = Array.isArray(problem.errors) ? problem.errors : [];
  const errors = entries.filter(isRecord).map(({ field = "", code = "", detail = "" }) => {
    return { field: String(field), code: String(code), detail: String(detail) };
  });
  // The date form is ignored: it depends on synchronized clocks, and the usual backoff is good enough.
  const seconds = response.headers.get("Retry-After") ?? "";
  const retryAfterMs = /^\d+$/.test(seconds) ? Number(seconds) * 1000 : undefined;
  return new (BY_STATUS[response.status] ?? ApiError)(response.status, code, detail, errors, retryAfterMs);
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

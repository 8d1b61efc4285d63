"""Exceptions. A failed run raises none: its `done` event states the cause."""

from __future__ import annotations

from typing import Any, NamedTuple

import httpx


class OpenRunnerError(Exception):
    """Base class of all exceptions defined by this package."""


class FieldError(NamedTuple):
    """One invalid field of a request."""

    field: str
    """Path of the field, such as `metadata.agent_type`."""
    code: str
    """Machine-readable reason, such as `required` or `unknown_field`."""
    detail: str
    """Human-readable explanation."""


class ApiError(OpenRunnerError):
    """The server, or a proxy in front of it, returned an error response."""

    status_code: int
    """HTTP status."""
    code: str
    """Stable error code from docs/api.md; `unknown` if the response was not problem+json, for example from a proxy."""
    detail: str
    """Human-readable explanation."""
    errors: list[FieldError]
    """All invalid fields of the request; empty if the error does not concern a field."""
    retry_after: float | None
    """Seconds to wait before a retry, if the server sent `Retry-After`."""

    def __init__(
        self, status_code: int, code: str, detail: str, errors: list[FieldError] | None = None, retry_after: float | None = None
    ) -> None:
        self.status_code, self.code, self.detail, self.errors, self.retry_after = status_code, code, detail, errors or [], retry_after
        fields = ", ".join(error.field for error in self.errors)
        super().__init__(f"{status_code} {code}: {detail}" + (f" ({fields})" if fields else ""))


class AuthenticationError(ApiError):
    """401: the token is missing, invalid or expired."""


class PermissionDeniedError(ApiError):
    """403: the caller lacks the role or scope for this operation."""


class NotFoundError(ApiError):
    """404: the resource does not exist, or belongs to another user."""


class RateLimitError(ApiError):
    """429: a rate limit, a quota or a budget is exhausted, or the queue is full."""


class ApiConnectionError(OpenRunnerError):
    """The server could not be reached, or the connection failed, for longer than the retry timeout. `__cause__` has the last failure."""


class StreamError(OpenRunnerError):
    """An event stream violated the protocol twice at the same position."""


class LogTruncatedError(OpenRunnerError):
    """The next event is not in the server's log.

    Either retention removed the start of the log: `next_seq` is then the first event left, and `follow(run_id, after=error.next_seq - 1)`
    continues from there. Or the log is shorter than what was already read (`next_seq` is not greater than the last event read), for example
    because the server was restored from a backup.
    """

    next_seq: int
    """Sequence number at which the log continues."""

    def __init__(self, message: str, next_seq: int) -> None:
        super().__init__(message)
        self.next_seq = next_seq


_BY_STATUS = {401: AuthenticationError, 403: PermissionDeniedError, 404: NotFoundError, 429: RateLimitError}


def error_from_response(response: httpx.Response) -> ApiError:
    """Builds the exception for an error response whose body has been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    kind = _BY_STATUS.get(response.status_code, ApiError)
    code, detail = str(problem.get("code", "unknown")), str(problem.get("detail", response.reason_phrase))
    return kind(response.status_code, code, detail, _field_errors(problem.get("errors")), _retry_after(response))


def _field_errors(errors: Any) -> list[FieldError]:
    entries = errors if isinstance(errors, list) else []
    return [FieldError(*(str(entry.get(name, "")) for name in FieldError._fields)) for entry in entries if isinstance(entry, dict)]


def _retry_after(response: httpx.Response) -> float | None:
    # The date form is ignored: it depends on synchronized clocks, and the usual backoff is good enough.
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else None

"""What can go wrong, as types. A run that fails is not among it: that is told by its `done`."""

from __future__ import annotations

import httpx


class OpenRunnerError(Exception):
    """The parent of all that this package raises by itself."""


class ApiError(OpenRunnerError):
    """The server refused, or something before it did."""

    status: int
    """The HTTP status."""
    code: str
    """Which refusal it is, for programs: one of those in docs/api.md; `unknown` if the answer was not the server's own."""
    detail: str
    """What is wrong, for a person."""
    field: str | None
    """The one field of the request that is at fault, if there is one."""
    retry_after: float | None
    """After how many seconds it may be worth trying again, if the server said so."""

    def __init__(self, status: int, code: str, detail: str, field: str | None = None, retry_after: float | None = None) -> None:
        super().__init__(f"{status} {code}: {detail}" + (f" ({field})" if field else ""))
        self.status, self.code, self.detail, self.field, self.retry_after = status, code, detail, field, retry_after


class Unauthorized(ApiError):
    """401: no token, or none that is good any more."""


class Forbidden(ApiError):
    """403: known, but not allowed to do this."""


class NotFound(ApiError):
    """404: not there, or somebody else's."""


class ConnectionLost(OpenRunnerError):
    """The server could not be reached, or the connection broke, for longer than was allowed. The cause says how."""


class BrokenStream(OpenRunnerError):
    """A stream of events held what it must not hold, again after it was asked for anew."""


class LogLost(OpenRunnerError):
    """The server's log of the run is shorter than what was read of it before: it is another log, perhaps a backup."""


def error_of(response: httpx.Response) -> ApiError:
    """The error that a response tells, whose body has been read."""
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {}
    code, detail, field = problem.get("code", "unknown"), problem.get("detail", response.reason_phrase), problem.get("field")
    kind = {401: Unauthorized, 403: Forbidden, 404: NotFound}.get(response.status_code, ApiError)
    return kind(response.status_code, str(code), str(detail), None if field is None else str(field), _retry_after(response))


def _retry_after(response: httpx.Response) -> float | None:
    # The other form of the header, a date, is not for clocks that may differ: the usual pause will do.
    seconds = response.headers.get("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else None

"""Retry policy: exponential backoff with jitter and an overall timeout."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import httpx

from ._errors import ApiConnectionError, ApiError, OpenRunnerError, StreamError


@dataclass(frozen=True)
class Retry:
    """Retry policy. All values are in seconds."""

    initial_delay: float = 0.2
    """Upper bound of the delay before the first retry. It doubles with each further failure; the actual delay is random."""
    max_delay: float = 15.0
    """Upper bound of every delay, unless the server asks for a longer one with `Retry-After`."""
    timeout: float | None = None
    """Raise the last failure after this long without success; `None` retries forever."""


class RetryState:
    """Counts the failures since the last success."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._since = time.monotonic()

    def reset(self) -> None:
        """Records a success."""
        self._failures = 0
        self._since = time.monotonic()

    def next_delay(self, failure: Exception) -> float:
        """Returns the seconds to wait after `failure`. Raises it if it is permanent or the timeout has passed."""
        if not _is_transient(failure):
            raise failure
        limit = min(self._retry.max_delay, self._retry.initial_delay * 2 ** min(self._failures, 30))
        delay = random.uniform(0, limit)
        if isinstance(failure, ApiError) and failure.retry_after is not None:
            # The random part on top keeps clients from returning all at once.
            delay += failure.retry_after
        self._failures += 1
        timeout = self._retry.timeout
        if timeout is not None and time.monotonic() + delay > self._since + timeout:
            if isinstance(failure, OpenRunnerError):
                raise failure
            raise ApiConnectionError(f"no connection for {timeout:g} seconds: {failure!r}") from failure
        return delay


def _is_transient(failure: Exception) -> bool:
    """Whether the same request may succeed later."""
    if isinstance(failure, ApiError):
        return failure.status_code in (408, 425, 429) or failure.status_code >= 500
    return isinstance(failure, httpx.TransportError | ApiConnectionError | StreamError)

"""How long to wait before the next attempt, and when to give up."""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

import httpx

from ._errors import ApiError, BrokenStream, ConnectionLost, OpenRunnerError


@dataclass(frozen=True)
class Retry:
    """How attempts follow each other. All in seconds."""

    first: float = 0.2
    """At most so long before the second attempt; the bound doubles with each that follows. How long really is random."""
    longest: float = 15.0
    """No pause is longer, unless the server asks for one by `Retry-After`."""
    give_up_after: float | None = None
    """Without success for so long, the failure is raised; `None` is never."""


class Attempts:
    """Counts the failures since the last success."""

    def __init__(self, retry: Retry) -> None:
        self._retry = retry
        self._failures = 0
        self._since = time.monotonic()

    def succeeded(self) -> None:
        """Begins to count anew."""
        self._failures = 0
        self._since = time.monotonic()

    def pause(self, failure: Exception) -> float:
        """How long to wait after this failure. Raises it instead if it will not pass, or the time for trying is over."""
        if not _passes(failure):
            raise failure
        longest = min(self._retry.longest, self._retry.first * 2 ** min(self._failures, 30))
        pause = random.uniform(0, longest)
        if isinstance(failure, ApiError) and failure.retry_after is not None:
            # A little later than asked for, and not all at once.
            pause += failure.retry_after
        self._failures += 1
        patience = self._retry.give_up_after
        if patience is not None and time.monotonic() + pause > self._since + patience:
            if isinstance(failure, OpenRunnerError):
                raise failure
            raise ConnectionLost(f"no connection for {patience:g} seconds: {failure!r}") from failure
        return pause


def _passes(failure: Exception) -> bool:
    """Whether the same request may go better later."""
    if isinstance(failure, ApiError):
        return failure.status in (408, 425, 429) or failure.status >= 500
    return isinstance(failure, httpx.TransportError | ConnectionLost | BrokenStream)

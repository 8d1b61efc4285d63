"""Resumable event streams: every event exactly once and in order, across reconnects.

`Follower` holds the protocol state and does no I/O; `follow` and `follow_async` make its requests.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, NamedTuple, cast

import anyio
import httpx

from ._errors import ApiConnectionError, LogTruncatedError, OpenRunnerError, StreamError, error_from_response
from ._retry import Retry, RetryState
from ._sse import Frame, Parser
from .models import Event


class StreamRequest(NamedTuple):
    """Which stream to read, and how."""

    url: str
    headers: dict[str, str]
    after: int
    retry: Retry
    timeout: float


class Follower:
    """The position of one reader in a run's log."""

    def __init__(self, request: StreamRequest) -> None:
        self._request = request
        self._retry = RetryState(request.retry)
        self._last_seq = request.after
        self._protocol_error_at: int | None = None
        self.ended = False

    def headers(self) -> dict[str, str]:
        """Headers of the next request."""
        return {
            **self._request.headers,
            "Accept": "text/event-stream",
            "Cache-Control": "no-store",
            "Last-Event-ID": str(self._last_seq),
        }

    def timeout(self) -> httpx.Timeout:
        """Timeouts of the next request. A connection without even a keep-alive is considered dead."""
        return httpx.Timeout(10.0, read=self._request.timeout)

    def check_response(self, response: httpx.Response) -> bool:
        """Returns whether the response carries events. If not (204), all events were already read.

        Raises `StreamError` if the response is not an event stream.
        """
        if response.status_code == 204:
            self.ended = True
            return False
        content_type = response.headers.get("Content-Type", "")
        if not content_type.startswith("text/event-stream"):
            raise StreamError(f"expected an event stream, got {content_type or 'no content type'}")
        return True

    def handle_frame(self, frame: Frame) -> Event | None:
        """Returns the event of a frame, or `None` if it is a duplicate."""
        try:
            event: Any = json.loads(frame.data)
        except ValueError:
            raise StreamError(f"invalid JSON after event {self._last_seq}") from None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise StreamError(f"frame without an event type after event {self._last_seq}")
        if frame.id is None and event["type"] == "notice" and event.get("code") == "gap":
            data = event.get("data")
            next_seq = data.get("next") if isinstance(data, dict) else None
            if type(next_seq) is not int:
                raise StreamError(f"gap notice without `next` after event {self._last_seq}")
            raise LogTruncatedError(str(event.get("message")), next_seq)
        if frame.id is None and event["type"] == "notice":
            # Not part of the log, such as `access_ended`: reconnecting tells why.
            return None
        seq = event.get("seq")
        if type(seq) is not int or str(seq) != frame.id:
            raise StreamError(f"missing or inconsistent sequence number after event {self._last_seq}")
        if seq > self._last_seq + 1:
            raise StreamError(f"event {seq} follows event {self._last_seq}")
        if seq <= self._last_seq:
            return None
        self._last_seq = seq
        self.ended = event["type"] == "done"
        self._retry.reset()
        return cast(Event, event)

    def next_delay(self, failure: Exception) -> float:
        """Returns the seconds to wait before reconnecting. Raises `failure` if reconnecting cannot help or the retry timeout has passed."""
        if isinstance(failure, StreamError):
            # The first one may be a fault of the connection; a second one at the same position is not.
            if self._protocol_error_at == self._last_seq:
                raise failure
            self._protocol_error_at = self._last_seq
        return self._retry.next_delay(failure)


_ENDED_EARLY = "the stream ended before `done`"


def follow(http: httpx.Client, request: StreamRequest) -> Generator[Event, None, None]:
    """Yields the events of a run up to `done`, reconnecting as needed."""
    follower = Follower(request)
    while not follower.ended:
        failure: Exception = ApiConnectionError(_ENDED_EARLY)
        try:
            with http.stream("GET", request.url, headers=follower.headers(), timeout=follower.timeout()) as response:
                if response.status_code not in (200, 204):
                    response.read()
                    raise error_from_response(response)
                if follower.check_response(response):
                    parser = Parser()
                    for chunk in response.iter_bytes():
                        for frame in parser.feed(chunk):
                            if (event := follower.handle_frame(frame)) is not None:
                                yield event
                            if follower.ended:
                                return
        except (httpx.TransportError, OpenRunnerError) as error:
            failure = error
        if not follower.ended:
            time.sleep(follower.next_delay(failure))


async def follow_async(http: httpx.AsyncClient, request: StreamRequest) -> AsyncGenerator[Event, None]:
    """Asynchronous version of `follow`."""
    follower = Follower(request)
    while not follower.ended:
        failure: Exception = ApiConnectionError(_ENDED_EARLY)
        try:
            async with http.stream("GET", request.url, headers=follower.headers(), timeout=follower.timeout()) as response:
                if response.status_code not in (200, 204):
                    await response.aread()
                    raise error_from_response(response)
                if follower.check_response(response):
                    parser = Parser()
                    async for chunk in response.aiter_bytes():
                        for frame in parser.feed(chunk):
                            if (event := follower.handle_frame(frame)) is not None:
                                yield event
                            if follower.ended:
                                return
        except (httpx.TransportError, OpenRunnerError) as error:
            failure = error
        if not follower.ended:
            await anyio.sleep(follower.next_delay(failure))

"""Following a run: every event once, in order, whatever happens to the connection.

`Follower` knows what to ask for and what an answer means; it does no I/O. `follow` and `follow_async` carry its requests out.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncGenerator, Generator
from typing import Any, NamedTuple, cast

import anyio
import httpx

from ._errors import BrokenStream, ConnectionLost, LogLost, OpenRunnerError, error_of
from ._retry import Attempts, Retry
from ._sse import Frame, Parser
from .models import Event


class Stream(NamedTuple):
    """Which stream, and how to read it."""

    url: str
    headers: dict[str, str]
    after: int
    retry: Retry
    quiet: float


class Follower:
    """How far one reader has come."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._attempts = Attempts(stream.retry)
        self._last = stream.after
        self._broken_at: int | None = None
        self.ended = False

    def headers(self) -> dict[str, str]:
        """What the next request says."""
        return {**self._stream.headers, "Accept": "text/event-stream", "Cache-Control": "no-store", "Last-Event-ID": str(self._last)}

    def timeout(self) -> httpx.Timeout:
        """A connection on which not even a keep-alive comes is dead."""
        return httpx.Timeout(10.0, read=self._stream.quiet)

    def streams(self, response: httpx.Response) -> bool:
        """Whether events come with this response; if not, all have come before."""
        if response.status_code == 204:
            self.ended = True
            return False
        if not response.headers.get("Content-Type", "").startswith("text/event-stream"):
            raise BrokenStream("the answer is no stream of events")
        return True

    def take(self, frame: Frame) -> Event | None:
        """The event of a frame, if it is a new one."""
        try:
            event: Any = json.loads(frame.data)
        except ValueError:
            raise BrokenStream(f"after event {self._last} comes what is not JSON") from None
        if not isinstance(event, dict) or not isinstance(event.get("type"), str):
            raise BrokenStream(f"after event {self._last} comes what is no event")
        if frame.id is None and event["type"] == "notice" and event.get("code") == "gap":
            raise LogLost(str(event.get("message")))
        seq = event.get("seq")
        if type(seq) is not int or str(seq) != frame.id:
            raise BrokenStream(f"after event {self._last} comes one without its number")
        if seq > self._last + 1:
            raise BrokenStream(f"after event {self._last} comes event {seq}")
        if seq <= self._last:
            return None
        self._last = seq
        self.ended = event["type"] == "done"
        self._attempts.succeeded()
        return cast(Event, event)

    def pause(self, failure: Exception) -> float:
        """How long to wait before the stream is asked for again. Raises the failure if that would not help."""
        if isinstance(failure, BrokenStream):
            # Once it may be the connection's fault. The same again is the server's.
            if self._broken_at == self._last:
                raise failure
            self._broken_at = self._last
        return self._attempts.pause(failure)


_BROKE_OFF = "the stream ended before `done`"


def follow(http: httpx.Client, stream: Stream) -> Generator[Event, None, None]:
    """The events of a run up to `done`."""
    follower = Follower(stream)
    while not follower.ended:
        failure: Exception = ConnectionLost(_BROKE_OFF)
        try:
            with http.stream("GET", stream.url, headers=follower.headers(), timeout=follower.timeout()) as response:
                if response.status_code not in (200, 204):
                    response.read()
                    raise error_of(response)
                if follower.streams(response):
                    parser = Parser()
                    for chunk in response.iter_bytes():
                        for frame in parser.feed(chunk):
                            if (event := follower.take(frame)) is not None:
                                yield event
                            if follower.ended:
                                return
        except (httpx.TransportError, OpenRunnerError) as error:
            failure = error
        if not follower.ended:
            time.sleep(follower.pause(failure))


async def follow_async(http: httpx.AsyncClient, stream: Stream) -> AsyncGenerator[Event, None]:
    """The events of a run up to `done`."""
    follower = Follower(stream)
    while not follower.ended:
        failure: Exception = ConnectionLost(_BROKE_OFF)
        try:
            async with http.stream("GET", stream.url, headers=follower.headers(), timeout=follower.timeout()) as response:
                if response.status_code not in (200, 204):
                    await response.aread()
                    raise error_of(response)
                if follower.streams(response):
                    parser = Parser()
                    async for chunk in response.aiter_bytes():
                        for frame in parser.feed(chunk):
                            if (event := follower.take(frame)) is not None:
                                yield event
                            if follower.ended:
                                return
        except (httpx.TransportError, OpenRunnerError) as error:
            failure = error
        if not follower.ended:
            await anyio.sleep(follower.pause(failure))

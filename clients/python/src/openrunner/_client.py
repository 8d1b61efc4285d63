"""The client: the plain calls, the follower, and a handle for a run. Once for code that blocks, once for code that awaits."""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import AsyncGenerator, Generator
from dataclasses import replace
from types import TracebackType
from typing import Any
from urllib.parse import quote

import anyio
import httpx
from typing_extensions import Self, Unpack

from . import models
from ._calls import AsyncCalls, Calls
from ._errors import OpenRunnerError, error_of
from ._follow import Stream, follow, follow_async
from ._handle import AsyncRunHandle, RunHandle
from ._retry import Attempts, Retry

# Longer than the longest `?wait=`, and than most chats take.
_TIMEOUT = httpx.Timeout(10.0, read=660.0)
# Three of the keep-alives that a server sends when there is nothing to tell.
_QUIET = 45.0
_CALLS = Retry(give_up_after=30.0)


class _Settings:
    """What both clients know."""

    def __init__(self, url: str, token: str | None, retry: Retry, quiet: float) -> None:
        self.url = url.rstrip("/")
        self.token = token
        self._retry = retry
        self._quiet = quiet

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _request(self, method: str, path: str, query: dict[str, Any] | None, body: Any, key: str | None) -> dict[str, Any]:
        """A request as httpx takes it. Made once for all attempts, since a key stands for the same bytes only."""
        headers = self._headers()
        if key is not None:
            headers["Idempotency-Key"] = key
        request: dict[str, Any] = {"method": method, "url": self.url + path, "headers": headers}
        if query:
            request["params"] = {name: value for name, value in query.items() if value is not None}
        if body is not None:
            headers["Content-Type"] = "application/json"
            request["content"] = json.dumps(body).encode()
        return request

    def _attempts(self, method: str, key: str | None) -> Attempts:
        # What would be done twice if the answer alone was lost is tried once.
        return Attempts(self._retry if method == "GET" or key is not None else replace(self._retry, give_up_after=0.0))

    def _stream(self, run_id: str, after: int, give_up_after: float | None) -> Stream:
        url = f"{self.url}/api/runs/{quote(run_id, safe='')}/events"
        return Stream(url, self._headers(), after, replace(self._retry, give_up_after=give_up_after), self._quiet)


def _run_request(prompt: str, metadata: models.RunMetadata) -> models.CreateRunRequest:
    return {"input": {"text": prompt}, "metadata": metadata}


def _answer(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None
    raise error_of(response)


class Client(_Settings, Calls):
    """A client that blocks. Its plain calls are the methods of `Calls`; close it, or use it in a `with`.

    Calls that can be repeated without harm are repeated when the server cannot be reached, up to `retry.give_up_after`: those that
    only read, and those that carry an `Idempotency-Key`, which is made up where none is given.

    `quiet` is after how many seconds without a byte a stream counts as dead; a server tells every 15 that it lives.
    """

    def __init__(
        self, url: str, token: str | None = None, *, retry: Retry = _CALLS, quiet: float = _QUIET, http: httpx.Client | None = None
    ) -> None:
        super().__init__(url, token, retry, quiet)
        self._http = http or httpx.Client(timeout=_TIMEOUT)

    @classmethod
    def with_login(cls, url: str, username: str, password: str) -> Self:
        """A client with a new token of this user's."""
        client = cls(url)
        client.token = client.login({"username": username, "password": password})["token"]
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes its connections. Runs go on."""
        self._http.close()

    def run(self, prompt: str, **metadata: Unpack[models.RunMetadata]) -> RunHandle:
        """Starts a run: `run("create hello.py", agent_type="codex", cwd="/tmp/test")`. It is made once, whatever the connection does."""
        created = self.create_run(_run_request(prompt, metadata))
        return RunHandle(self, created["run_id"], created["session_id"])

    def follow(self, run_id: str, *, after: int = 0, give_up_after: float | None = None) -> Generator[models.Event, None, None]:
        """The events of a run after number `after`, each once and in order, up to `done`.

        Goes on by itself where it was when the connection breaks, and when the server goes and comes back. Without an event for
        `give_up_after` seconds of trying, it raises what is in the way; by itself it never gives up. `Unauthorized`, `Forbidden` and
        `NotFound` are raised at once, as are `LogLost` and, if it comes twice at one place, `BrokenStream`.

        An event is a dictionary, as the server sent it. Skip one whose `type` you do not know: a later server may have more.
        """
        return follow(self._http, self._stream(run_id, after, give_up_after))

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        keyed: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        key = (idempotency_key or str(uuid.uuid4())) if keyed else None
        request, attempts = self._request(method, path, query, body, key), self._attempts(method, key)
        while True:
            try:
                return _answer(self._http.request(**request))
            except (httpx.TransportError, OpenRunnerError) as error:
                pause = attempts.pause(error)
            time.sleep(pause)


class AsyncClient(_Settings, AsyncCalls):
    """`Client` for asyncio and trio: the same calls, to be awaited. Close it, or use it in an `async with`."""

    def __init__(
        self, url: str, token: str | None = None, *, retry: Retry = _CALLS, quiet: float = _QUIET, http: httpx.AsyncClient | None = None
    ) -> None:
        super().__init__(url, token, retry, quiet)
        self._http = http or httpx.AsyncClient(timeout=_TIMEOUT)

    @classmethod
    async def with_login(cls, url: str, username: str, password: str) -> Self:
        """A client with a new token of this user's."""
        client = cls(url)
        client.token = (await client.login({"username": username, "password": password}))["token"]
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes its connections. Runs go on."""
        await self._http.aclose()

    async def run(self, prompt: str, **metadata: Unpack[models.RunMetadata]) -> AsyncRunHandle:
        """Starts a run. It is made once, whatever the connection does."""
        created = await self.create_run(_run_request(prompt, metadata))
        return AsyncRunHandle(self, created["run_id"], created["session_id"])

    def follow(self, run_id: str, *, after: int = 0, give_up_after: float | None = None) -> AsyncGenerator[models.Event, None]:
        """As `Client.follow`. Who leaves before the end closes it: `async with contextlib.aclosing(client.follow(run)) as events`."""
        return follow_async(self._http, self._stream(run_id, after, give_up_after))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        keyed: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        key = (idempotency_key or str(uuid.uuid4())) if keyed else None
        request, attempts = self._request(method, path, query, body, key), self._attempts(method, key)
        while True:
            try:
                return _answer(await self._http.request(**request))
            except (httpx.TransportError, OpenRunnerError) as error:
                pause = attempts.pause(error)
            await anyio.sleep(pause)

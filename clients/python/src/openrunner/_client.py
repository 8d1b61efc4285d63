"""The synchronous and the asynchronous client."""

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
from ._errors import OpenRunnerError, error_from_response
from ._handle import AsyncRunClient, AsyncRunHandle, RunClient, RunHandle
from ._retry import Retry, RetryState
from ._stream import StreamRequest, follow, follow_async

# The read timeout exceeds the longest `?wait=` and most chats.
_TIMEOUT = httpx.Timeout(10.0, read=660.0)
# Three of the server's keep-alive intervals of 15 seconds.
_STREAM_TIMEOUT = 45.0
_RETRY = Retry(timeout=30.0)


class _ClientBase:
    """State and request building shared by both clients."""

    def __init__(self, base_url: str, token: str | None, retry: Retry, stream_timeout: float) -> None:
        self.base_url = base_url.rstrip("/")
        self.token = token
        self._retry = retry
        self._stream_timeout = stream_timeout

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    def _request(self, method: str, path: str, query: dict[str, Any] | None, body: Any, key: str | None) -> dict[str, Any]:
        """Builds the arguments for httpx, once for all attempts: an idempotency key is only valid with identical bytes."""
        headers = self._headers()
        if key is not None:
            headers["Idempotency-Key"] = key
        request: dict[str, Any] = {"method": method, "url": self.base_url + path, "headers": headers}
        if query:
            request["params"] = {name: value for name, value in query.items() if value is not None}
        if body is not None:
            headers["Content-Type"] = "application/json"
            request["content"] = json.dumps(body).encode()
        return request

    def _retry_state(self, method: str, key: str | None) -> RetryState:
        # A request that is not idempotent might be carried out twice if only its response was lost.
        return RetryState(self._retry if method == "GET" or key is not None else replace(self._retry, timeout=0.0))

    def _stream_request(self, run_id: str, after: int, retry_timeout: float | None) -> StreamRequest:
        url = f"{self.base_url}/api/runs/{quote(run_id, safe='')}/events"
        return StreamRequest(url, self._headers(), after, replace(self._retry, timeout=retry_timeout), self._stream_timeout)


def _run_request(prompt: str, metadata: models.RunMetadata) -> models.CreateRunRequest:
    return {"input": {"text": prompt}, "metadata": metadata}


def _content(response: httpx.Response) -> bytes:
    if response.is_success:
        return response.content
    raise error_from_response(response)


def _response_body(response: httpx.Response) -> Any:
    if response.is_success:
        return response.json() if response.content else None
    raise error_from_response(response)


class Client(_ClientBase, RunClient):
    """Synchronous client with one method per API operation. Close it, or use it in a `with` statement.

    Idempotent requests (`GET`, and requests with an `Idempotency-Key`, which is generated if not given) are retried while the server is
    unreachable or overloaded, up to `retry.timeout` (30 seconds by default).

    `stream_timeout` is the number of seconds without a byte after which an event stream is considered dead and reopened; the server sends a
    keep-alive every 15 seconds.
    """

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        retry: Retry = _RETRY,
        stream_timeout: float = _STREAM_TIMEOUT,
        http_client: httpx.Client | None = None,
    ) -> None:
        super().__init__(base_url, token, retry, stream_timeout)
        self._http = http_client or httpx.Client(timeout=_TIMEOUT)

    @classmethod
    def with_login(cls, base_url: str, username: str, password: str) -> Self:
        """Logs in and returns a client that uses the new token."""
        client = cls(base_url)
        client.token = client.login({"username": username, "password": password})["token"]
        return client

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connections. Runs continue."""
        self._http.close()

    def run(self, prompt: str, **metadata: Unpack[models.RunMetadata]) -> RunHandle:
        """Starts exactly one run, even if the connection fails: `run("create hello.py", agent_type="codex", cwd="/tmp/test")`."""
        created = self.create_run(_run_request(prompt, metadata))
        return RunHandle(self, created["run_id"], created["session_id"])

    def upload(self, name: str, content: bytes) -> models.UploadedFile:
        """Uploads a file of at most 20 MiB for `file_id` in parts of prompts and messages. It is kept for a day."""
        uploaded: models.UploadedFile = json.loads(self._bytes("POST", "/api/files", query={"name": name}, content=content))
        return uploaded

    def follow(self, run_id: str, *, after: int = 0, retry_timeout: float | None = None) -> Generator[models.Event, None, None]:
        """Yields the run's events after sequence number `after`, each exactly once and in order, up to `done`.

        Reconnects and resumes by itself when the connection fails or the server restarts. `retry_timeout` limits the seconds without a new
        event before the last failure is raised; by default there is no limit. `AuthenticationError`, `PermissionDeniedError`,
        `NotFoundError` and `LogTruncatedError` are raised immediately, `StreamError` if it occurs twice at the same position.

        An event is the dictionary that the server sent. Ignore events whose `type` you do not know: newer servers may add types.
        """
        return follow(self._http, self._stream_request(run_id, after, retry_timeout))

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        key = (idempotency_key or str(uuid.uuid4())) if idempotent else None
        request, state = self._request(method, path, query, body, key), self._retry_state(method, key)
        while True:
            try:
                return _response_body(self._http.request(**request))
            except (httpx.TransportError, OpenRunnerError) as error:
                delay = state.next_delay(error)
            time.sleep(delay)

    def _bytes(self, method: str, path: str, *, query: dict[str, Any] | None = None, content: bytes | None = None) -> bytes:
        request, state = self._request(method, path, query, None, None), self._retry_state(method, None)
        request["content"] = content
        while True:
            try:
                return _content(self._http.request(**request))
            except (httpx.TransportError, OpenRunnerError) as error:
                delay = state.next_delay(error)
            time.sleep(delay)


class AsyncClient(_ClientBase, AsyncRunClient):
    """Asynchronous version of `Client`, for asyncio and trio. Close it, or use it in an `async with` statement."""

    def __init__(
        self,
        base_url: str,
        token: str | None = None,
        *,
        retry: Retry = _RETRY,
        stream_timeout: float = _STREAM_TIMEOUT,
        http_client: httpx.AsyncClient | None = None,
    ) -> None:
        super().__init__(base_url, token, retry, stream_timeout)
        self._http = http_client or httpx.AsyncClient(timeout=_TIMEOUT)

    @classmethod
    async def with_login(cls, base_url: str, username: str, password: str) -> Self:
        """Logs in and returns a client that uses the new token."""
        client = cls(base_url)
        client.token = (await client.login({"username": username, "password": password}))["token"]
        return client

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Closes the connections. Runs continue."""
        await self._http.aclose()

    async def run(self, prompt: str, **metadata: Unpack[models.RunMetadata]) -> AsyncRunHandle:
        """Starts exactly one run, even if the connection fails. See `Client.run`."""
        created = await self.create_run(_run_request(prompt, metadata))
        return AsyncRunHandle(self, created["run_id"], created["session_id"])

    async def upload(self, name: str, content: bytes) -> models.UploadedFile:
        """Uploads a file of at most 20 MiB for `file_id` in parts of prompts and messages. It is kept for a day."""
        uploaded: models.UploadedFile = json.loads(await self._bytes("POST", "/api/files", query={"name": name}, content=content))
        return uploaded

    def follow(self, run_id: str, *, after: int = 0, retry_timeout: float | None = None) -> AsyncGenerator[models.Event, None]:
        """See `Client.follow`. To stop before the end, close the generator: `async with contextlib.aclosing(client.follow(id)) as events`."""
        return follow_async(self._http, self._stream_request(run_id, after, retry_timeout))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: dict[str, Any] | None = None,
        body: Any = None,
        idempotent: bool = False,
        idempotency_key: str | None = None,
    ) -> Any:
        key = (idempotency_key or str(uuid.uuid4())) if idempotent else None
        request, state = self._request(method, path, query, body, key), self._retry_state(method, key)
        while True:
            try:
                return _response_body(await self._http.request(**request))
            except (httpx.TransportError, OpenRunnerError) as error:
                delay = state.next_delay(error)
            await anyio.sleep(delay)

    async def _bytes(self, method: str, path: str, *, query: dict[str, Any] | None = None, content: bytes | None = None) -> bytes:
        request, state = self._request(method, path, query, None, None), self._retry_state(method, None)
        request["content"] = content
        while True:
            try:
                return _content(await self._http.request(**request))
            except (httpx.TransportError, OpenRunnerError) as error:
                delay = state.next_delay(error)
            await anyio.sleep(delay)

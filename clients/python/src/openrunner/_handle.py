"""Handles for single runs. Dropping a handle does not affect its run."""

from __future__ import annotations

import json
from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator, Sequence
from typing import Any
from urllib.parse import quote

from . import models
from ._calls import AsyncCalls, Calls

_ENDED = ("completed", "failed", "cancelled", "timed_out", "interrupted")
# Seconds that one long poll for the end of a run may take; another one follows.
_WAIT_SECS = 30


class RunClient(Calls):
    """What a `RunHandle` needs from its client."""

    @abstractmethod
    def follow(self, run_id: str, *, after: int = 0, retry_timeout: float | None = None) -> Generator[models.Event, None, None]: ...

    @abstractmethod
    def _bytes(self, method: str, path: str, *, query: dict[str, Any] | None = None, content: bytes | None = None) -> bytes: ...


class AsyncRunClient(AsyncCalls):
    """What an `AsyncRunHandle` needs from its client."""

    @abstractmethod
    def follow(self, run_id: str, *, after: int = 0, retry_timeout: float | None = None) -> AsyncGenerator[models.Event, None]: ...

    @abstractmethod
    async def _bytes(self, method: str, path: str, *, query: dict[str, Any] | None = None, content: bytes | None = None) -> bytes: ...


def _message(text: str, mode: models.MessageMode, parts: Sequence[dict[str, Any]]) -> models.MessageRequest:
    message: models.MessageRequest = {"text": text, "mode": mode}
    if parts:
        message["parts"] = list(parts)
    return message


def _answer_request(decision: models.Decision | None, message: str | None, answers: list[models.OneOrMore] | None) -> models.AnswerRequest:
    request: models.AnswerRequest = {}
    if decision is not None:
        request["decision"] = decision
    if message is not None:
        request["message"] = message
    if answers is not None:
        request["answers"] = answers
    return request


def _revert_request(turn: int | None, snapshot: str | None, paths: list[str] | None) -> models.RevertRequest:
    request: models.RevertRequest = {}
    if turn is not None:
        request["turn"] = turn
    if snapshot is not None:
        request["snapshot"] = snapshot
    if paths is not None:
        request["paths"] = paths
    return request


def _file_path(run_id: str, path: str) -> str:
    return f"/api/runs/{quote(run_id, safe='')}/files/{quote(path)}"


# Under this name, because the methods below are called `list`.
_FileList = list[models.RunFile]


class RunFiles:
    """The files in the working directory of a run. Paths are relative to it."""

    def __init__(self, client: RunClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    def list(self, path: str | None = None, *, turn: int | None = None) -> _FileList:
        """Lists a directory, as it is now or was after `turn`; 0 stands for the start of the run."""
        files: list[models.RunFile] = []
        cursor: str | None = None
        while True:
            page = self._client.list_files(self._run_id, path=path, turn=turn, limit=200, cursor=cursor)
            files += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return files

    def read(self, path: str, *, turn: int | None = None) -> bytes:
        """Reads a file, as it is now or was after `turn`."""
        return self._client._bytes("GET", _file_path(self._run_id, path), query={"turn": turn})

    def write(self, path: str, content: bytes) -> models.RunFile:
        """Writes a file of at most 20 MiB, and creates missing directories."""
        written: models.RunFile = json.loads(self._client._bytes("PUT", _file_path(self._run_id, path), content=content))
        return written

    def archive(self, path: str | None = None, *, changed: bool = False) -> bytes:
        """Downloads a directory, or the files that the run has changed, as tar.gz."""
        query = {"path": path, "changed": "true" if changed else None}
        return self._client._bytes("GET", f"/api/runs/{quote(self._run_id, safe='')}/archive", query=query)


class AsyncRunFiles:
    """Asynchronous version of `RunFiles`."""

    def __init__(self, client: AsyncRunClient, run_id: str) -> None:
        self._client = client
        self._run_id = run_id

    async def list(self, path: str | None = None, *, turn: int | None = None) -> _FileList:
        """Lists a directory, as it is now or was after `turn`; 0 stands for the start of the run."""
        files: list[models.RunFile] = []
        cursor: str | None = None
        while True:
            page = await self._client.list_files(self._run_id, path=path, turn=turn, limit=200, cursor=cursor)
            files += page["items"]
            cursor = page["next_cursor"]
            if cursor is None:
                return files

    async def read(self, path: str, *, turn: int | None = None) -> bytes:
        """Reads a file, as it is now or was after `turn`."""
        return await self._client._bytes("GET", _file_path(self._run_id, path), query={"turn": turn})

    async def write(self, path: str, content: bytes) -> models.RunFile:
        """Writes a file of at most 20 MiB, and creates missing directories."""
        written: models.RunFile = json.loads(await self._client._bytes("PUT", _file_path(self._run_id, path), content=content))
        return written

    async def archive(self, path: str | None = None, *, changed: bool = False) -> bytes:
        """Downloads a directory, or the files that the run has changed, as tar.gz."""
        query = {"path": path, "changed": "true" if changed else None}
        return await self._client._bytes("GET", f"/api/runs/{quote(self._run_id, safe='')}/archive", query=query)


class RunHandle:
    """A run started by a `Client`."""

    def __init__(self, client: RunClient, run_id: str, session_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self.session_id = session_id
        self.files = RunFiles(client, run_id)

    def events(self, *, after: int = 0, retry_timeout: float | None = None) -> Generator[models.Event, None, None]:
        """Streams the run's events up to `done`. See `Client.follow`."""
        return self._client.follow(self.run_id, after=after, retry_timeout=retry_timeout)

    def result(self) -> models.Run:
        """Waits until the run has ended and returns it. `status` and `cause` state the outcome, `result` is the agent's final text."""
        while True:
            run = self._client.get_run(self.run_id, wait=_WAIT_SECS)
            if run["status"] in _ENDED:
                return run

    def cancel(self) -> models.Run:
        """Requests cancellation. The run has ended once its `done` event arrives."""
        return self._client.cancel_run(self.run_id)

    def changes(self, *, turn: int | None = None) -> models.RunChanges:
        """What the run has changed in its working directory, or one of its turns. Lists all files."""
        changes = self._client.list_changes(self.run_id, turn=turn, limit=200)
        while (cursor := changes["next_cursor"]) is not None:
            page = self._client.list_changes(self.run_id, turn=turn, limit=200, cursor=int(cursor))
            page["items"] = changes["items"] + page["items"]
            changes = page
        return changes

    def revert(self, *, turn: int | None = None, snapshot: str | None = None, paths: list[str] | None = None) -> models.RevertResponse:
        """Reverts the working directory to its state after `turn`, or to a snapshot. Reverting to the `undo` of the result undoes it."""
        return self._client.revert_run(self.run_id, _revert_request(turn, snapshot, paths))

    def send(self, text: str, mode: models.MessageMode = "queue", parts: Sequence[dict[str, Any]] = ()) -> models.MessageResponse:
        """Sends a further message to the live run, with images and files as `parts`."""
        return self._client.send_message(self.run_id, _message(text, mode, parts))

    def answer(
        self,
        request_id: str,
        decision: models.Decision | None = None,
        *,
        message: str | None = None,
        answers: list[models.OneOrMore] | None = None,
    ) -> models.AnswerResponse:
        """Answers an open request: a permission request with `decision`, a question with `answers`."""
        return self._client.answer_request(self.run_id, request_id, _answer_request(decision, message, answers))


class AsyncRunHandle:
    """A run started by an `AsyncClient`."""

    def __init__(self, client: AsyncRunClient, run_id: str, session_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self.session_id = session_id
        self.files = AsyncRunFiles(client, run_id)

    def events(self, *, after: int = 0, retry_timeout: float | None = None) -> AsyncGenerator[models.Event, None]:
        """Streams the run's events up to `done`. See `AsyncClient.follow`."""
        return self._client.follow(self.run_id, after=after, retry_timeout=retry_timeout)

    async def result(self) -> models.Run:
        """Waits until the run has ended and returns it. `status` and `cause` state the outcome, `result` is the agent's final text."""
        while True:
            run = await self._client.get_run(self.run_id, wait=_WAIT_SECS)
            if run["status"] in _ENDED:
                return run

    async def cancel(self) -> models.Run:
        """Requests cancellation. The run has ended once its `done` event arrives."""
        return await self._client.cancel_run(self.run_id)

    async def changes(self, *, turn: int | None = None) -> models.RunChanges:
        """What the run has changed in its working directory, or one of its turns. Lists all files."""
        changes = await self._client.list_changes(self.run_id, turn=turn, limit=200)
        while (cursor := changes["next_cursor"]) is not None:
            page = await self._client.list_changes(self.run_id, turn=turn, limit=200, cursor=int(cursor))
            page["items"] = changes["items"] + page["items"]
            changes = page
        return changes

    async def revert(
        self, *, turn: int | None = None, snapshot: str | None = None, paths: list[str] | None = None
    ) -> models.RevertResponse:
        """Reverts the working directory to its state after `turn`, or to a snapshot. Reverting to the `undo` of the result undoes it."""
        return await self._client.revert_run(self.run_id, _revert_request(turn, snapshot, paths))

    async def send(self, text: str, mode: models.MessageMode = "queue", parts: Sequence[dict[str, Any]] = ()) -> models.MessageResponse:
        """Sends a further message to the live run, with images and files as `parts`."""
        return await self._client.send_message(self.run_id, _message(text, mode, parts))

    async def answer(
        self,
        request_id: str,
        decision: models.Decision | None = None,
        *,
        message: str | None = None,
        answers: list[models.OneOrMore] | None = None,
    ) -> models.AnswerResponse:
        """Answers an open request: a permission request with `decision`, a question with `answers`."""
        return await self._client.answer_request(self.run_id, request_id, _answer_request(decision, message, answers))

"""Handles for single runs. Dropping a handle does not affect its run."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import AsyncGenerator, Generator

from . import models
from ._calls import AsyncCalls, Calls

_ENDED = ("completed", "failed", "cancelled", "timed_out", "interrupted")
# Seconds that one long poll for the end of a run may take; another one follows.
_WAIT_SECS = 30


class RunClient(Calls):
    """What a `RunHandle` needs from its client."""

    @abstractmethod
    def follow(self, run_id: str, *, after: int = 0, retry_timeout: float | None = None) -> Generator[models.Event, None, None]: ...


class AsyncRunClient(AsyncCalls):
    """What an `AsyncRunHandle` needs from its client."""

    @abstractmethod
    def follow(self, run_id: str, *, after: int = 0, retry_timeout: float | None = None) -> AsyncGenerator[models.Event, None]: ...


def _answer_request(decision: models.Decision | None, message: str | None, answers: list[models.OneOrMore] | None) -> models.AnswerRequest:
    request: models.AnswerRequest = {}
    if decision is not None:
        request["decision"] = decision
    if message is not None:
        request["message"] = message
    if answers is not None:
        request["answers"] = answers
    return request


class RunHandle:
    """A run started by a `Client`."""

    def __init__(self, client: RunClient, run_id: str, session_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self.session_id = session_id

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

    def send(self, text: str, mode: models.MessageMode = "queue") -> models.MessageResponse:
        """Sends a further message to the live run."""
        return self._client.send_message(self.run_id, {"text": text, "mode": mode})

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

    async def send(self, text: str, mode: models.MessageMode = "queue") -> models.MessageResponse:
        """Sends a further message to the live run."""
        return await self._client.send_message(self.run_id, {"text": text, "mode": mode})

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

"""A run in the hand of who started it. Dropping a handle ends nothing."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from typing import TYPE_CHECKING

from . import models

if TYPE_CHECKING:
    from ._client import AsyncClient, Client

_ENDED = ("completed", "failed", "cancelled", "timed_out", "interrupted")
# How long one question for the end stays open; then the next one follows.
_WAIT = 30


def _answer(decision: models.Decision | None, message: str | None, answers: list[models.OneOrMore] | None) -> models.AnswerRequest:
    request: models.AnswerRequest = {}
    if decision is not None:
        request["decision"] = decision
    if message is not None:
        request["message"] = message
    if answers is not None:
        request["answers"] = answers
    return request


class RunHandle:
    """One run of a `Client`."""

    def __init__(self, client: Client, run_id: str, session_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self.session_id = session_id

    def events(self, *, after: int = 0, give_up_after: float | None = None) -> Generator[models.Event, None, None]:
        """Its events up to `done`: see `Client.follow`."""
        return self._client.follow(self.run_id, after=after, give_up_after=give_up_after)

    def result(self) -> models.Run:
        """Waits for its end and gives the run: `status` and `cause` say how it ended, `result` is the agent's final text."""
        while True:
            run = self._client.get_run(self.run_id, wait=_WAIT)
            if run["status"] in _ENDED:
                return run

    def cancel(self) -> models.Run:
        """Asks for its end. It has come when `done` has."""
        return self._client.cancel_run(self.run_id)

    def send(self, text: str, mode: models.MessageMode = "queue") -> models.MessageResponse:
        """Says something more to it."""
        return self._client.send_message(self.run_id, {"text": text, "mode": mode})

    def answer(
        self,
        request_id: str,
        decision: models.Decision | None = None,
        *,
        message: str | None = None,
        answers: list[models.OneOrMore] | None = None,
    ) -> models.AnswerResponse:
        """Answers what its agent asked: a permission with a decision, a question with answers."""
        return self._client.answer_request(self.run_id, request_id, _answer(decision, message, answers))


class AsyncRunHandle:
    """One run of an `AsyncClient`."""

    def __init__(self, client: AsyncClient, run_id: str, session_id: str) -> None:
        self._client = client
        self.run_id = run_id
        self.session_id = session_id

    def events(self, *, after: int = 0, give_up_after: float | None = None) -> AsyncGenerator[models.Event, None]:
        """Its events up to `done`: see `AsyncClient.follow`."""
        return self._client.follow(self.run_id, after=after, give_up_after=give_up_after)

    async def result(self) -> models.Run:
        """Waits for its end and gives the run: `status` and `cause` say how it ended, `result` is the agent's final text."""
        while True:
            run = await self._client.get_run(self.run_id, wait=_WAIT)
            if run["status"] in _ENDED:
                return run

    async def cancel(self) -> models.Run:
        """Asks for its end. It has come when `done` has."""
        return await self._client.cancel_run(self.run_id)

    async def send(self, text: str, mode: models.MessageMode = "queue") -> models.MessageResponse:
        """Says something more to it."""
        return await self._client.send_message(self.run_id, {"text": text, "mode": mode})

    async def answer(
        self,
        request_id: str,
        decision: models.Decision | None = None,
        *,
        message: str | None = None,
        answers: list[models.OneOrMore] | None = None,
    ) -> models.AnswerResponse:
        """Answers what its agent asked: a permission with a decision, a question with answers."""
        return await self._client.answer_request(self.run_id, request_id, _answer(decision, message, answers))

"""The follower against a server that violates the protocol, and the SSE parser against every way to split its input."""

from __future__ import annotations

import contextlib
import time

import pytest

from openrunner import (
    ApiConnectionError,
    ApiError,
    AuthenticationError,
    FieldError,
    LogTruncatedError,
    NotFoundError,
    PermissionDeniedError,
    Retry,
    StreamError,
)
from openrunner._sse import Frame, Parser
from support import HOLD, RETRY, ScriptedServer, follow, frame, problem, seqs, stream

DONE = frame(3, "done")
NO_CONTENT = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def test_duplicate_events_are_dropped(kind: str) -> None:
    with contextlib.closing(ScriptedServer(stream(frame(1), frame(1), frame(2), frame(1)), stream(frame(2), DONE))) as server:
        assert seqs(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
        assert server.last_event_ids == ["0", "2"]


def test_a_missing_event_is_requested_again(kind: str) -> None:
    with contextlib.closing(ScriptedServer(stream(frame(1), DONE), stream(frame(2), DONE))) as server:
        assert seqs(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
        assert server.last_event_ids == ["0", "1"]


@pytest.mark.parametrize(
    "invalid",
    [
        DONE,
        b"id: 2\nevent: token\ndata: {\n\n",
        b"id: 2\nevent: token\ndata: 7\n\n",
        b'id: 2\nevent: token\ndata: {"seq":2}\n\n',
        b'id: 3\nevent: token\ndata: {"seq":2,"type":"token"}\n\n',
        b'event: notice\ndata: {"type":"notice","code":"gap"}\n\n',
        b'event: token\ndata: {"seq":2,"type":"token"}\n\n',
        b'id: 2\nevent: token\ndata: {"seq":"2","type":"token"}\n\n',
    ],
)
def test_an_invalid_frame_is_requested_again_once(kind: str, invalid: bytes) -> None:
    with contextlib.closing(ScriptedServer(stream(frame(1), invalid), stream(frame(2), DONE))) as server:
        assert seqs(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
    with contextlib.closing(ScriptedServer(stream(frame(1), invalid), stream(invalid))) as server, pytest.raises(StreamError):
        list(follow(kind, server.url, "", "run_1"))


def test_a_response_that_is_not_an_event_stream_raises_a_stream_error(kind: str) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"
    with contextlib.closing(ScriptedServer(page, page)) as server, pytest.raises(StreamError):
        list(follow(kind, server.url, "", "run_1"))


def test_a_log_shorter_than_what_was_read_raises_log_truncated(kind: str) -> None:
    gap = b'event: notice\ndata: {"type":"notice","level":"warning","code":"gap","message":"it ends at 1","data":{"after":2,"next":2}}\n\n'
    with (
        contextlib.closing(ScriptedServer(stream(frame(1), frame(2)), stream(gap, frame(2)))) as server,
        pytest.raises(LogTruncatedError),
    ):
        list(follow(kind, server.url, "", "run_1"))


def test_reading_can_continue_after_the_truncated_part_of_a_log(kind: str) -> None:
    gap = b'event: notice\ndata: {"type":"notice","level":"warning","code":"gap","message":"cut","data":{"after":0,"next":2}}\n\n'
    with contextlib.closing(ScriptedServer(stream(gap, frame(2), DONE), stream(frame(2), DONE))) as server:
        with pytest.raises(LogTruncatedError) as truncated:
            list(follow(kind, server.url, "", "run_1"))
        assert seqs(follow(kind, server.url, "", "run_1", after=truncated.value.next_seq - 1)) == [2, 3]
        assert server.last_event_ids == ["0", "1"]


def test_comments_and_empty_frames_are_ignored(kind: str) -> None:
    idle = b": keep-alive\n\n\n\nevent: token\n\n"
    with contextlib.closing(ScriptedServer(stream(idle, frame(1), idle, frame(2), idle, DONE))) as server:
        assert seqs(follow(kind, server.url, "", "run_1")) == [1, 2, 3]


def test_following_ends_at_done(kind: str) -> None:
    with contextlib.closing(ScriptedServer(stream(frame(1), frame(2, "done"), frame(3)) + HOLD)) as server:
        assert seqs(follow(kind, server.url, "", "run_1")) == [1, 2]


def test_following_a_log_that_was_fully_read_yields_nothing(kind: str) -> None:
    with contextlib.closing(ScriptedServer(NO_CONTENT)) as server:
        assert seqs(follow(kind, server.url, "", "run_1", after=3)) == []
        assert server.last_event_ids == ["3"]


def test_a_silent_connection_is_replaced(kind: str) -> None:
    with contextlib.closing(ScriptedServer(stream(frame(1), frame(2)) + HOLD, HOLD, stream(DONE))) as server:
        assert seqs(follow(kind, server.url, "", "run_1", stream_timeout=0.2)) == [1, 2, 3]
        assert server.last_event_ids == ["0", "2", "2"]


def test_retry_after_is_respected(kind: str) -> None:
    busy = [problem(503, "overloaded", "Retry-After: 1"), problem(429, "too_many_requests", "Retry-After: 0"), problem(502, "x")]
    with contextlib.closing(ScriptedServer(*busy, stream(frame(1), frame(2), DONE))) as server:
        started = time.monotonic()
        assert seqs(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
        assert time.monotonic() - started >= 1


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, AuthenticationError), (403, PermissionDeniedError), (404, NotFoundError), (421, ApiError), (422, ApiError), (302, ApiError)],
)
def test_a_permanent_error_is_raised_immediately(kind: str, status: int, error: type[ApiError]) -> None:
    with contextlib.closing(ScriptedServer(stream(frame(1)), problem(status, "some_code"))) as server, pytest.raises(error) as raised:
        list(follow(kind, server.url, "", "run_1"))
    assert (raised.value.status_code, raised.value.code, raised.value.detail) == (status, "some_code", "in a test")
    assert raised.value.errors == [FieldError("metadata.cwd", "invalid", "must be absolute")]
    assert str(raised.value) == f"{status} some_code: in a test (metadata.cwd)"


def test_retrying_stops_after_the_retry_timeout(kind: str) -> None:
    with contextlib.closing(ScriptedServer()) as server:
        url = server.url
    started = time.monotonic()
    with pytest.raises(ApiConnectionError):
        list(follow(kind, url, "", "run_1", retry_timeout=0.5))
    assert time.monotonic() - started < 5
    with contextlib.closing(ScriptedServer(*[problem(503, "overloaded")] * 99)) as server, pytest.raises(ApiError) as raised:
        list(follow(kind, server.url, "", "run_1", retry_timeout=0.5))
    assert raised.value.code == "overloaded"


def test_delays_grow_up_to_a_maximum_and_are_reset_by_a_success() -> None:
    from openrunner._retry import RetryState

    state = RetryState(Retry(initial_delay=1.0, max_delay=8.0))
    failure = ApiConnectionError("in a test")
    for maximum in (1, 2, 4, 8, 8, 8):
        assert 0 <= state.next_delay(failure) <= maximum
    state.reset()
    assert state.next_delay(failure) <= 1
    assert 30 <= state.next_delay(ApiError(503, "overloaded", "", retry_after=30.0)) <= 32
    assert RETRY.timeout is None


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_frames_do_not_depend_on_how_bytes_are_split(line_end: str) -> None:
    text = "id: 1\nevent: token\ndata: {ß\u2028\U0001f980}\n\n: keep-alive\n\ndata:a\ndata: b\nunknown: x\nid\n\nid: 3\n\ndata: cut off\n"
    whole = text.replace("\n", line_end).encode()
    expected = [Frame("1", "token", "{ß\u2028\U0001f980}"), Frame("", "", "a\nb")]
    assert list(Parser().feed(whole)) == expected
    for first in range(len(whole) + 1):
        for second in range(first, len(whole) + 1, 7):
            parser = Parser()
            frames = [frame for chunk in (whole[:first], whole[first:second], whole[second:]) for frame in parser.feed(chunk)]
            assert frames == expected, (first, second)

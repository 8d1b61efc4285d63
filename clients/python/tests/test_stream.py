"""The follower against a server that says what a good one never would, and the parser against every way to cut its input."""

from __future__ import annotations

import contextlib
import time

import pytest

from openrunner import ApiError, BrokenStream, ConnectionLost, Forbidden, LogLost, NotFound, Retry, Unauthorized
from openrunner._sse import Frame, Parser
from support import HOLD, RETRY, Scripted, follow, frame, numbers, refusal, stream

DONE = frame(3, "done")
EMPTY = b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def test_what_comes_twice_is_given_once(kind: str) -> None:
    with contextlib.closing(Scripted(stream(frame(1), frame(1), frame(2), frame(1)), stream(frame(2), DONE))) as server:
        assert numbers(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
        assert server.last_event_ids == ["0", "2"]


def test_a_hole_is_asked_for_again(kind: str) -> None:
    with contextlib.closing(Scripted(stream(frame(1), DONE), stream(frame(2), DONE))) as server:
        assert numbers(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
        assert server.last_event_ids == ["0", "1"]


@pytest.mark.parametrize(
    "bad",
    [
        DONE,
        b"id: 2\nevent: token\ndata: {\n\n",
        b"id: 2\nevent: token\ndata: 7\n\n",
        b'id: 2\nevent: token\ndata: {"seq":2}\n\n',
        b'id: 3\nevent: token\ndata: {"seq":2,"type":"token"}\n\n',
        b'event: token\ndata: {"seq":2,"type":"token"}\n\n',
        b'id: 2\nevent: token\ndata: {"seq":"2","type":"token"}\n\n',
    ],
)
def test_a_bad_frame_is_asked_for_again_once(kind: str, bad: bytes) -> None:
    with contextlib.closing(Scripted(stream(frame(1), bad), stream(frame(2), DONE))) as server:
        assert numbers(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
    with contextlib.closing(Scripted(stream(frame(1), bad), stream(bad))) as server, pytest.raises(BrokenStream):
        list(follow(kind, server.url, "", "run_1"))


def test_what_is_no_stream_is_no_stream_however_often_it_comes(kind: str) -> None:
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html>"
    with contextlib.closing(Scripted(page, page)) as server, pytest.raises(BrokenStream):
        list(follow(kind, server.url, "", "run_1"))


def test_a_log_that_is_shorter_than_what_was_read_is_not_read_on(kind: str) -> None:
    gap = b'event: notice\ndata: {"type":"notice","level":"warning","code":"gap","message":"it ends at 1","data":{"after":2,"next":2}}\n\n'
    with contextlib.closing(Scripted(stream(frame(1), frame(2)), stream(gap, frame(2)))) as server, pytest.raises(LogLost):
        list(follow(kind, server.url, "", "run_1"))


def test_comments_and_empty_frames_are_nothing(kind: str) -> None:
    idle = b": keep-alive\n\n\n\nevent: token\n\n"
    with contextlib.closing(Scripted(stream(idle, frame(1), idle, frame(2), idle, DONE))) as server:
        assert numbers(follow(kind, server.url, "", "run_1")) == [1, 2, 3]


def test_nothing_comes_after_done(kind: str) -> None:
    with contextlib.closing(Scripted(stream(frame(1), frame(2, "done"), frame(3)) + HOLD)) as server:
        assert numbers(follow(kind, server.url, "", "run_1")) == [1, 2]


def test_a_log_that_was_read_before_is_no_error(kind: str) -> None:
    with contextlib.closing(Scripted(EMPTY)) as server:
        assert numbers(follow(kind, server.url, "", "run_1", after=3)) == []
        assert server.last_event_ids == ["3"]


def test_a_connection_on_which_nothing_comes_is_given_up_and_made_anew(kind: str) -> None:
    with contextlib.closing(Scripted(stream(frame(1), frame(2)) + HOLD, HOLD, stream(DONE))) as server:
        assert numbers(follow(kind, server.url, "", "run_1", quiet=0.2)) == [1, 2, 3]
        assert server.last_event_ids == ["0", "2", "2"]


def test_a_server_that_is_busy_is_given_the_time_it_asks_for(kind: str) -> None:
    busy = [refusal(503, "overloaded", "Retry-After: 1"), refusal(429, "too_many_requests", "Retry-After: 0"), refusal(502, "x")]
    with contextlib.closing(Scripted(*busy, stream(frame(1), frame(2), DONE))) as server:
        began = time.monotonic()
        assert numbers(follow(kind, server.url, "", "run_1")) == [1, 2, 3]
        assert time.monotonic() - began >= 1


@pytest.mark.parametrize(
    ("status", "error"), [(401, Unauthorized), (403, Forbidden), (404, NotFound), (421, ApiError), (422, ApiError), (302, ApiError)]
)
def test_a_refusal_that_will_not_pass_is_raised_at_once(kind: str, status: int, error: type[ApiError]) -> None:
    with contextlib.closing(Scripted(stream(frame(1)), refusal(status, "some_code"))) as server, pytest.raises(error) as raised:
        list(follow(kind, server.url, "", "run_1"))
    assert (raised.value.status, raised.value.code, raised.value.detail) == (status, "some_code", "in a test")


def test_it_gives_up_if_it_is_told_to(kind: str) -> None:
    with contextlib.closing(Scripted()) as server:
        url = server.url
    began = time.monotonic()
    with pytest.raises(ConnectionLost):
        list(follow(kind, url, "", "run_1", give_up_after=0.5))
    assert time.monotonic() - began < 5
    with contextlib.closing(Scripted(*[refusal(503, "overloaded")] * 99)) as server, pytest.raises(ApiError) as raised:
        list(follow(kind, server.url, "", "run_1", give_up_after=0.5))
    assert raised.value.code == "overloaded"


def test_pauses_grow_up_to_a_bound_and_begin_anew_after_a_success() -> None:
    from openrunner._retry import Attempts

    attempts = Attempts(Retry(first=1.0, longest=8.0))
    lost = ConnectionLost("in a test")
    for bound in (1, 2, 4, 8, 8, 8):
        assert 0 <= attempts.pause(lost) <= bound
    attempts.succeeded()
    assert attempts.pause(lost) <= 1
    assert 30 <= attempts.pause(ApiError(503, "overloaded", "", retry_after=30.0)) <= 32
    assert RETRY.give_up_after is None


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_frames_are_the_same_wherever_their_bytes_are_cut(line_end: str) -> None:
    text = "id: 1\nevent: token\ndata: {ß\u2028\U0001f980}\n\n: keep-alive\n\ndata:a\ndata: b\nunknown: x\nid\n\nid: 3\n\ndata: cut off\n"
    whole = text.replace("\n", line_end).encode()
    expected = [Frame("1", "token", "{ß\u2028\U0001f980}"), Frame("", "", "a\nb")]
    assert list(Parser().feed(whole)) == expected
    for first in range(len(whole) + 1):
        for second in range(first, len(whole) + 1, 7):
            parser = Parser()
            found = [frame for piece in (whole[:first], whole[first:second], whole[second:]) for frame in parser.feed(piece)]
            assert found == expected, (first, second)

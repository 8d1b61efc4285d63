"""Both clients against the real server: whatever happens on the way, a reader gets what the server's own replay has."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from openrunner import ApiError, AsyncClient, Client, ConnectionLost, Forbidden, LogLost, NotFound, Retry, Unauthorized
from support import RETRY, Cutter, Server, follow, lengths


@pytest.fixture(scope="module")
def ended(server: Server) -> tuple[str, list[Any]]:
    """A run of 1500 lines that is over, and its events."""
    with server.client() as client:
        run = client.run("lines=1500", agent_type="counter")
        assert run.result()["result"] == "1500 lines"
    return run.run_id, server.replay(run.run_id)


def test_a_late_reader_gets_every_event_once(server: Server, kind: str, ended: tuple[str, list[Any]]) -> None:
    run_id, replay = ended
    assert list(follow(kind, server.url, server.token(), run_id)) == replay
    assert len(replay) > 1500


def test_a_reader_that_knows_some_gets_the_rest_and_one_that_knows_all_gets_nothing(
    server: Server, kind: str, ended: tuple[str, list[Any]]
) -> None:
    run_id, replay = ended
    assert list(follow(kind, server.url, server.token(), run_id, after=700)) == replay[700:]
    assert list(follow(kind, server.url, server.token(), run_id, after=len(replay))) == []
    with pytest.raises(LogLost):
        list(follow(kind, server.url, server.token(), run_id, after=len(replay) + 1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_connections_that_break_at_any_byte_lose_and_double_nothing(
    server: Server, kind: str, seed: int, ended: tuple[str, list[Any]]
) -> None:
    run_id, replay = ended
    proxy = Cutter(server.port, lengths(seed, 6000))
    with contextlib.closing(proxy):
        assert list(follow(kind, proxy.url, server.token(), run_id, retry=Retry(first=0.001, longest=0.01))) == replay
    assert proxy.cuts > 150


def test_a_live_run_is_followed_through_broken_connections(server: Server, kind: str) -> None:
    proxy = Cutter(server.port, lengths(4, 2500))
    with contextlib.closing(proxy), server.client() as client:
        run = client.run("lines=300 pause_ms=2", agent_type="counter")
        events = list(follow(kind, proxy.url, server.token(), run.run_id, retry=Retry(first=0.001, longest=0.01)))
    assert events == server.replay(run.run_id)
    assert proxy.cuts > 50


def test_a_server_that_is_killed_twice_in_the_middle_of_a_run_loses_and_doubles_nothing(own_server: Server, kind: str) -> None:
    with own_server.client() as client:
        run = client.run("lines=600 pause_ms=5", agent_type="counter")
        token = own_server.token()
        if kind == "blocking":
            events = []
            for event in follow(kind, own_server.url, token, run.run_id):
                events.append(event)
                if event["seq"] in (50, 250):
                    own_server.kill()
                    # Later than the reader comes back, which finds nobody there.
                    threading.Timer(0.3, own_server.start).start()
        else:
            events = anyio.run(_follow_and_kill, own_server, token, run.run_id)
        assert run.result()["status"] == "completed"
    assert events == own_server.replay(run.run_id)
    assert [event["type"] for event in events].count("done") == 1


async def _follow_and_kill(server: Server, token: str, run_id: str) -> list[Any]:
    events: list[Any] = []
    async with AsyncClient(server.url, token, retry=RETRY) as client:
        async for event in client.follow(run_id):
            events.append(event)
            if event["seq"] in (50, 250):
                server.kill()
                threading.Timer(0.3, server.start).start()
    return events


def test_a_run_whose_answer_was_lost_is_made_once(server: Server, kind: str) -> None:
    breaking: Iterator[int | None] = iter([0, 1, 100])
    proxy = Cutter(server.port, lambda: next(breaking, None))
    label = {"test": f"once-{kind}"}

    async def run_async() -> str:
        async with AsyncClient(proxy.url, token, retry=RETRY) as client:
            return (await client.run("hello", agent_type="demo", labels=label)).run_id

    with contextlib.closing(proxy), server.client() as direct:
        token = server.token()
        if kind == "blocking":
            with server.client(proxy.url) as client:
                breaking = iter([0, 1, 100])
                run_id = client.run("hello", agent_type="demo", labels=label).run_id
        else:
            run_id = anyio.run(run_async)
        made = direct.list_runs(label=f"test=once-{kind}")["items"]
    assert [run["run_id"] for run in made] == [run_id]
    assert proxy.cuts == 3


def test_a_call_that_may_not_be_repeated_is_made_once(server: Server) -> None:
    proxy = Cutter(server.port, lambda: 0)
    with contextlib.closing(proxy), server.client(proxy.url) as client, pytest.raises(ConnectionLost):
        client.create_key({"name": "ci", "scopes": ["runs:read"]})
    assert proxy.cuts == 1


def test_refusals_come_as_typed_errors(server: Server, kind: str) -> None:
    with server.client() as client:
        run = client.run("hello", agent_type="demo")
        for token, error in ((None, Unauthorized), ("nonsense", Unauthorized)):
            with pytest.raises(error) as refused:
                list(follow(kind, server.url, token or "", run.run_id))
            assert refused.value.status == 401
        with pytest.raises(NotFound) as missing:
            list(follow(kind, server.url, server.token(), "run_" + "0" * 32))
        assert missing.value.code == "not_found"
        with pytest.raises(ApiError) as wrong:
            client.run("hello", agent_type="nobody")
        assert (wrong.value.status, wrong.value.code, wrong.value.field) == (422, "unknown_agent", "metadata.agent_type")
    with Client.with_login(server.url, "user", "user") as other, pytest.raises(NotFound):
        other.get_run(run.run_id)
    with Client.with_login(server.url, "user", "user") as other, pytest.raises(Forbidden):
        other.list_users()


def test_a_run_can_be_asked_answered_and_spoken_to(server: Server) -> None:
    with server.client() as client:
        run = client.run("create hello.py", agent_type="demo", permission_mode="ask")
        seen = []
        for event in run.events():
            seen.append(event["type"])
            # The type tells which fields there are, also to mypy.
            if event["type"] == "permission_request":
                assert run.answer(event["id"], "deny", message="not now")["by"] == "user"
        assert "permission_resolved" in seen
        assert client.get_session(run.session_id)["runs"][0]["run_id"] == run.run_id
        waiting = client.run("create hello.py", agent_type="demo", permission_mode="ask")
        with pytest.raises(ApiError) as refused:
            waiting.send("and a test")
        assert refused.value.code == "messages_not_supported"
        waiting.cancel()
        assert waiting.result()["status"] == "cancelled"


def test_a_run_can_be_asked_answered_and_spoken_to_asynchronously(server: Server) -> None:
    async def conversation() -> None:
        async with await AsyncClient.with_login(server.url, "admin", "admin") as client:
            run = await client.run("create hello.py", agent_type="demo", permission_mode="ask")
            async for event in run.events():
                if event["type"] == "permission_request":
                    with pytest.raises(ApiError) as refused:
                        await run.send("and a test")
                    assert refused.value.code == "messages_not_supported"
                    await run.answer(event["id"], "allow_once")
            assert (await run.result())["status"] == "completed"
            assert (await run.cancel())["status"] == "completed"

    anyio.run(conversation)


def test_the_file_of_the_types_is_part_of_the_package() -> None:
    import openrunner

    assert openrunner.__file__ is not None
    assert (Path(openrunner.__file__).parent / "py.typed").exists()

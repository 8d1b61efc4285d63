"""Both clients against the real server: a reader gets the same events as the server's own replay, also over broken connections."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest

from openrunner import (
    ApiConnectionError,
    ApiError,
    AsyncClient,
    AuthenticationError,
    Client,
    LogTruncatedError,
    NotFoundError,
    PermissionDeniedError,
    Retry,
)
from support import RETRY, CuttingProxy, Server, follow, random_lengths


@pytest.fixture(scope="module")
def ended(server: Server) -> tuple[str, list[Any]]:
    """A finished run of 1500 lines and its events."""
    with server.client() as client:
        run = client.run("lines=1500", agent_type="counter")
        assert run.result()["result"] == "1500 lines"
    return run.run_id, server.replay(run.run_id)


def test_a_late_reader_gets_every_event_once(server: Server, kind: str, ended: tuple[str, list[Any]]) -> None:
    run_id, replay = ended
    assert list(follow(kind, server.url, server.token(), run_id)) == replay
    assert len(replay) > 1500


def test_following_resumes_after_the_given_event(server: Server, kind: str, ended: tuple[str, list[Any]]) -> None:
    run_id, replay = ended
    assert list(follow(kind, server.url, server.token(), run_id, after=700)) == replay[700:]
    assert list(follow(kind, server.url, server.token(), run_id, after=len(replay))) == []
    with pytest.raises(LogTruncatedError):
        list(follow(kind, server.url, server.token(), run_id, after=len(replay) + 1))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_connections_cut_at_any_byte_lose_and_repeat_no_event(server: Server, kind: str, seed: int, ended: tuple[str, list[Any]]) -> None:
    run_id, replay = ended
    proxy = CuttingProxy(server.port, random_lengths(seed, 6000))
    with contextlib.closing(proxy):
        assert list(follow(kind, proxy.url, server.token(), run_id, retry=Retry(initial_delay=0.001, max_delay=0.01))) == replay
    assert proxy.cuts > 150


def test_a_live_run_is_followed_through_broken_connections(server: Server, kind: str) -> None:
    proxy = CuttingProxy(server.port, random_lengths(4, 2500))
    with contextlib.closing(proxy), server.client() as client:
        run = client.run("lines=300 pause_ms=2", agent_type="counter")
        events = list(follow(kind, proxy.url, server.token(), run.run_id, retry=Retry(initial_delay=0.001, max_delay=0.01)))
    assert events == server.replay(run.run_id)
    assert proxy.cuts > 50


def test_killing_the_server_twice_during_a_run_loses_and_repeats_no_event(own_server: Server, kind: str) -> None:
    with own_server.client() as client:
        run = client.run("lines=600 pause_ms=5", agent_type="counter")
        token = own_server.token()
        if kind == "sync":
            events = []
            for event in follow(kind, own_server.url, token, run.run_id):
                events.append(event)
                if event["seq"] in (50, 250):
                    own_server.kill()
                    # The delay makes the client's first reconnects fail.
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


def test_a_run_is_created_once_although_its_response_was_lost(server: Server, kind: str) -> None:
    lengths: Iterator[int | None] = iter([0, 1, 100])
    proxy = CuttingProxy(server.port, lambda: next(lengths, None))
    labels = {"test": f"once-{kind}"}

    async def run_async() -> str:
        async with AsyncClient(proxy.url, token, retry=RETRY) as client:
            return (await client.run("hello", agent_type="demo", labels=labels)).run_id

    with contextlib.closing(proxy), server.client() as direct:
        token = server.token()
        if kind == "sync":
            with server.client(proxy.url) as client:
                lengths = iter([0, 1, 100])
                run_id = client.run("hello", agent_type="demo", labels=labels).run_id
        else:
            run_id = anyio.run(run_async)
        created = direct.list_runs(label=f"test=once-{kind}")["items"]
    assert [run["run_id"] for run in created] == [run_id]
    assert proxy.cuts == 3


def test_a_request_without_an_idempotency_key_is_not_retried(server: Server) -> None:
    proxy = CuttingProxy(server.port, lambda: 0)
    with contextlib.closing(proxy), server.client(proxy.url) as client, pytest.raises(ApiConnectionError):
        client.create_key({"name": "ci", "scopes": ["runs:read"]})
    assert proxy.cuts == 1


def test_error_responses_raise_typed_errors(server: Server, kind: str) -> None:
    with server.client() as client:
        run = client.run("hello", agent_type="demo")
        for token in (None, "nonsense"):
            with pytest.raises(AuthenticationError) as unauthenticated:
                list(follow(kind, server.url, token or "", run.run_id))
            assert unauthenticated.value.status_code == 401
        with pytest.raises(NotFoundError) as missing:
            list(follow(kind, server.url, server.token(), "run_" + "0" * 32))
        assert missing.value.code == "not_found"
        with pytest.raises(ApiError) as invalid:
            client.run("hello", agent_type="unknown")
        assert (invalid.value.status_code, invalid.value.code) == (422, "unknown_agent")
        assert [error.field for error in invalid.value.errors] == ["metadata.agent_type"]
    with Client.with_login(server.url, "user", "user") as other, pytest.raises(NotFoundError):
        other.get_run(run.run_id)
    with Client.with_login(server.url, "user", "user") as other, pytest.raises(PermissionDeniedError):
        other.list_users()


def test_a_handle_answers_requests_sends_messages_and_cancels(server: Server) -> None:
    with server.client() as client:
        run = client.run("create hello.py", agent_type="demo", permission_mode="ask")
        types = []
        for event in run.events():
            types.append(event["type"])
            # The type narrows the event for mypy.
            if event["type"] == "permission_request":
                assert run.answer(event["id"], "deny", message="not now")["by"] == "user"
        assert "permission_resolved" in types
        assert client.get_session(run.session_id)["runs"][0]["run_id"] == run.run_id
        waiting = client.run("create hello.py", agent_type="demo", permission_mode="ask")
        waiting.send("and a test")
        waiting.cancel()
        assert waiting.result()["status"] == "cancelled"
        assert [event["content"] for event in waiting.events() if event["type"] == "user_message"] == ["and a test"]
        with pytest.raises(ApiError) as rejected:
            waiting.send("and a test")
        assert rejected.value.code == "run_ended"


def test_a_handle_lists_what_its_run_has_changed(server: Server) -> None:
    with server.client() as client:
        run = client.run("create hello.py", agent_type="demo")
        run.result()
        changes = run.changes()
        assert [(file["path"], file["status"]) for file in changes["items"]] == [("hello.py", "added")]


def test_a_handle_reads_and_writes_the_files_of_its_run_and_reverts_them(server: Server) -> None:
    with server.client() as client:
        run = client.run("create hello.py", agent_type="demo")
        run.result()
        assert [file["path"] for file in run.files.list()] == ["hello.py"]
        text = run.files.read("hello.py")
        assert run.files.write("notes/a b.txt", b"\x00notes")["size"] == 6
        assert run.files.read("notes/a b.txt") == b"\x00notes"
        assert [file["type"] for file in run.files.list()] == ["file", "directory"]
        assert run.files.archive(changed=True)[:2] == b"\x1f\x8b"
        done = run.revert(turn=0)
        assert (done["files"], run.files.list()) == (2, [])
        assert run.files.read("hello.py", turn=1) == text
        run.revert(snapshot=done["undo"], paths=["notes"])
        assert run.files.read("notes/a b.txt") == b"\x00notes"
        with pytest.raises(NotFoundError):
            run.files.read("hello.py")


def test_an_uploaded_file_is_a_part_of_a_prompt(server: Server) -> None:
    with server.client() as client:
        uploaded = client.upload("a b.txt", b"notes")
        assert (uploaded["name"], uploaded["type"], uploaded["size"]) == ("a b.txt", "file", 5)
        part = {"type": "file", "file_id": uploaded["file_id"]}
        # This agent takes no files, which is said of the part, not of the upload.
        with pytest.raises(ApiError, match="takes no files"):
            client.create_run({"input": {"text": "read", "parts": [part]}, "metadata": {"agent_type": "demo"}})
        client.delete_file(uploaded["file_id"])
        with pytest.raises(NotFoundError):
            client.delete_file(uploaded["file_id"])


def test_an_async_client_uploads(server: Server) -> None:
    async def upload() -> None:
        async with await AsyncClient.with_login(server.url, "admin", "admin") as client:
            assert (await client.upload("a", b"x"))["media_type"] == "text/plain"

    anyio.run(upload)


def test_an_async_handle_reads_writes_and_reverts(server: Server) -> None:
    async def use_files() -> None:
        async with await AsyncClient.with_login(server.url, "admin", "admin") as client:
            run = await client.run("create hello.py", agent_type="demo")
            await run.result()
            await run.files.write("x", b"x")
            assert [file["path"] for file in await run.files.list()] == ["hello.py", "x"]
            assert await run.files.read("x") == b"x"
            assert (await run.files.archive())[:2] == b"\x1f\x8b"
            assert (await run.revert(turn=0))["files"] == 2

    anyio.run(use_files)


def test_an_async_handle_answers_requests_sends_messages_and_cancels(server: Server) -> None:
    async def converse() -> None:
        async with await AsyncClient.with_login(server.url, "admin", "admin") as client:
            run = await client.run("create hello.py", agent_type="demo", permission_mode="ask")
            async for event in run.events():
                if event["type"] == "permission_request":
                    await run.send("say that was all")
                    await run.answer(event["id"], "allow_once")
            assert (await run.result())["result"] == "that was all"
            with pytest.raises(ApiError) as rejected:
                await run.send("and a test")
            assert rejected.value.code == "run_ended"
            assert (await run.cancel())["status"] == "completed"

    anyio.run(converse)


def test_the_package_contains_its_type_marker() -> None:
    import openrunner

    assert openrunner.__file__ is not None
    assert (Path(openrunner.__file__).parent / "py.typed").exists()

"""A real server, a proxy that cuts connections, and a server that says what it is told to."""

from __future__ import annotations

import contextlib
import json
import os
import random
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import anyio
import httpx

from openrunner import AsyncClient, Client, Retry

ROOT = Path(__file__).resolve().parents[3]
PROGRAM = os.environ.get("OPENRUNNER_PROGRAM", str(ROOT / "target/debug/openrunner"))
CONFIG = f"""
[agents.counter]
protocol = "jsonl"
command = ["python3", "{ROOT / "clients/tests/counter.py"}"]

[agents.counter.fields]
message = {{ at = "/text", if = {{ "/type" = "delta" }} }}
result = {{ at = "/text", if = {{ "/type" = "end" }} }}
"""
# Tests wait for what they want to see and not for the clock.
RETRY = Retry(first=0.01, longest=0.2)


class Server:
    """The server, in a folder and on a port that it keeps when it is started again."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="openrunner-"))
        (self.folder / "data").mkdir(mode=0o700)
        (self.folder / "home").mkdir()
        (self.folder / "data/openrunner.toml").write_text(CONFIG)
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port: int = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.folder / "home"),
            "OPENRUNNER_ADDR": f"127.0.0.1:{self.port}",
            "OPENRUNNER_DATA_DIR": str(self.folder / "data"),
            "OPENRUNNER_AGENTS_DIR": str(self.folder / "agents"),
            "OPENRUNNER_MAX_RUNS": "8",
        }
        self.process = subprocess.Popen([PROGRAM, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        for line in self.process.stderr:
            if "openrunner is ready" in line:
                break
        else:
            raise AssertionError("the server did not start")
        # Its log is read to the end, so that it never has to wait.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self) -> None:
        """As a power cut would."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        # Asks for the end of its runs, too, as Ctrl-C does.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def client(self, url: str | None = None) -> Client:
        return Client(url or self.url, self.token(), retry=RETRY)

    def token(self) -> str:
        with Client(self.url) as client:
            return client.login({"username": "admin", "password": "admin"})["token"]

    def replay(self, run_id: str) -> list[Any]:
        """The run's events in the other form, read by other code."""
        headers = {"Authorization": f"Bearer {self.token()}", "Accept": "application/x-ndjson"}
        answer = httpx.get(f"{self.url}/api/runs/{run_id}/events", headers=headers, timeout=60)
        # Not `splitlines`, which would end lines in the middle of a text.
        return [json.loads(line) for line in answer.content.split(b"\n") if line]


def follow(kind: str, url: str, token: str, run_id: str, *, quiet: float = 45.0, retry: Retry = RETRY, **options: Any) -> Iterator[Any]:
    """The events of a run by the client of this kind, one by one."""
    if kind == "blocking":
        with Client(url, token, quiet=quiet, retry=retry) as client:
            yield from client.follow(run_id, **options)
        return

    async def read() -> list[Any]:
        async with AsyncClient(url, token, quiet=quiet, retry=retry) as client:
            return [event async for event in client.follow(run_id, **options)]

    yield from anyio.run(read)


class Listener:
    """Takes connections and gives each to a function in a thread of its own."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            threading.Thread(target=self._guarded, args=(connection,), daemon=True).start()

    def _guarded(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        # Wakes the thread that accepts.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class Cutter(Listener):
    """A proxy that passes on so many bytes of an answer as `lengths` says, then breaks the connection."""

    def __init__(self, port: int, lengths: Callable[[], int | None]) -> None:
        self._port, self._lengths = port, lengths
        self.cuts = 0
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        left = self._lengths()
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            while True:
                # One thread for both ways: a connection that another thread still reads would not be closed by closing it.
                readable, _, _ = select.select([connection, server], [], [])
                if connection in readable:
                    if not (request := connection.recv(65536)):
                        return
                    server.sendall(request)
                if server in readable:
                    # What comes here says, even if none of it is passed on, that what was asked for has been done.
                    if not (answer := server.recv(65536)):
                        return
                    connection.sendall(answer if left is None else answer[:left])
                    if left is not None and (left := left - len(answer)) <= 0:
                        break
        self.cuts += 1
        if self.cuts % 2:
            # A reset in place of an orderly end.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def lengths(seed: int, longest: int) -> Callable[[], int]:
    """Random lengths, the same ones for the same seed."""
    source = random.Random(seed)
    return lambda: source.randint(1, longest)


class Scripted(Listener):
    """Answers the n-th request with the n-th of these bytes and keeps what was asked. `HOLD` at their end leaves the connection open."""

    def __init__(self, *answers: bytes) -> None:
        self._answers = list(answers)
        self.last_event_ids: list[str] = []
        self._open = threading.Event()
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        fields = dict(line.split(": ", 1) for line in request.decode().split("\r\n")[1:] if ": " in line)
        self.last_event_ids.append({name.lower(): value for name, value in fields.items()}["last-event-id"])
        answer = self._answers.pop(0)
        connection.sendall(answer.removesuffix(HOLD))
        if answer.endswith(HOLD):
            self._open.wait(60)

    def close(self) -> None:
        self._open.set()
        super().close()


HOLD = b"<hold>"


def stream(*frames: bytes) -> bytes:
    """An answer with these frames, at whose end the connection ends."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + b"".join(frames)


def refusal(status: int, code: str, *headers: str) -> bytes:
    """An answer as the server refuses."""
    body = json.dumps({"type": "about:blank", "title": "No", "status": status, "detail": "in a test", "code": code})
    lines = [
        f"HTTP/1.1 {status} No",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def frame(seq: int, kind: str = "token") -> bytes:
    """A frame as the server writes it."""
    data = json.dumps({"seq": seq, "ts": "2026-11-22T13:05:00.123Z", "type": kind, "content": "x"})
    return f"id: {seq}\nevent: {kind}\ndata: {data}\n\n".encode()


def numbers(events: Iterator[Any]) -> list[int]:
    return [cast(int, event["seq"]) for event in events]

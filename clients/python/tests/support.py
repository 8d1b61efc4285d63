"""Test support: a real server, a proxy that cuts connections, and a server with scripted responses."""

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
# Short delays, so that tests do not wait for the backoff.
RETRY = Retry(initial_delay=0.01, max_delay=0.2)


class Server:
    """An OpenRunner server. It keeps its directory and its port across restarts."""

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix="openrunner-"))
        (self.directory / "data").mkdir(mode=0o700)
        (self.directory / "home").mkdir()
        (self.directory / "data/openrunner.toml").write_text(CONFIG)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.port: int = listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.start()

    def start(self) -> None:
        environment = {
            "PATH": "/usr/local/bin:/usr/bin:/bin",
            "HOME": str(self.directory / "home"),
            "OPENRUNNER_ADDR": f"127.0.0.1:{self.port}",
            "OPENRUNNER_DATA_DIR": str(self.directory / "data"),
            "OPENRUNNER_AGENTS_DIR": str(self.directory / "agents"),
            "OPENRUNNER_MAX_RUNS": "8",
        }
        self.process = subprocess.Popen([PROGRAM, "serve"], env=environment, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        for line in self.process.stderr:
            if "openrunner is ready" in line:
                break
        else:
            raise AssertionError("the server did not start")
        # Drains the log, so that the server never blocks on a full pipe.
        threading.Thread(target=self.process.stderr.read, daemon=True).start()

    def kill(self) -> None:
        """Kills the server without warning, like a power failure."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        # SIGINT, like Ctrl-C, also ends the server's runs.
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.kill()
        shutil.rmtree(self.directory, ignore_errors=True)

    def client(self, url: str | None = None) -> Client:
        return Client(url or self.url, self.token(), retry=RETRY)

    def token(self) -> str:
        with Client(self.url) as client:
            return client.login({"username": "admin", "password": "admin"})["token"]

    def replay(self, run_id: str) -> list[Any]:
        """Reads the run's events as NDJSON, without the client."""
        headers = {"Authorization": f"Bearer {self.token()}", "Accept": "application/x-ndjson"}
        response = httpx.get(f"{self.url}/api/runs/{run_id}/events", headers=headers, timeout=60)
        # Not `splitlines`, which also splits at other characters, such as U+2028.
        return [json.loads(line) for line in response.content.split(b"\n") if line]


def follow(
    kind: str, url: str, token: str, run_id: str, *, stream_timeout: float = 45.0, retry: Retry = RETRY, **options: Any
) -> Iterator[Any]:
    """Yields the events of a run, read by the client of this kind."""
    if kind == "sync":
        with Client(url, token, stream_timeout=stream_timeout, retry=retry) as client:
            yield from client.follow(run_id, **options)
        return

    async def read() -> list[Any]:
        async with AsyncClient(url, token, stream_timeout=stream_timeout, retry=retry) as client:
            return [event async for event in client.follow(run_id, **options)]

    yield from anyio.run(read)


class Listener:
    """Accepts connections and calls `serve` with each in its own thread."""

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
            threading.Thread(target=self._serve_and_close, args=(connection,), daemon=True).start()

    def _serve_and_close(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def close(self) -> None:
        # Wakes the accepting thread.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()


class CuttingProxy(Listener):
    """A proxy that breaks each connection after forwarding as many response bytes as `lengths` returns; `None` is unlimited."""

    def __init__(self, port: int, lengths: Callable[[], int | None]) -> None:
        self._port, self._lengths = port, lengths
        self.cuts = 0
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        left = self._lengths()
        with socket.create_connection(("127.0.0.1", self._port)) as server:
            while True:
                # One thread for both directions: closing a socket that another thread reads would not close the connection.
                readable, _, _ = select.select([connection, server], [], [])
                if connection in readable:
                    if not (request := connection.recv(65536)):
                        return
                    server.sendall(request)
                if server in readable:
                    # A response proves that the request was carried out, even if none of it is forwarded.
                    if not (response := server.recv(65536)):
                        return
                    connection.sendall(response if left is None else response[:left])
                    if left is not None and (left := left - len(response)) <= 0:
                        break
        self.cuts += 1
        if self.cuts % 2:
            # Every other cut is a reset instead of an orderly close.
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def random_lengths(seed: int, maximum: int) -> Callable[[], int]:
    """Returns a source of random lengths, the same for the same seed."""
    source = random.Random(seed)
    return lambda: source.randint(1, maximum)


class ScriptedServer(Listener):
    """Answers the n-th request with the n-th response and records each `Last-Event-ID`. A trailing `HOLD` keeps the connection open."""

    def __init__(self, *responses: bytes) -> None:
        self._responses = list(responses)
        self.last_event_ids: list[str] = []
        self._closed = threading.Event()
        super().__init__()

    def serve(self, connection: socket.socket) -> None:
        request = b""
        while b"\r\n\r\n" not in request:
            request += connection.recv(65536)
        fields = dict(line.split(": ", 1) for line in request.decode().split("\r\n")[1:] if ": " in line)
        self.last_event_ids.append({name.lower(): value for name, value in fields.items()}["last-event-id"])
        response = self._responses.pop(0)
        connection.sendall(response.removesuffix(HOLD))
        if response.endswith(HOLD):
            self._closed.wait(60)

    def close(self) -> None:
        self._closed.set()
        super().close()


HOLD = b"<hold>"


def stream(*frames: bytes) -> bytes:
    """Returns a response with these frames, after which the connection closes."""
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n" + b"".join(frames)


def problem(status: int, code: str, *headers: str) -> bytes:
    """Returns an error response in the server's format."""
    errors = [{"field": "metadata.cwd", "code": "invalid", "detail": "must be absolute"}]
    body = json.dumps({"type": "about:blank", "title": "No", "status": status, "detail": "in a test", "code": code, "errors": errors})
    lines = [
        f"HTTP/1.1 {status} No",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Connection: close",
        *headers,
    ]
    return ("\r\n".join(lines) + "\r\n\r\n" + body).encode()


def frame(seq: int, kind: str = "token") -> bytes:
    """Returns a frame as the server writes it."""
    data = json.dumps({"seq": seq, "ts": "2026-11-22T13:05:00.123Z", "type": kind, "content": "x"})
    return f"id: {seq}\nevent: {kind}\ndata: {data}\n\n".encode()


def seqs(events: Iterator[Any]) -> list[int]:
    return [cast(int, event["seq"]) for event in events]

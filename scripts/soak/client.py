"""A client that survives the death of the server: it repeats requests until they are answered."""

import http.client
import json
import threading
import time

RETRY_DELAY_SECS = 0.05
# Far longer than a server needs to start again.
GIVE_UP_SECS = 120


class Unreachable(Exception):
    """The server did not answer, because it is dead or was killed meanwhile."""


class Client:
    """Sends requests, with a connection per thread. Thread-safe."""

    def __init__(self, port):
        self.port = port
        self.token = None
        self.local = threading.local()

    def login(self, name, password):
        self.token = self.call("POST", "/api/auth/login", {"username": name, "password": password})[1]["token"]

    def call_once(self, method, path, body=None, key=None, timeout=60):
        """Returns the status and the parsed body. Raises `Unreachable` if there is no answer; the request may have been carried out."""
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        if key:
            headers["idempotency-key"] = key
        data = None
        if body is not None:
            headers["content-type"] = "application/json"
            data = json.dumps(body)
        connection = getattr(self.local, "connection", None) or http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        self.local.connection = None
        try:
            connection.request(method, path, data, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            raise Unreachable(f"{method} {path}: {error!r}") from error
        self.local.connection = connection
        return response.status, json.loads(text) if text else None

    def call(self, method, path, body=None, key=None):
        """Like `call_once`, but repeats the request until it is answered. Requests must be safe to repeat."""
        deadline = time.monotonic() + GIVE_UP_SECS
        while True:
            try:
                return self.call_once(method, path, body, key)
            except Unreachable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(RETRY_DELAY_SECS)

    def list(self, path):
        """All items of a list."""
        items, cursor = [], ""
        separator = "&" if "?" in path else "?"
        while True:
            status, page = self.call("GET", f"{path}{separator}limit=200{cursor}")
            if status != 200:
                raise RuntimeError(f"GET {path}: {status} {page}")
            items += page["items"]
            if not page["next_cursor"]:
                return items
            cursor = f"&cursor={page['next_cursor']}"

    def events(self, run, after=0, timeout=60):
        """Yields the events of a run after this one as lines of JSON, up to the end of the stream for any reason."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        headers = {"authorization": f"Bearer {self.token}", "accept": "application/x-ndjson"}
        try:
            connection.request("GET", f"/api/runs/{run}/events?after={after}", headers=headers)
            response = connection.getresponse()
            if response.status == 404:
                raise KeyError(run)
            while line := response.readline():
                # A line without its end was cut off by a kill. Empty lines keep the connection alive.
                if line.endswith(b"\n") and line != b"\n":
                    yield line
        except (OSError, http.client.HTTPException) as error:
            raise Unreachable(f"the stream of {run}: {error!r}") from error
        finally:
            connection.close()

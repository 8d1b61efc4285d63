"""Incremental parser for server-sent events. The result does not depend on how the bytes are split into chunks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Frame(NamedTuple):
    """One server-sent event."""

    id: str | None
    event: str
    data: str


class Parser:
    """Parses chunks of bytes into frames. A frame that the stream ends in the middle of is discarded.

    Unlike a browser, it does not carry an `id` over to later frames: frames without a sequence number are notices, not log events.
    """

    def __init__(self) -> None:
        # Pieces of an unfinished line, joined once when it ends.
        self._pieces: list[bytes] = []
        self._after_cr = False
        self._clear()

    def _clear(self) -> None:
        self._id: str | None = None
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """Yields the frames that this chunk completes. Invalid UTF-8 is replaced."""
        # CR and LF may arrive in separate chunks and still end only one line.
        if self._after_cr and chunk[:1] == b"\n":
            chunk = chunk[1:]
            self._after_cr = False
        if not chunk:
            return
        self._after_cr = chunk[-1:] == b"\r"
        *ended, rest = _LINE_END.split(chunk)
        for line in ended:
            if self._pieces:
                line = b"".join([*self._pieces, line])
                self._pieces.clear()
            if line:
                self._parse_field(line.decode(errors="replace"))
            else:
                if self._data:
                    yield Frame(self._id, self._event, "\n".join(self._data))
                self._clear()
        if rest:
            self._pieces.append(rest)

    def _parse_field(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id":
            self._id = value

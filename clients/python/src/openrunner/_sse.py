"""Server-sent events, from bytes to frames, however the bytes are cut."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r")


class Frame(NamedTuple):
    """One event of the stream, as it was sent."""

    id: str | None
    event: str
    data: str


class Parser:
    """Takes bytes as they come. What the stream breaks off in the middle of is never given out.

    Unlike a browser it does not carry an `id` over to frames without one: whether a frame has a number tells what it is.
    """

    def __init__(self) -> None:
        # Pieces of a line that is not over, so that a long one is put together once.
        self._pieces: list[bytes] = []
        self._after_cr = False
        self._clear()

    def _clear(self) -> None:
        self._id: str | None = None
        self._event = ""
        self._data: list[str] = []

    def feed(self, chunk: bytes) -> Iterator[Frame]:
        """The frames that are whole with this chunk. Text that is not UTF-8 is replaced."""
        # A line feed right after a carriage return ends no second line, even if the two come apart.
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
                self._take(line.decode(errors="replace"))
            else:
                if self._data:
                    yield Frame(self._id, self._event, "\n".join(self._data))
                self._clear()
        if rest:
            self._pieces.append(rest)

    def _take(self, line: str) -> None:
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if field == "data":
            self._data.append(value)
        elif field == "event":
            self._event = value
        elif field == "id":
            self._id = value

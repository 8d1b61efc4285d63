from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server for all tests that leave it as it is."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server that a test may kill."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=["blocking", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each of the two clients."""
    return str(request.param)

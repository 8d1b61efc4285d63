from __future__ import annotations

from collections.abc import Iterator

import pytest

from support import Server


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server shared by all tests that do not restart it."""
    server = Server()
    yield server
    server.close()


@pytest.fixture
def own_server() -> Iterator[Server]:
    """A server of one test, which may kill it."""
    server = Server()
    yield server
    server.close()


@pytest.fixture(params=["sync", "async"])
def kind(request: pytest.FixtureRequest) -> str:
    """Runs the test with `Client` and with `AsyncClient`."""
    return str(request.param)

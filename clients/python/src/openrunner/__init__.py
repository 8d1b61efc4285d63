"""Client of OpenRunner: start coding agents and follow what they do, without losing an event.

`Client` blocks, `AsyncClient` is awaited; `run` starts a run and gives a handle, `follow` reads the events of any run. The shapes
of what goes over the wire are in `openrunner.models`.
"""

from . import models
from ._client import AsyncClient, Client
from ._errors import ApiError, BrokenStream, ConnectionLost, Forbidden, LogLost, NotFound, OpenRunnerError, Unauthorized
from ._handle import AsyncRunHandle, RunHandle
from ._retry import Retry

__all__ = [
    "ApiError",
    "AsyncClient",
    "AsyncRunHandle",
    "BrokenStream",
    "Client",
    "ConnectionLost",
    "Forbidden",
    "LogLost",
    "NotFound",
    "OpenRunnerError",
    "Retry",
    "RunHandle",
    "Unauthorized",
    "models",
]

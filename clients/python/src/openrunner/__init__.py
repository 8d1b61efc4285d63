"""Client for OpenRunner: start coding agents and follow their event streams without losing an event.

`Client` is synchronous, `AsyncClient` asynchronous (asyncio, trio). `run` starts a run and returns a handle; `follow` streams the events of
any run. Request, response and event types are in `openrunner.models`.
"""

from . import models
from ._client import AsyncClient, Client
from ._errors import (
    ApiConnectionError,
    ApiError,
    AuthenticationError,
    FieldError,
    LogTruncatedError,
    NotFoundError,
    OpenRunnerError,
    PermissionDeniedError,
    RateLimitError,
    StreamError,
)
from ._handle import AsyncRunFiles, AsyncRunHandle, RunFiles, RunHandle
from ._retry import Retry

__all__ = [
    "ApiConnectionError",
    "ApiError",
    "AsyncClient",
    "AsyncRunFiles",
    "AsyncRunHandle",
    "AuthenticationError",
    "Client",
    "FieldError",
    "LogTruncatedError",
    "NotFoundError",
    "OpenRunnerError",
    "PermissionDeniedError",
    "RateLimitError",
    "Retry",
    "RunFiles",
    "RunHandle",
    "StreamError",
    "models",
]

"""Classify texts with a model that Triton serves.

>>> from tritext import Client
>>> with Client("grpc://127.0.0.1:8001", "sentiment") as client:  # doctest: +SKIP
...     client.classify(["I love it", "I hate it"])

Everything public is here; every module beside this one is private.
"""

from tritext._async_client import AsyncClient
from tritext._client import Client
from tritext._errors import (
    AccessDenied,
    BatchTooLarge,
    ConfigurationError,
    DeadlineExceeded,
    InferenceFailed,
    InvalidInput,
    QueueFull,
    RequestError,
    ServerError,
    TritextError,
    Unavailable,
    UnknownModel,
)
from tritext._prediction import Prediction
from tritext._version import __version__

__all__ = [
    "AccessDenied",
    "AsyncClient",
    "BatchTooLarge",
    "Client",
    "ConfigurationError",
    "DeadlineExceeded",
    "InferenceFailed",
    "InvalidInput",
    "Prediction",
    "QueueFull",
    "RequestError",
    "ServerError",
    "TritextError",
    "Unavailable",
    "UnknownModel",
    "__version__",
]

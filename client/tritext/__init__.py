"""Classify texts with a model that Triton serves.

>>> from tritext import Client
>>> with Client("grpc://127.0.0.1:8001", "sentiment") as client:  # doctest: +SKIP
...     client.classify(["I love it", "I hate it"])

Everything public is here; every module beside this one is private.
"""

from tritext._version import __version__

TYPE_CHECKING = False  # type checkers take it for true; `typing` would be more than all the rest here

if TYPE_CHECKING:
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

_HOMES = {"AsyncClient": "_async_client", "Client": "_client", "Prediction": "_prediction"}  # all others: _errors

if not TYPE_CHECKING:  # which would take any name for a public one

    def __getattr__(name: str) -> object:
        """Import what is public when it is asked for: nobody pays for the other client, nor the command for both."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        found = getattr(importlib.import_module(f"{__name__}.{_HOMES.get(name, '_errors')}"), name)
        globals()[name] = found
        return found

    def __dir__() -> list[str]:
        return __all__

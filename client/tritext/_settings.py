"""What a client was told, checked: arguments and environment in, frozen values out.

Only this file reads the environment. An argument beats a variable, which beats the default.

| variable | argument | default |
|---|---|---|
| ``TRITEXT_URL`` | ``url`` | ``grpc://127.0.0.1:8001`` |
| ``TRITEXT_MODEL`` | ``model`` | ``sentiment`` |
| ``TRITEXT_API_KEY`` | ``api_key`` | none |
"""

import os
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from tritext._errors import ConfigurationError

DEFAULT_URL = "grpc://127.0.0.1:8001"
DEFAULT_MODEL = "sentiment"
SCHEMES = {"grpc": False, "grpcs": True, "http": False, "https": True}  # to: encrypted or not

# Triton takes almost any name; these characters keep a name one segment of a URL's path.
_MODEL_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]{0,127}")
_LONGEST_TIMEOUT = 86_400
_HEADER_VALUE = re.compile(r"[\x21-\x7e]+")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where the server is and how to speak to it.

    Attributes:
        scheme: One of ``SCHEMES``.
        authority: ``host:port``.
        path: What stands before ``/v2`` on the server, without a trailing slash; empty for gRPC.
        api_key: Sent as ``Authorization: Bearer …``; never part of the repr.
        ca_file: Certificates to trust instead of the system's.
    """

    scheme: str
    authority: str
    path: str = ""
    api_key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None

    @property
    def encrypted(self) -> bool:
        """Whether the connection uses TLS."""
        return SCHEMES[self.scheme]

    @property
    def headers(self) -> dict[str, str]:
        """Headers that every request carries; lower case, which gRPC metadata requires."""
        return {"authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    def describe(self, model: str, version: str = "") -> str:
        """Name the server, model and version in a message."""
        return f"{self} model {model!r}" + (f" version {version}" if version else "")

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}{self.path}"


@dataclass(frozen=True, slots=True)
class Settings:
    """Everything a client knows before its first request.

    Attributes:
        endpoint: Where the server is.
        model: The front model's name.
        version: The model's version as digits; empty to let the server choose.
        timeout: Seconds for a whole call, retries and all chunks included.
        retries: How many times a request is sent again after the first one.
        max_batch_size: The most texts in one request.
        concurrency: The most requests of one call in flight.
        background: Whether every request lets those of others pass.
    """

    endpoint: Endpoint
    model: str
    version: str = ""
    timeout: float = 5.0
    retries: int = 3
    max_batch_size: int = 32
    concurrency: int = 4
    background: bool = False

    def __post_init__(self) -> None:
        if not _MODEL_NAME.fullmatch(self.model):
            raise ConfigurationError(f"model {self.model!r}: use letters, digits, '_', '-' and '.', not '.' first")
        if self.version and not (self.version.isascii() and self.version.isdigit() and int(self.version) > 0):
            raise ConfigurationError(f"version {self.version!r}: give a whole number from 1, or none")
        check_timeout(self.timeout)
        for name, lowest in (("retries", 0), ("max_batch_size", 1), ("concurrency", 1)):
            value = getattr(self, name)
            if not isinstance(value, int) or value < lowest:
                raise ConfigurationError(f"{name} {value!r}: give a whole number from {lowest}")


def model_name(argument: str | None) -> str:
    """Choose the model: argument, then ``TRITEXT_MODEL``, then the default."""
    return _choose(argument, "TRITEXT_MODEL") or DEFAULT_MODEL


def endpoint(url: str | None, api_key: str | None, ca_file: str | os.PathLike[str] | None) -> Endpoint:
    """Choose and check the server's address and key: argument, then environment, then the default.

    Raises:
        ConfigurationError: the URL or the key cannot be used, or ``ca_file`` is no file.
    """
    key = _choose(api_key, "TRITEXT_API_KEY") or None
    if key is not None and not _HEADER_VALUE.fullmatch(key):
        raise ConfigurationError("the API key holds a space, a line break or a character outside ASCII")
    path = None if ca_file is None else Path(ca_file)
    if path is not None and not path.is_file():
        raise ConfigurationError(f"ca_file {str(path)!r}: no such file: give a PEM file of certificates to trust")
    chosen = _choose(url, "TRITEXT_URL") or DEFAULT_URL
    parts = _split(chosen)
    host = f"[{parts.hostname}]" if ":" in str(parts.hostname) else parts.hostname
    return Endpoint(parts.scheme, f"{host}:{parts.port}", parts.path.rstrip("/"), key, path)


def check_timeout(seconds: float) -> float:
    """Return ``seconds`` if it is a number above nothing and at most a day.

    Raises:
        ConfigurationError: it is not.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 < seconds <= _LONGEST_TIMEOUT:
        raise ConfigurationError(f"timeout {seconds!r}: give seconds, more than 0 and at most {_LONGEST_TIMEOUT}")
    return float(seconds)


def _choose(argument: str | None, variable: str) -> str:
    return os.environ.get(variable, "") if argument is None else argument


def _split(url: str) -> SplitResult:
    example = f"write it like {DEFAULT_URL} or http://127.0.0.1:8000"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ConfigurationError(f"url: {error}: {example}") from error
    if "@" in parts.netloc:
        raise ConfigurationError("url: holds a user name or a password: pass api_key= instead")
    if parts.scheme not in SCHEMES or not parts.netloc:
        raise ConfigurationError(f"url {url!r}: the scheme must be one of {', '.join(SCHEMES)}: {example}")
    if not parts.hostname or not port:
        raise ConfigurationError(f"url {url!r}: names no {'port' if parts.hostname else 'host'}: {example}")
    if parts.query or parts.fragment or (parts.scheme.startswith("grpc") and parts.path.strip("/")):
        raise ConfigurationError(f"url {url!r}: nothing may follow the port but, for http, a path: {example}")
    return parts

"""Where something is: an address as a user writes it in, its parts out. Pure.

============================================================  ==============================================
``az://CONTAINER/PATH``                                       Azure; the account is the environment's
``https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH``      Azure
``ENDPOINT/CONTAINER/PATH``                                   Azure, below TRITEXT_BLOB_ENDPOINT
``s3://BUCKET/PATH``, ``gs://BUCKET/PATH``                    Amazon's, Google's
``file:///PATH``, ``PATH``                                    this machine
============================================================  ==============================================
"""

import re
from dataclasses import dataclass, replace
from typing import Literal
from urllib.parse import SplitResult, unquote, urlsplit

from tritext_store.errors import LocationError

Kind = Literal["azure", "s3", "gs", "file"]
_BLOB_HOST = re.compile(r"([a-z0-9]{3,24})\.blob\.core\.(windows\.net|usgovcloudapi\.net|chinacloudapi\.cn)")
_CONTAINER = re.compile(r"(?!.*--)[a-z0-9$][a-z0-9-]{1,61}[a-z0-9]")
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,221}")
_SLASHLESS = re.compile(r"(az|abfss?|s3|gs|https?|file):(?!//)", re.IGNORECASE)
_KNOWN = "az://CONTAINER/PATH, https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH, s3://, gs://, file:// or a path"


@dataclass(frozen=True, slots=True)
class Location:
    """An address, taken apart.

    Attributes:
        kind: What serves it.
        service: Azure: URL of the account's blob service. "" for all others.
        path: As its file system names it: ``container/path`` or ``/path``, without a slash at its end.
        text: As the user wrote it.
    """

    kind: Kind
    service: str
    path: str
    text: str

    def __str__(self) -> str:
        """Give it as the user wrote it."""
        return self.text

    def below(self, name: str) -> "Location":
        """Name something in it."""
        return replace(self, path=f"{self.path}/{name}", text=f"{self.text.rstrip('/')}/{name}")


def parse_location(text: str, *, account: str = "", endpoint: str = "") -> Location:
    """Take an address apart.

    Args:
        text: The address.
        account: The Azure account that ``az://`` means.
        endpoint: URL of its blob service, where that is not the public one of the account.

    Raises:
        LocationError: it cannot be understood, or it holds a secret.
    """
    shown = text.partition("?")[0]
    if not text or not text.isprintable():
        raise LocationError(f"{shown!r} is no address: give {_KNOWN}")
    if found := _SLASHLESS.match(text):
        start = f"{found[1]}://{'/' if found[1].lower() == 'file' else ''}"
        raise LocationError(f"{shown}: write {start}{shown[found.end() :].lstrip('/')}, or ./{shown} for a path")
    if "://" not in text:
        return Location("file", "", _local(text), text)
    parts = _split(text)
    if parts.query or parts.fragment or parts.username or parts.password:
        raise LocationError(
            f"{shown.rpartition('@')[2]}: holds more than an address: "
            "put a SAS into a file and name that in TRITEXT_SAS_FILE, for everybody can read a command line"
        )
    if parts.scheme == "file":
        if parts.netloc not in ("", "localhost"):
            raise LocationError(f"{text}: {parts.netloc!r} would be another machine: write file:///PATH")
        return Location("file", "", _local(unquote(parts.path)), text)
    if parts.scheme in ("s3", "gs"):
        kind: Kind = "s3" if parts.scheme == "s3" else "gs"
        return Location(kind, "", _joined(_matching(_BUCKET, parts.netloc, "bucket", text), parts.path, text), text)
    return _azure(text, parts, account, endpoint)


def _split(text: str) -> SplitResult:
    try:
        return urlsplit(text)
    except ValueError as error:
        raise LocationError(f"{text.partition('?')[0]!r} is no address ({error}): give {_KNOWN}") from error


def _azure(text: str, parts: SplitResult, account: str, endpoint: str) -> Location:
    if parts.scheme in ("az", "abfs", "abfss"):
        if not (account or endpoint):
            raise LocationError(
                f"{text}: of which account? set AZURE_STORAGE_ACCOUNT_NAME, or write the address as "
                "https://ACCOUNT.blob.core.windows.net/CONTAINER/PATH"
            )
        service = endpoint or f"https://{account}.blob.core.windows.net"
        container, rest = parts.netloc, parts.path
    elif endpoint and text.startswith(f"{endpoint}/"):
        service, (container, _, rest) = endpoint, text.removeprefix(f"{endpoint}/").partition("/")
    elif parts.scheme == "https" and _BLOB_HOST.fullmatch(parts.netloc):
        service, (container, _, rest) = f"https://{parts.netloc}", parts.path.lstrip("/").partition("/")
    else:
        raise LocationError(f"{text}: nothing here speaks to that: give {_KNOWN}")
    if not service.startswith("https://"):
        raise LocationError(f"{service}: tokens travel over https only: change TRITEXT_BLOB_ENDPOINT")
    return Location("azure", service, _joined(_matching(_CONTAINER, container, "container", text), rest, text), text)


def _matching(pattern: re.Pattern[str], name: str, what: str, text: str) -> str:
    if not pattern.fullmatch(name):
        why = f"{name!r} cannot be the name of a {what}" if name else f"names no {what}"
        raise LocationError(f"{text}: {why}: give {_KNOWN}")
    return name


def _joined(root: str, path: str, text: str) -> str:
    segments = [part for part in unquote(path).split("/") if part]
    if any(part in (".", "..") or "\\" in part for part in segments):
        raise LocationError(f"{text}: write the path without `.`, `..` and backslashes")
    return "/".join((root, *segments))


def _local(path: str) -> str:
    return path.rstrip("/") or "/"

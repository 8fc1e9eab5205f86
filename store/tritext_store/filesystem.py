"""The file system behind an address: ``az://…`` in, fsspec's out. Only this module imports fsspec.

    from tritext_store.filesystem import explained, open_filesystem

    with explained(uri):                              # the services' errors become one tree, errors.StoreError
        files, path = open_filesystem(uri)            # an fsspec.AbstractFileSystem and the address' path in it
        block = files.cat_file(path, start=0, end=1 << 20)
        with files.open(path, "rb") as stream: ...    # read ahead in blocks
        files.pipe_file(path, content, mode="create")   # whole; FileExistsError where it is there already

Every call makes a client of its own, which must not be handed to another process: let that call this again. Azure is
spoken to with ``DefaultAzureCredential`` (workload identity, managed identity, service principal, `az login`) or with a
SAS from TRITEXT_SAS_FILE or AZURE_STORAGE_SAS_TOKEN, never with an account's key.
"""

import contextlib
import errno
import importlib
import logging
from collections.abc import Iterator
from typing import Any

from tritext_store.errors import Denied, LocalError, MissingExtra, NotFound, StoreError, Unreachable
from tritext_store.faults import Refusal, explain, unreachable
from tritext_store.location import Location, parse_location
from tritext_store.settings import Settings, read_settings

# What s3fs and gcsfs build on: some of its errors they let through.
_BENEATH = ("aiobotocore", "aiohttp", "botocore", "gcsfs", "google")
_REMEDIES = (
    ({errno.ENOSPC, errno.EDQUOT}, "free some space"),
    ({errno.EACCES, errno.EPERM, errno.EROFS}, "choose a place that this user may use, or have the rights changed"),
    ({errno.EEXIST, errno.EISDIR, errno.ENOTDIR}, "something else is in the way: move it away, or choose another name"),
    ({errno.ENAMETOOLONG}, "choose a shorter name"),
)
EXTRAS = {"azure": "blob", "s3": "s3", "gs": "gs", "file": "blob"}


def locate(uri: str, settings: Settings | None = None) -> Location:
    """Take an address apart, with what the environment says of the account.

    Raises:
        LocationError: it cannot be understood, or it holds a secret.
    """
    known = settings or read_settings()
    return parse_location(uri, account=known.account, endpoint=known.endpoint)


def open_filesystem(uri: str | Location) -> tuple[Any, str]:
    """Open the file system that an address lies in; nothing is sent yet.

    Args:
        uri: The address, such as ``az://container/path``, ``s3://…``, ``gs://…``, ``file:///…`` or a plain path.

    Returns:
        The ``fsspec.AbstractFileSystem``, and the path as it names it: ``container/path``, or the local path.

    Raises:
        LocationError: the address cannot be understood, or holds a secret.
        MissingExtra: the package for this kind of storage is not installed.
    """
    settings = read_settings()
    location = uri if isinstance(uri, Location) else locate(uri, settings)
    try:
        return _open(location, settings), location.path
    except ImportError as error:
        extra = EXTRAS[location.kind]
        raise MissingExtra(f"{location}: {error}: run `pip install 'tritext[{extra}]'`") from error


@contextlib.contextmanager
def explained(where: object) -> Iterator[None]:
    """Turn what a service, the network or the disk says into a ``StoreError`` that names the remedy.

    ``FileExistsError`` passes: it is what an exclusive write answers.

    Args:
        where: What is being read or written; named in the message.
    """
    try:
        yield
    except (StoreError, FileExistsError):
        raise
    except Exception as error:
        if (translated := translate(where, error)) is None:
            raise
        raise translated from error


@contextlib.contextmanager
def explained_here(where: object) -> Iterator[None]:
    """Do the same on this machine's disk, where a file that is there already is in the way.

    Args:
        where: What is being read or written; named in the message.
    """
    try:
        with explained(where):
            yield
    except FileExistsError as error:
        raise _of_system(error.filename or where, error) from error


def translate(where: object, error: BaseException) -> StoreError | None:
    """Say in this package's words what went wrong; None for what is no failure of storage."""
    package = type(error).__module__.partition(".")[0]
    if package == "azure":
        from tritext_store.azure import translate_azure

        return translate_azure(where, error)
    if package in _BENEATH:  # some of aiohttp's are of the operating system's kind, too
        return _of_client(where, error)
    return _of_system(where, error) if isinstance(error, OSError) else None


def _of_system(where: object, error: OSError) -> StoreError:
    """Say what an error of the operating system, or of s3fs and gcsfs in its shape, means."""
    answer = getattr(error.__cause__, "response", None)
    if isinstance(answer, dict):  # botocore's
        return explain(where, Refusal(int(answer["ResponseMetadata"]["HTTPStatusCode"]), str(answer["Error"]["Code"])))
    if isinstance(error, FileNotFoundError):
        return NotFound(f"{where}: there is nothing under this name: check the address")
    if isinstance(error, TimeoutError | ConnectionError):
        return Unreachable(f"{where}: {str(error) or type(error).__name__}: try again when the network is back")
    words = f"{where}: {error.strerror or error}"
    remedy = next((remedy for numbers, remedy in _REMEDIES if error.errno in numbers), "")
    return LocalError(f"{words}: {remedy}" if remedy else words)


def _of_client(where: object, error: BaseException) -> StoreError:
    """Say what an error of Amazon's or Google's own packages means."""
    kind, status = type(error).__name__, str(getattr(error, "code", ""))
    if "Credential" in kind or kind == "RefreshError":
        return Denied(f"{where}: no credential ({kind}): give the machine a role, or sign in with the cloud's own tool")
    return explain(where, Refusal(int(status))) if status.isdecimal() else unreachable(where, error)


def _open(location: Location, settings: Settings) -> Any:
    import fsspec

    if location.kind == "azure":
        from tritext_store.azure import BlobFileSystem

        return BlobFileSystem(location.service, settings)
    # Listings that are remembered would hide what others have written.
    options = {} if location.kind == "file" else {"use_listings_cache": False, "skip_instance_cache": True}
    if location.kind == "gs":
        # It logs what is told here in one line, with its trace; without a handler that goes to stderr.
        log = logging.getLogger("gcsfs")
        if not log.handlers:
            log.addHandler(logging.NullHandler())
        # What gcsfs registers asks another service with other credentials first, whether the bucket is a zonal one.
        return importlib.import_module("gcsfs.core").GCSFileSystem(**options)
    return fsspec.filesystem(location.kind, **options)

"""Errors of other packages become this one's, in one line that holds no secret."""

import errno
import os
import subprocess
import sys

import pytest

from tritext_store import errors
from tritext_store.filesystem import explained, translate

URL = "https://acct.blob.core.windows.net/models/a?sv=2025&sig=secret"


def of(module: str, name: str, words: str = "", **facts: object) -> Exception:
    """Make an error as a package that need not be installed has it."""
    made: Exception = type(name, (Exception,), {"__module__": module, **facts})(words)
    return made


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        (of("botocore.exceptions", "NoCredentialsError", "Unable to locate"), errors.Denied, "no credential"),
        (of("google.auth.exceptions", "RefreshError"), errors.Denied, "no credential"),
        (of("botocore.exceptions", "EndpointConnectionError", f"no {URL}"), errors.Unreachable, "models/a: check"),
        (of("gcsfs.retry", "HttpError", "x", code=403), errors.Denied, "access denied"),
        (of("gcsfs.retry", "HttpError", "x", code="503"), errors.Unreachable, "status 503"),
        (of("aiohttp.client_exceptions", "ClientPayloadError", "cut\noff"), errors.Unreachable, "reached: cut: check"),
        (OSError(errno.ENOSPC, "No space left on device"), errors.LocalError, "No space left"),
        (TimeoutError(), errors.Unreachable, "TimeoutError"),
    ],
)
def test_what_other_packages_raise_is_named(error: Exception, kind: type[errors.StoreError], words: str) -> None:
    found = translate("s3://models/a", error)
    assert type(found) is kind
    assert words in str(found)
    assert "\n" not in str(found)
    assert "secret" not in str(found)


def test_a_name_that_nobody_knows_is_named_by_aiohttp_too() -> None:
    from aiohttp import ClientConnectorDNSError
    from aiohttp.client_reqrep import ConnectionKey

    key = ConnectionKey("storage.googleapis.com", 443, True, True, None, None, None)
    found = translate("gs://models/a", ClientConnectorDNSError(key, OSError(-2, "Name or service not known")))
    assert type(found) is errors.Unreachable
    assert "check the name, the network" in str(found)


def test_googles_client_shows_nobody_its_traces() -> None:
    pytest.importorskip("gcsfs", reason="MISSING gcsfs: pip install 'tritext[gs]'")
    program = (
        "import logging; from tritext_store.filesystem import open_filesystem\n"
        "open_filesystem('gs://models/a'); logging.getLogger('gcsfs').error('a trace')"
    )
    environment = os.environ | {"NO_GCE_CHECK": "true"}
    done = subprocess.run(
        [sys.executable, "-c", program], env=environment, capture_output=True, text=True, timeout=100, check=True
    )
    assert "a trace" not in done.stderr


def test_what_has_nothing_to_do_with_storage_is_not_translated() -> None:
    assert translate("az://models", ValueError("x")) is None


def test_a_connection_that_takes_too_long_is_told_without_the_sas() -> None:
    from aiohttp import ConnectionTimeoutError
    from azure.core.exceptions import ServiceRequestTimeoutError

    slow = ConnectionTimeoutError(f"Connection timeout to host {URL}")
    slow.__cause__ = TimeoutError()
    error = ServiceRequestTimeoutError(str(slow), error=slow)
    words = r"reached: Connection timeout to host \S+/models/a: "
    with pytest.raises(errors.Unreachable, match=words) as told, explained("az://models/a"):
        raise error from slow
    assert "secret" not in str(told.value)

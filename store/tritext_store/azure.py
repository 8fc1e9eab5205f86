"""Azure's blobs: an account's address in, a file system with conditional reads and writes out.

Only this module imports adlfs, azure's packages and what carries their requests. It differs from adlfs in what a server
needs: no account key, a SAS that is read again when its file changes, retries within a minute, connections that are
used again, and the two clocks told apart when access is denied.
"""

import asyncio
import datetime
import email.utils
import hashlib
import io
import logging
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast
from urllib.parse import parse_qs

import aiohttp
import azure.core.exceptions as refused
from adlfs import AzureBlobFileSystem
from azure.core import MatchConditions
from azure.core.credentials import AzureSasCredential
from azure.core.pipeline.transport import AioHttpTransport
from azure.identity.aio import DefaultAzureCredential
from azure.storage.blob import BlobBlock
from azure.storage.blob.aio import BlobServiceClient, ExponentialRetry
from fsspec.asyn import sync

from tritext_store.errors import CredentialExpired, Denied, LocalError, StoreError
from tritext_store.faults import Refusal, explain, unreachable
from tritext_store.settings import Settings
from tritext_store.sign_in import explain_sign_in

CONNECT_SECONDS, READ_SECONDS = 10, 60
BLOCK_BYTES = 8 << 20
# These packages warn in many lines of what is told here in one; without a handler those go to stderr.
logging.getLogger("azure").addHandler(logging.NullHandler())


class SharedAccess(AzureSasCredential):
    """A SAS that is read from its file whenever that has changed."""

    def __init__(self, read: Callable[[], str]) -> None:
        """Read it for the first time.

        Args:
            read: Gives the SAS as it is now.

        Raises:
            Denied: there is none.
        """
        self._read = read
        super().__init__(read())

    @property
    def signature(self) -> str:
        """The SAS as it is now."""
        return self._read()

    async def close(self) -> None:
        """Have nothing to close."""


class BlobFileSystem(AzureBlobFileSystem):  # type: ignore[misc]  # adlfs is untyped
    """One account's containers: ``container/path`` names a blob."""

    cachable = False  # fsspec would hand one account's client to whoever asks for a like one

    def __init__(self, service: str, settings: Settings) -> None:
        """Connect to nothing yet.

        Args:
            service: URL of the account's blob service.
            settings: Where a SAS is, if there is one, and how often to try again.

        Raises:
            Denied: the SAS cannot be read.
        """
        self._service, self._settings = service, settings
        name = service.removeprefix("https://").partition(".")[0].rpartition("/")[2]
        super().__init__(
            account_name=name,
            credential=_credential(settings),
            use_listings_cache=False,
            max_concurrency=4,
            # Whoever may read one prefix cannot look at the container itself.
            assume_container_exists=True,
        )

    def do_connect(self) -> None:
        """Make the client; adlfs calls this."""
        self.account_url = self._service
        self.service_client = BlobServiceClient(
            self._service,
            credential=self.credential,
            transport=sync(self.loop, self._transport),
            max_single_put_size=BLOCK_BYTES,
            max_block_size=BLOCK_BYTES,
            retry_policy=ExponentialRetry(
                initial_backoff=1, increment_base=2, retry_total=self._settings.retries, random_jitter_range=1
            ),
        )

    async def _transport(self) -> AioHttpTransport:
        """Make one context of TLS for all requests: azure's own makes one for each, and no connection is used twice."""
        trusted = self._settings.trusted
        try:
            context = ssl.create_default_context(cafile=trusted or None)
        except OSError as error:  # ssl's own are some
            why = error.strerror or type(error).__name__
            raise LocalError(
                f"{trusted}: no authorities to trust can be read there ({why}): check SSL_CERT_FILE"
            ) from error
        session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=True,
        )
        return AioHttpTransport(session=session, connection_timeout=CONNECT_SECONDS, read_timeout=READ_SECONDS)

    def close(self) -> None:
        """Give up the connections. Without this adlfs keeps them, and itself, until the process ends."""
        sync(self.loop, self._close)

    async def _close(self) -> None:
        await self.service_client.close()
        await self.credential.close()

    def read_tagged(self, path: str, most: int) -> tuple[bytes, str]:
        """Read so many bytes of a blob, and the tag that changes with it."""
        return cast(tuple[bytes, str], sync(self.loop, self._read_tagged, path, most))

    def write_tagged(self, path: str, content: bytes, tag: str | None) -> None:
        """Write a blob if it is still the one of this tag; with None, if there is none.

        Raises:
            ResourceModifiedError, ResourceExistsError: it is another one.
        """
        sync(self.loop, self._write_tagged, path, content, tag)

    def upload_hashed(self, file: Path, path: str, sha256: str, tell: Callable[[int], None]) -> bool:
        """Write a file as a blob, if what is read of it has this hash.

        Blocks are seen by nobody before they are committed, so a blob is never there in part.

        Returns:
            Whether it had the hash; else nothing is written.
        """
        return cast(bool, sync(self.loop, self._upload_hashed, file, path, sha256, tell))

    async def _upload_hashed(self, file: Path, path: str, sha256: str, tell: Callable[[int], None]) -> bool:
        container, _, name = path.partition("/")
        digest, blocks = hashlib.sha256(), list[BlobBlock]()
        async with self.service_client.get_blob_client(container, name) as blob:
            with file.open("rb") as reader:
                while block := await asyncio.to_thread(reader.read, BLOCK_BYTES):
                    digest.update(block)
                    blocks.append(BlobBlock(f"{len(blocks):08d}"))
                    await blob.stage_block(blocks[-1].id, io.BytesIO(block), len(block))
                    tell(len(block))
            if digest.hexdigest() != sha256:
                return False
            await blob.commit_block_list(blocks)
        return True

    async def _read_tagged(self, path: str, most: int) -> tuple[bytes, str]:
        container, _, name = path.partition("/")
        async with self.service_client.get_blob_client(container, name) as blob:
            stream = await blob.download_blob(offset=0, length=most)
            return await stream.readall(), stream.properties.etag

    async def _write_tagged(self, path: str, content: bytes, tag: str | None) -> None:
        container, _, name = path.partition("/")
        condition: dict[str, Any] = {"overwrite": False}
        if tag is not None:
            condition = {"overwrite": True, "etag": tag, "match_condition": MatchConditions.IfNotModified}
        async with self.service_client.get_blob_client(container, name) as blob:
            await blob.upload_blob(content, **condition)


def translate_azure(where: object, error: BaseException) -> StoreError:
    """Say what an error of azure's packages means."""
    response = getattr(error, "response", None)
    if isinstance(error, refused.ClientAuthenticationError) and (response is None or "AADSTS" in str(error)):
        return explain_sign_in(where, str(error))
    if isinstance(error, refused.HttpResponseError) and response is not None:
        return explain(where, _refusal(error))
    return unreachable(where, error)


def _refusal(error: refused.HttpResponseError) -> Refusal:
    response = cast(Any, error.response)
    code = getattr(error, "error_code", None)
    here, now = time.time(), _date(response.headers.get("Date", ""))
    sent = parse_qs(str(getattr(response.request, "url", "")).partition("?")[2])
    times = [_instant(sent.get(name, [""])[0]) if "sig" in sent else None for name in ("se", "st")]
    ends, begins = (None if at is None else at - (here if now is None else now) for at in times)
    return Refusal(
        status=int(error.status_code or 0),
        code=str(getattr(code, "value", code) or ""),
        detail=f"{error.message} {response.headers.get('WWW-Authenticate', '')}",
        skew=None if now is None else here - now,
        expiry=ends,
        begins=begins,
    )


def _credential(settings: Settings) -> Any:
    if settings.sas_file:
        return SharedAccess(_reader(Path(settings.sas_file)))
    if settings.sas:
        if "sig=" not in settings.sas:
            raise Denied("AZURE_STORAGE_SAS_TOKEN holds no SAS, for it has no sig=: write one there, or unset it")
        return SharedAccess(lambda: settings.sas)
    try:
        # The browser and the editors' sign-ins are for people; a server must not wait for one.
        return DefaultAzureCredential(
            exclude_interactive_browser_credential=True,
            exclude_shared_token_cache_credential=True,
            exclude_visual_studio_code_credential=True,
            exclude_powershell_credential=True,
            connection_verify=settings.trusted or True,
            retry_total=settings.retries,
        )
    except (OSError, ValueError) as error:  # what the environment names cannot be read, or makes no sense
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise Denied(
            f"the identity that the environment describes cannot be used: {why}: check the variables AZURE_CLIENT_ID, "
            "AZURE_TENANT_ID, AZURE_CLIENT_CERTIFICATE_PATH and AZURE_AUTHORITY_HOST"
        ) from error


def _reader(path: Path) -> Callable[[], str]:
    def read() -> str:
        try:
            text = path.read_text(encoding="ascii").strip().lstrip("?")
        except (OSError, UnicodeDecodeError) as error:
            raise Denied(f"{path}: the SAS cannot be read: {error}: check TRITEXT_SAS_FILE") from error
        if "sig=" not in text:
            raise CredentialExpired(f"{path}: holds no SAS: write one there")
        return text

    return read


def _date(text: str) -> float | None:
    try:
        return email.utils.parsedate_to_datetime(text).timestamp()
    except (TypeError, ValueError):
        return None


def _instant(text: str) -> float | None:
    try:
        return datetime.datetime.fromisoformat(text).timestamp()
    except ValueError:
        return None

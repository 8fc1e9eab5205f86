"""A blob as an input or an output: `tritext_store` opens it, this module reads it in blocks and uploads it whole."""

import asyncio
import io
import secrets
from pathlib import Path
from typing import Any, BinaryIO, cast

from tritext_batch.errors import InputError, OutputError
from tritext_batch.places import EXISTS
from tritext_batch.stamps import Stamp, same
from tritext_store.errors import Changed, Denied, NotFound, StoreError, Throttled, Unreachable
from tritext_store.faults import NO_CONTAINER
from tritext_store.filesystem import explained, open_filesystem

# Read ahead so much at a time, of which so much is handed on.
BLOCK_BYTES, BUFFER_BYTES = 4 << 20, 1 << 20
# What tells one content from another, by the names that services have for it; the first that is there.
_MARKS = ("etag", "ETag", "last_modified", "LastModified", "mtime", "updated")


class BlobPlace:
    """A blob; every method raises ``StoreError`` where the service refuses or cannot be reached."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._files, self._path = open_filesystem(uri)

    def stamp(self) -> Stamp:
        """Identify it by its size and ETag.

        Raises:
            InputError: it is a folder, or the service tells nothing that would change with it.
        """
        found = self._info()
        mark = next((str(found[name]) for name in _MARKS if found.get(name)), "")
        if found.get("type") != "file" or found.get("size") is None or not mark:
            raise InputError(f"{self._uri}: is no blob: name one, not a folder")
        return Stamp(int(found["size"]), mark)

    def open(self) -> BinaryIO:
        """Open it for reading, a few blocks ahead."""
        with explained(self._uri):
            file = self._files.open(self._path, "rb", block_size=BLOCK_BYTES, cache_type="readahead")
        return cast(BinaryIO, io.BufferedReader(_Explained(file, self._uri), BUFFER_BYTES))

    def exists(self) -> bool:
        """Whether it is known to be there; who may only write learns it when the upload is refused."""
        try:
            self._info()
        except (NotFound, Denied):
            return False
        return True

    def require_writable(self, size: int, *, overwrite: bool) -> None:
        """Ask Azure to make the blob of a block that it does not have: it says whether we may, and cannot do it.

        The right to write is all that this needs, and nothing is left, no uncommitted block either. Other clouds have
        no such request; there it is the upload that tells.

        Raises:
            OutputError: there is one already, which must not be replaced.
            StoreError: the identity may not write here, there is no such container, or it cannot be reached.
        """
        if not overwrite and self.exists():
            raise OutputError(f"{self._uri}: {EXISTS}")
        if not hasattr(self._files, "service_client"):
            return
        condition = {} if overwrite else {"if_none_match": "*"}
        try:
            with explained(self._uri):
                asyncio.run_coroutine_threadsafe(self._commit_nothing(condition), self._files.loop).result()
        except Changed as error:
            if not overwrite:  # who may only write learns it here
                raise OutputError(f"{self._uri}: {EXISTS}") from error
        except StoreError as error:
            # Anything else, InvalidBlockList as a rule, is said to those who may write.
            if isinstance(error, Denied | Unreachable | Throttled) or NO_CONTAINER in str(error):
                raise

    async def _commit_nothing(self, condition: dict[str, str]) -> None:
        container, _, name = self._path.partition("/")
        async with self._files.service_client.get_blob_client(container, name) as blob:
            await blob.commit_block_list([secrets.token_hex(16)], **condition)

    def publish(self, path: Path, *, overwrite: bool) -> None:
        """Upload a file in blocks, which become the blob all at once when the last one is there.

        Raises:
            OutputError: there is another one already, which must not be replaced.
        """
        try:
            with explained(self._uri):
                self._files.put_file(str(path), self._path, mode="overwrite" if overwrite else "create")
        except FileExistsError as error:
            if self._holds(path):  # an earlier run was killed behind this, or the service's answer was lost
                return
            raise OutputError(
                f"{self._uri}: exists: replace it with --overwrite, and nothing is scored again"
            ) from error

    def remove(self) -> None:
        """Remove it, if it is there."""
        if self.exists():
            with explained(self._uri):
                self._files.rm_file(self._path)

    def _holds(self, path: Path) -> bool:
        try:
            with path.open("rb") as ours, self.open() as theirs:
                return same(ours, theirs)
        except (NotFound, Denied):
            return False

    def _info(self) -> dict[str, Any]:
        with explained(self._uri):
            return dict(self._files.info(self._path))


class _Explained(io.RawIOBase):
    """A file whose failures are told in words."""

    def __init__(self, file: Any, uri: str) -> None:
        self._file, self._uri = file, uri

    def readinto(self, buffer: Any) -> int:
        with explained(self._uri):
            content = self._file.read(len(buffer))
        buffer[: len(content)] = content
        return len(content)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()

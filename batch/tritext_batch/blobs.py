"""A blob as an input or an output: `tritext_store` opens it, this module reads it in blocks and uploads it whole."""

import io
from pathlib import Path
from typing import Any, BinaryIO, cast

from tritext_batch.errors import InputError, OutputError
from tritext_batch.stamps import Stamp, same
from tritext_store.errors import Denied, NotFound
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

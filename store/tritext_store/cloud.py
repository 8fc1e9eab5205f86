"""Blobs of Azure, Amazon or Google as push and pull need them: conditional reads and writes through fsspec.

What differs between the three is here and in ``tritext_store.azure``: what tells one content of a blob from another
(an ETag, a generation), how a write is made conditional, and how a file goes up in parts that nobody sees before all
are there.
"""

import datetime
import hashlib
import json
import secrets
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tritext_store.errors import Changed, Damaged
from tritext_store.filesystem import explained, open_filesystem
from tritext_store.location import Location
from tritext_store.objects import Tell, edited

# S3 takes parts of 5 MiB and more, Google multiples of 256 KiB.
PART_BYTES = 8 << 20
_RELATED = "multipart/related; boundary="


class CloudObjects:
    """Blobs of Azure, S3 or Google, through fsspec."""

    def __init__(self, location: Location) -> None:
        """Make a client.

        Args:
            location: The remote repository.
        """
        self.location = location
        with explained(location):
            self._files, self._root = open_filesystem(location)

    def read(self, name: str, most: int) -> tuple[bytes, str]:
        """Read a blob's beginning, and the tag that changes with it."""
        path = self._path(name)
        with explained(self.location.below(name)):
            if self.location.kind == "azure":
                content, tag = self._files.read_tagged(path, most)
                return content, tag
            # Tag first: content that is newer than its tag makes the conditional write fail, never succeed wrongly.
            facts = self._files.info(path)
            tag = str(facts["ETag"] if self.location.kind == "s3" else facts["generation"])
            return self._files.cat_file(path, start=0, end=min(most, int(facts["size"]))), tag

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a blob if it is still the one of this tag."""
        path, where = self._path(name), self.location.below(name)
        try:
            with explained(where):
                if self.location.kind == "azure":
                    self._files.write_tagged(path, content, tag)
                elif self.location.kind == "s3":
                    _replace_s3(self._files, path, content, tag)
                else:
                    _replace_gs(self._files, path, content, tag)
        except FileExistsError as error:
            raise Changed(f"{where}: somebody else has written it meanwhile: try again") from error

    def sizes(self, folder: str) -> Mapping[str, tuple[int, float]]:
        """List a folder."""
        with explained(self.location.below(folder)):
            try:
                found: Mapping[str, Any] = self._files.find(self._path(folder), detail=True)
            except FileNotFoundError:
                return {}
        return {
            f"{folder}/{path.rpartition('/')[2]}": (int(facts["size"]), _modified(facts))
            for path, facts in found.items()
        }

    def upload(self, name: str, path: Path, sha256: str, tell: Tell) -> None:
        """Write a file as a blob, unless its hash has changed."""
        upload = self._files.upload_hashed if self.location.kind == "azure" else self._upload_hashed
        with explained(self.location.below(name)):
            if not upload(path, self._path(name), sha256, tell):
                raise edited(path)

    def _upload_hashed(self, file: Path, path: str, sha256: str, tell: Tell) -> bool:
        """Write a file in parts, if what is read of it has this hash, as ``BlobFileSystem.upload_hashed`` does."""
        digest = hashlib.sha256()
        writer = self._files.open(path, "wb", block_size=PART_BYTES, autocommit=False)
        try:
            with file.open("rb") as reader:
                while block := reader.read(PART_BYTES):
                    digest.update(block)
                    writer.write(block)
                    tell(len(block))
            writer.flush(force=True)
            if same := digest.hexdigest() == sha256:
                writer.commit()
                return same
        except BaseException:
            _discard(writer)
            raise
        _discard(writer)
        return False

    def block(self, name: str, start: int, end: int) -> bytes:
        """Read a part of a blob."""
        try:
            with explained(self.location.below(name)):
                content: bytes = self._files.cat_file(self._path(name), start=start, end=end)
        except Damaged:  # it ends before that
            return b""
        return content

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs."""
        for name in names:
            with explained(self.location.below(name)):
                try:
                    self._files.rm_file(self._path(name))
                except FileNotFoundError:
                    continue

    def sweep(self, folder: str, grace: float) -> None:
        """Have nothing to do: a blob is never there in part."""

    def close(self) -> None:
        """Give up the connections."""
        if self.location.kind == "azure":
            self._files.close()

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"


def _replace_s3(files: Any, path: str, content: bytes, tag: str | None) -> None:
    bucket, _, key = path.partition("/")
    condition = {"IfNoneMatch": "*"} if tag is None else {"IfMatch": tag}
    files.call_s3("put_object", Bucket=bucket, Key=key, Body=content, **condition)


def _replace_gs(files: Any, path: str, content: bytes, tag: str | None) -> None:
    bucket, _, key = path.partition("/")
    edge = secrets.token_hex(16)
    facts = json.dumps({"name": key, "contentType": "application/json"})
    kinds = ("application/json; charset=UTF-8", "application/json")
    parts = [f"--{edge}\r\nContent-Type: {kind}\r\n\r\n".encode() for kind in kinds]
    body = b"".join((parts[0], facts.encode(), b"\r\n", parts[1], content, f"\r\n--{edge}--\r\n".encode()))
    address, headers = f"{files._location}/upload/storage/v1/b/{bucket}/o", {"Content-Type": _RELATED + edge}
    # No generation at all is generation 0.
    condition = {"ifGenerationMatch": tag or "0"}
    files.call("POST", address, uploadType="multipart", headers=headers, data=body, **condition)


def _discard(writer: Any) -> None:
    """Have the service forget the parts; what the caller has to say is more than whether that worked."""
    try:
        writer.discard()
    except Exception:  # the services remove what is never committed, or a rule of the bucket's does
        return
    finally:
        writer.closed = True


def _modified(facts: Mapping[str, Any]) -> float:
    when = facts.get("last_modified") or facts.get("LastModified") or facts.get("mtime")
    if not isinstance(when, datetime.datetime):
        raise Damaged(f"{facts.get('name')}: the storage does not say when it was changed")
    return when.timestamp()

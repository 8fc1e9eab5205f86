"""What a pushed repository consists of: one JSON document that names every file by its content. Pure.

::

    tritext-repository.json      this, written last and only over the index that the pusher has read
    content/SHA256               the files' contents; written once, never changed

Whoever reads the index has one whole state of the repository, whatever is being pushed meanwhile. It also names the
contents of the states before it, so that whoever still fetches one of those finds them.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tritext_store.allowed import is_allowed
from tritext_store.errors import Damaged, Unexpected

INDEX_NAME = "tritext-repository.json"
CONTENT = "content"
FORMAT = 1
# How many former states keep their contents.
FORMER = 2
MOST_FILES, MOST_INDEX_BYTES = 10_000, 8 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file.

    Attributes:
        path: Below the repository, with slashes.
        bytes: Its size.
        sha256: Of its content, in hexadecimal digits.
    """

    path: str
    bytes: int
    sha256: str

    @property
    def blob(self) -> str:
        """Where its content lies."""
        return f"{CONTENT}/{self.sha256}"


@dataclass(frozen=True, slots=True)
class Index:
    """One state of a repository.

    Attributes:
        files: Every file, by path.
        former: What the states before it needed, newest first: hashes.
        created: UTC time, ISO 8601.
    """

    files: tuple[Entry, ...]
    former: tuple[tuple[str, ...], ...] = ()
    created: str = ""

    @property
    def generation(self) -> str:
        """The state's name: the same files have the same one."""
        lines = (f"{entry.sha256} {entry.bytes} {entry.path}\n" for entry in sorted(self.files))
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:32]

    @property
    def bytes(self) -> int:
        """Size of all files."""
        return sum(entry.bytes for entry in self.files)

    @property
    def contents(self) -> tuple[str, ...]:
        """The hashes that it needs, each once."""
        return tuple(sorted({entry.sha256 for entry in self.files}))

    def succeed(self, files: Iterable[Entry], created: str) -> "Index":
        """Give the state that follows this one."""
        return Index(tuple(sorted(files)), tuple(filter(None, (self.contents, *self.former)))[:FORMER], created)

    def needed(self) -> frozenset[str]:
        """Give the hashes whose contents must stay: its own and those of the states before it."""
        return frozenset(self.contents).union(*self.former)


def encode(index: Index) -> bytes:
    """Write an index as the document that is stored."""
    document = {
        "format": FORMAT,
        "generation": index.generation,
        "created": index.created,
        "files": [{"path": e.path, "bytes": e.bytes, "sha256": e.sha256} for e in index.files],
        "former": [list(hashes) for hashes in index.former],
    }
    return json.dumps(document, indent=1).encode() + b"\n"


def decode(content: bytes, where: object) -> Index:
    """Read the stored document; nothing in it is believed.

    Args:
        content: The document; of one that is too long a byte more than it may have will do.
        where: Where it lies; named in errors.

    Raises:
        Damaged: it is none, or does not hold together.
        Unexpected: it names a file that does not belong into a repository.
    """
    if len(content) > MOST_INDEX_BYTES:
        raise Damaged(
            f"{where}: {INDEX_NAME} has more than {MOST_INDEX_BYTES} bytes, as no index has: push with --again"
        )
    try:
        document = json.loads(content)
        if document["format"] != FORMAT:
            raise Damaged(f"{where}: {INDEX_NAME} has format {document['format']!r}: upgrade tritext here")
        files = tuple(_entry(each) for each in document["files"])
        former = tuple(tuple(_hash(each) for each in hashes) for hashes in document["former"])
        index = Index(files, former[:FORMER], str(document["created"]))
        promised = document["generation"]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise Damaged(
            f"{where}: {INDEX_NAME} is no index ({type(error).__name__}: {error}): push with --again"
        ) from error
    if strange := [entry.path for entry in files if not is_allowed(entry.path)]:
        raise Unexpected(
            f"{where}: {INDEX_NAME} names {strange[0][:200]!r}, which is no file of a model repository: see who wrote "
            "that, and push with --again"
        )
    if not 0 < len({entry.path for entry in files}) == len(files) <= MOST_FILES:
        raise Damaged(f"{where}: {INDEX_NAME} names {len(files)} files, or one twice: push with --again")
    if index.generation != promised:
        raise Damaged(f"{where}: {INDEX_NAME} was changed by hand, or is cut off: push with --again")
    return index


def _entry(document: Mapping[str, Any]) -> Entry:
    path, size = document["path"], document["bytes"]
    if not isinstance(path, str) or type(size) is not int or size < 0:
        raise ValueError(f"{str(path)[:80]!r}, {str(size)[:20]!r} bytes")
    return Entry(path, size, _hash(document["sha256"]))


def _hash(text: object) -> str:
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError(f"{str(text)[:80]!r} is no sha256")
    return text

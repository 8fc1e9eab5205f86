"""What a pushed repository consists of: one JSON document that names every file by its content. Pure.

::

    tritext-repository.json      this, written last and only over the index that the pusher has read
    content/SHA256.MARK          the files' contents; written once, never changed, and no name is used twice

Whoever reads the index has one whole state of the repository, whatever is being pushed meanwhile. It also names the
contents of the states before it, so that whoever still fetches one of those finds them, and those that are to go:
what an index has condemned no later one names, so that it does no harm however late it is removed.
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
FORMAT = 2
# The first one had no marks, and condemned nothing.
READABLE = (1, FORMAT)
# How many former states keep their contents.
FORMER = 2
MOST_FILES, MOST_CONDEMNED, MOST_INDEX_BYTES = 10_000, 10_000, 8 << 20
_SHA256 = re.compile(r"[0-9a-f]{64}")
_MARK = re.compile(r"[0-9a-f]{0,16}")


@dataclass(frozen=True, slots=True, order=True)
class Entry:
    """One file.

    Attributes:
        path: Below the repository, with slashes.
        bytes: Its size.
        sha256: Of its content, in hexadecimal digits.
        mark: Tells one upload of this content from another; hexadecimal digits, none in the first format.
    """

    path: str
    bytes: int
    sha256: str
    mark: str = ""

    @property
    def stored(self) -> str:
        """The name of its content."""
        return f"{self.sha256}.{self.mark}" if self.mark else self.sha256

    @property
    def blob(self) -> str:
        """Where its content lies."""
        return f"{CONTENT}/{self.stored}"


@dataclass(frozen=True, slots=True)
class Index:
    """One state of a repository.

    Attributes:
        files: Every file, by path.
        former: What the states before it needed, newest first: names of contents.
        created: UTC time, ISO 8601.
        condemned: Names of contents that are to be removed, and that no index will name again.
    """

    files: tuple[Entry, ...]
    former: tuple[tuple[str, ...], ...] = ()
    created: str = ""
    condemned: tuple[str, ...] = ()

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
        """The names of the contents that it needs, each once."""
        return tuple(sorted({entry.stored for entry in self.files}))

    def succeed(self, files: Iterable[Entry], created: str) -> "Index":
        """Give the state that follows this one."""
        return Index(tuple(sorted(files)), tuple(filter(None, (self.contents, *self.former)))[:FORMER], created)

    def needed(self) -> frozenset[str]:
        """Give the names of the contents that must stay: its own and those of the states before it."""
        return frozenset(self.contents).union(*self.former)


def encode(index: Index) -> bytes:
    """Write an index as the document that is stored."""
    document = {
        "format": FORMAT,
        "generation": index.generation,
        "created": index.created,
        "files": [{"path": e.path, "bytes": e.bytes, "sha256": e.sha256, "mark": e.mark} for e in index.files],
        "former": [list(names) for names in index.former],
        "condemned": list(index.condemned),
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
        if document["format"] not in READABLE:
            raise Damaged(f"{where}: {INDEX_NAME} has format {document['format']!r}: upgrade tritext here")
        files = tuple(_entry(each) for each in document["files"])
        former = tuple(tuple(_stored(each) for each in names) for names in document["former"])
        condemned = tuple(_stored(each) for each in document.get("condemned", ()))
        index = Index(files, former[:FORMER], str(document["created"]), condemned)
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
    return Entry(path, size, _hash(document["sha256"]), _mark(document.get("mark", "")))


def _stored(text: object) -> str:
    sha256, dot, mark = str(text).partition(".")
    return f"{_hash(sha256)}{dot}{_mark(mark)}"


def _mark(text: object) -> str:
    if not isinstance(text, str) or not _MARK.fullmatch(text):
        raise ValueError(f"{str(text)[:80]!r} is no mark")
    return text


def _hash(text: object) -> str:
    if not isinstance(text, str) or not _SHA256.fullmatch(text):
        raise ValueError(f"{str(text)[:80]!r} is no sha256")
    return text

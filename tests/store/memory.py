"""A storage in memory whose every request waits for its turn, and whose clock stands until a test moves it."""

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tritext_store.errors import Changed, NotFound
from tritext_store.location import Location
from tritext_store.objects import Tell


@dataclass(slots=True)
class Memory:
    """What several clients have in common.

    Attributes:
        blobs: Content, tag and time of each, by name.
        now: The storage's clock, in seconds.
        writes: How many writes there have been: tags count them.
    """

    blobs: dict[str, tuple[bytes, str, float]] = field(default_factory=dict)
    now: float = 0.0
    writes: int = 0

    def put(self, name: str, content: bytes) -> None:
        """Write a blob."""
        self.writes += 1
        self.blobs[name] = (content, str(self.writes), self.now)


class MemoryObjects:
    """One client's view: a real storage's conditions, one request at a time."""

    def __init__(self, memory: Memory, turn: Callable[[], None]) -> None:
        """Wait for ``turn`` before each request."""
        self.location = Location("file", "", "/memory", "memory")
        self._memory, self._turn, self._lock = memory, turn, threading.Lock()

    def read(self, name: str, most: int) -> tuple[bytes, str]:
        """Read a blob and its tag."""
        with self._lock:
            self._turn()
            if name not in self._memory.blobs:
                raise NotFound(name)
            content, tag, _ = self._memory.blobs[name]
            return content[:most], tag

    def replace(self, name: str, content: bytes, tag: str | None) -> None:
        """Write a blob if it is still the one of this tag."""
        with self._lock:
            self._turn()
            there = self._memory.blobs.get(name)
            if (there[1] if there else None) != tag:
                raise Changed(name)
            self._memory.put(name, content)

    def sizes(self, folder: str) -> Mapping[str, tuple[int, float]]:
        """List a folder."""
        with self._lock:
            self._turn()
            items = self._memory.blobs.items()
            return {name: (len(content), at) for name, (content, _, at) in items if name.startswith(f"{folder}/")}

    def upload(self, name: str, path: Path, sha256: str, tell: Tell) -> None:
        """Write a file as a blob."""
        with self._lock:
            self._turn()
            self._memory.put(name, path.read_bytes())

    def block(self, name: str, start: int, end: int) -> bytes:
        """Read a part of a blob."""
        return self.read(name, end)[0][start:]

    def remove(self, names: Iterable[str]) -> None:
        """Remove blobs, each in a turn of its own."""
        for name in names:
            with self._lock:
                self._turn()
                self._memory.blobs.pop(name, None)

    def sweep(self, folder: str, grace: float) -> None:
        """Have nothing in part."""

    def close(self) -> None:
        """Have nothing to give up."""
